"""T-Fixup and DeepNorm: scales by the papers' formulas, and what they are for: deep models that train."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from acclimate.kernels import native
from acclimate.models.families.bert import Bert
from acclimate.models.families.transformer.family import Transformer
from acclimate.models.family import Vocabulary
from acclimate.models.quick_modules import quicken

torch.set_num_threads(1)
HIDDEN = 192


def built(layers: int = 6, **more: Any) -> Any:
    settings = {"layers": layers, "hidden": HIDDEN, "heads": 4, "dropout": 0, "attention_dropout": 0, **more}
    return Transformer.model_validate(settings).build(vocabulary=Vocabulary(600, 0), seed=2)


def std(weight: torch.Tensor) -> float:
    return float(weight.detach().double().std())


def xavier(outputs: int, inputs: int) -> float:
    return (2 / (outputs + inputs)) ** 0.5


def parts(layer: Any) -> dict[str, torch.Tensor]:
    query, key, value = layer.attention.qkv.weight.detach().chunk(3)
    return {
        "query": query,
        "key": key,
        "value": value,
        "output": layer.attention.output.dense.weight,
        "inner": layer.inner.dense.weight,
        "outer": layer.output.dense.weight,
    }


@pytest.mark.parametrize("activation", ["gelu", "geglu"])
@pytest.mark.parametrize(("name", "factor"), [("t_fixup", 0.67 * 6**-0.25), ("deepnorm", (8 * 6) ** -0.25)])
def test_scales_by_the_formulas(name: str, factor: float, activation: str) -> None:
    norms = {"normalisation": "none"} if name == "t_fixup" else {}
    model = built(initialise=name, activation=activation, **norms)
    wide = model.config.intermediate_size
    for layer in model.model.layers:
        found = parts(layer)
        for one in ("query", "key"):
            assert std(found[one]) == pytest.approx(xavier(HIDDEN, HIDDEN), rel=0.03)
        for one in ("value", "output"):
            assert std(found[one]) == pytest.approx(factor * xavier(HIDDEN, HIDDEN), rel=0.03)
        for one in ("inner", "outer"):
            assert std(found[one]) == pytest.approx(factor * xavier(wide, HIDDEN), rel=0.03)
        assert not layer.attention.output.dense.bias.any()
    words = model.model.embeddings.word_embeddings.weight[1:]
    if name == "t_fixup":
        assert std(words) == pytest.approx(factor * HIDDEN**-0.5, rel=0.03)
        bound = float(parts(model.model.layers[0])["query"].abs().max())
        assert bound == pytest.approx(3**0.5 * xavier(HIDDEN, HIDDEN), rel=0.01)  # uniform
        assert not any("norm" in key for key, _ in model.named_parameters())
    else:
        assert std(words) == pytest.approx(0.02 * 0.88, rel=0.03)  # BERT's, cut at two deviations


def test_deepnorm_scales_residuals_and_writes_it_down(tmp_path) -> None:
    model = built(layers=8, initialise="deepnorm").eval()
    assert model.config.residual_scale == pytest.approx(2.0)  # (2·8)^¼
    layer = model.model.layers[3].output
    x, residual = torch.randn(1, 5, layer.dense.in_features), torch.randn(1, 5, HIDDEN)
    expected = layer.norm(layer.dense(x) + 2.0 * residual)
    torch.testing.assert_close(layer(x, residual, None), expected)
    quick = copy.deepcopy(model)
    quicken(quick)
    assert type(quick.model.layers[3].output).__name__ == "QuickPostNormOutput" or not native.available()
    torch.testing.assert_close(
        quick.model.layers[3].output(x, residual, None), expected, rtol=1e-4, atol=1e-5
    )
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path).eval()
    words = torch.arange(5, 25).view(2, 10)
    torch.testing.assert_close(again(input_ids=words).logits, model(input_ids=words).logits)
    again.config.residual_scale = 1.0
    plain = type(model)(again.config).eval()
    plain.load_state_dict(model.state_dict())
    assert not torch.allclose(plain(input_ids=words).logits, model(input_ids=words).logits, atol=1e-3)


WORDS = torch.randint(5, 600, (4, 16), generator=torch.Generator().manual_seed(1))


def loss_of(model: Any) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(model(input_ids=WORDS).logits.flatten(0, 1), WORDS.flatten())


def test_a_step_moves_a_deep_model_little() -> None:
    """What DeepNorm is for: of 24 layers one step moves the output less than of 3 layers that Xavier drew."""

    def moved(layers: int, initialise: str) -> float:
        model = built(layers, hidden=64, initialise=initialise)
        before = model.model(input_ids=WORDS).last_hidden_state.detach()
        loss_of(model).backward()
        torch.optim.SGD(model.model.layers.parameters(), lr=0.05).step()
        return float((model.model(input_ids=WORDS).last_hidden_state.detach() - before).norm())

    deep = moved(24, "deepnorm")
    assert deep < moved(3, "xavier") and deep < moved(24, "xavier") / 10


def test_t_fixup_trains_deep_without_norms_or_warm_up() -> None:
    def final(initialise: str) -> float:
        model = built(12, hidden=64, normalisation="none", initialise=initialise)
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        for _ in range(40):
            optimizer.zero_grad()
            loss = loss_of(model)
            loss.backward()
            optimizer.step()
        return float(loss.detach())

    assert final("t_fixup") < 1.0 < 3.0 < final("truncated_normal")


@pytest.mark.parametrize(
    ("family", "settings", "message"),
    [
        (
            Bert,
            {"initialise": "deepnorm"},
            "deepnorm needs scaled residuals, which bert has not.*transformer",
        ),
        (Bert, {"initialise": "t_fixup"}, "t_fixup needs no norms, which bert has not.*normalisation: none"),
        (
            Transformer,
            {"initialise": "t_fixup"},
            "nearest: the family transformer with `normalisation: none`",
        ),
        (Transformer, {"initialise": "deepnorm", "norm_place": "pre"}, "with `norm_place: post`"),
        (Transformer, {"initialise": "deepnorm", "normalisation": "none"}, "needs scaled residuals"),
    ],
)
def test_families_without_what_it_needs_are_refused_by_name(family: Any, settings: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message) as error:
        family.model_validate(settings)
    assert error.value.errors()[0]["loc"] == ("initialise",)
