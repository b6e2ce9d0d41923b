"""A model with quick modules is the same model: outputs, gradients, names, files. What does not fit stays plain."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertForMaskedLM, BertForSequenceClassification

from acclimate.batching.packed import PackedBatch, Sequences, pack
from acclimate.kernels import native
from acclimate.kernels.products import forget_copies
from acclimate.kernels.row_gradients import collected
from acclimate.models.building import Labels
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.models.forward import class_logits, encode, token_losses
from acclimate.models.quick_modules import quicken

VOCABULARY = 300
Gradients = dict[str, Tensor]

needs_kernels = pytest.mark.skipif(not native.available(), reason="the kernels cannot be built here")


def bert(kind: str = "mlm", **settings: Any) -> nn.Module:
    """Settings of the recipe, or of Transformers' own."""
    own = {"size": "tiny", "positions": 64, "dropout": 0, "attention_dropout": 0}
    own |= {name: settings.pop(name) for name in list(settings) if name in own}
    model = Bert.model_validate(own).build(
        vocabulary=Vocabulary(VOCABULARY, 0),
        seed=1,
        kind=kind,
        labels=Labels(("a", "b", "c")) if kind[0] == "c" else None,
    )
    torch.manual_seed(0)
    if settings:
        for name, value in settings.items():
            setattr(model.config, name, value)
        model = type(model)(model.config)
    for parameter in model.parameters():  # biases of zero and gains of one would hide mistakes
        nn.init.normal_(parameter, std=0.1) if parameter.dim() > 1 else parameter.data.add_(
            0.1 * torch.randn_like(parameter)
        )
    return model


def batch(lengths: tuple[int, ...] = (7, 30, 12, 1, 45, 9)) -> PackedBatch:
    rng = np.random.default_rng(3)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    total = int(starts[-1])
    places = np.sort(rng.choice(total, total // 4, replace=False))
    sequences = Sequences(
        tokens=rng.integers(0, VOCABULARY, total),
        cu_seqlens=starts,
        segments=(rng.random(total) < 0.3).astype(np.int64),
        ids=np.arange(len(lengths)),
        epochs=np.zeros(len(lengths), dtype=np.int64),
    )
    return pack(sequences, target_positions=places, targets=rng.integers(0, VOCABULARY, len(places)))


def step(model: nn.Module, given: PackedBatch, *, bf16: bool = False) -> tuple[float, Gradients]:
    """Mean loss of the masked language model, and its gradients."""
    forget_copies()
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        hidden = encode(model, given)[given.target_positions]
        total, _ = token_losses(model, hidden, given.targets)
    with collected():
        (total / len(given.targets)).backward()
    return float(total.detach()) / len(given.targets), grads(model)


def plain_step(model: nn.Module, given: PackedBatch, *, bf16: bool = False) -> tuple[float, Gradients]:
    """The same through Transformers alone: one padded row a sequence."""
    lengths = given.cu_seqlens.diff().tolist()
    shape = (len(lengths), max(lengths))
    ids, segments, mask = (torch.zeros(shape, dtype=torch.long) for _ in range(3))
    labels, flat = torch.full(shape, -100), torch.full((given.num_tokens,), -100)
    flat[given.target_positions] = given.targets
    for row, (start, length) in enumerate(zip(given.cu_seqlens.tolist(), lengths, strict=False)):
        part = slice(start, start + length)
        ids[row, :length], segments[row, :length] = given.tokens[part], given.segments[part]
        mask[row, :length], labels[row, :length] = 1, flat[part]
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = model(input_ids=ids, token_type_ids=segments, attention_mask=mask, labels=labels).loss
    loss.backward()
    return float(loss.detach()), grads(model)


def grads(model: nn.Module) -> Gradients:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def plain_twin(model: nn.Module) -> nn.Module:
    plain = BertForMaskedLM(copy.deepcopy(model.config)).train(model.training)
    plain.load_state_dict(model.state_dict())
    plain.set_attn_implementation("eager")
    return plain


def distance(a: Gradients, b: Gradients) -> float:
    """The largest of all parameters' relative distances. Softmax ignores key biases: their gradient is rounding."""
    assert a.keys() == b.keys()
    whole = float(torch.stack([x.double().norm() for x in b.values()]).norm())
    names = [name for name in b if "key.bias" not in name]
    assert all(float((a[name] - b[name]).norm()) < 1e-2 * whole for name in b)
    return max(
        float((a[name].double() - b[name].double()).norm() / b[name].double().norm()) for name in names
    )


def quick_classes(model: nn.Module) -> set[str]:
    return {type(module).__name__ for module in model.modules() if type(module).__name__.startswith("Quick")}


@needs_kernels
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu"])
def test_loss_and_all_gradients_equal_plain_transformers(training: bool, activation: str) -> None:
    model = bert(hidden_act=activation).train(training)
    given = batch()
    loss, wanted = plain_step(plain_twin(model), given)
    quicken(model)
    found, ours = step(model, given)
    assert found == pytest.approx(loss, rel=1e-5)
    assert distance(ours, wanted) < 1e-5
    assert {"QuickBertIntermediate", "QuickBertPredictionHeadTransform", "QuickLinear"} <= quick_classes(
        model
    )


@needs_kernels
def test_bf16_is_as_close_to_fp32_as_autocast_is() -> None:
    model = bert()
    given = batch()
    loss, exact = plain_step(plain_twin(model), given)
    theirs, autocast = plain_step(plain_twin(model), given, bf16=True)
    quicken(model)
    ours, found = step(model, given, bf16=True)
    assert abs(ours - loss) < 2 * abs(theirs - loss) + 1e-3 * loss
    flat = {
        name: torch.cat([g[n].reshape(-1) for n in exact])
        for name, g in (("exact", exact), ("theirs", autocast), ("ours", found))
    }
    far = {
        name: float((flat[name] - flat["exact"]).norm() / flat["exact"].norm()) for name in ("theirs", "ours")
    }
    assert far["ours"] < 1.5 * far["theirs"] < 0.1, far


@needs_kernels
def test_padded_calls_and_classifiers_equal_plain_transformers() -> None:
    model = bert("classification").eval()
    plain = BertForSequenceClassification(copy.deepcopy(model.config)).eval()
    plain.load_state_dict(model.state_dict())
    plain.set_attn_implementation("eager")
    ids = torch.randint(VOCABULARY, (3, 20))
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0
    given = {"input_ids": ids, "attention_mask": mask}
    wanted = plain(**given).logits
    quicken(model)
    torch.testing.assert_close(model(**given).logits, wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        model(input_ids=ids, attention_mask=mask, token_type_ids=torch.zeros_like(ids)).logits,
        wanted,
        rtol=1e-5,
        atol=1e-5,
    )
    embedded = {"inputs_embeds": model.base_model.embeddings.word_embeddings(ids), "attention_mask": mask}
    torch.testing.assert_close(model(**embedded).logits, wanted, rtol=1e-5, atol=1e-5)
    short = batch((5,))
    twin = copy.deepcopy(plain).eval()
    torch.testing.assert_close(
        class_logits(model, short),
        twin(input_ids=short.tokens[None], token_type_ids=short.segments[None]).logits,
        rtol=1e-5,
        atol=1e-5,
    )


@needs_kernels
def test_it_is_the_same_model_to_everybody_else(tmp_path: Path) -> None:
    model = bert().eval()
    names, kinds = list(model.state_dict()), [type(module) for module in model.modules()]
    model.save_pretrained(tmp_path / "before")
    wanted = encode(model, batch())
    quicken(model)
    quicken(model)  # again is harmless
    assert all(isinstance(module, kind) for module, kind in zip(model.modules(), kinds, strict=True))
    assert list(model.state_dict()) == names
    assert not any(name.startswith("QuickQuick") for name in quick_classes(model))
    model.save_pretrained(tmp_path / "after")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "before" / name).read_bytes() == (tmp_path / "after" / name).read_bytes()
    loaded = BertForMaskedLM.from_pretrained(tmp_path / "after").eval()
    assert not quick_classes(loaded)
    one = batch((9,))
    inputs = {"input_ids": one.tokens[None], "token_type_ids": one.segments[None]}
    torch.testing.assert_close(model(**inputs).logits, loaded(**inputs).logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(encode(model, batch()), wanted, rtol=1e-5, atol=1e-5)


@needs_kernels
def test_copies_stand_on_their_own() -> None:
    model = bert()
    quicken(model)
    twin = copy.deepcopy(model)
    assert quick_classes(twin) == quick_classes(model)
    given = batch()
    before = step(model, given, bf16=True)[0]
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.mul_(0.5)
    assert step(twin, given, bf16=True)[0] != before
    assert step(model, given, bf16=True)[0] == before


@needs_kernels
def test_dropout_only_while_training_seeded_and_the_same_on_any_number_of_threads() -> None:
    model = bert(dropout=0.3, attention_dropout=0.3)
    quicken(model)
    given = batch()
    number = torch.get_num_threads()
    losses = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        torch.manual_seed(11)
        losses.append(step(model.train(), given)[0])
    torch.set_num_threads(number)
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-6)
    torch.manual_seed(12)
    assert abs(step(model, given)[0] - losses[0]) > 1e-4
    model.eval()
    assert torch.equal(encode(model, given), encode(model, given))


@needs_kernels
def test_each_dropout_module_decides_for_itself() -> None:
    """Some estimate uncertainty with nothing but a dropout in training mode."""
    model = bert(dropout=0.3)
    quicken(model)
    modules = [module for module in model.bert.modules() if isinstance(module, nn.Dropout) and module.p]
    assert len(modules) == 5
    for module in modules:
        model.eval()
        wanted = encode(model, batch())
        module.train()
        assert not torch.equal(encode(model, batch()), wanted)


class Louder(nn.Linear):
    """Somebody's own, such as an adapter in the place of a layer."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def with_adapters(model: nn.Module) -> None:
    for layer in model.bert.encoder.layer:
        for block in (layer.intermediate, layer.output, layer.attention.output):
            block.dense.__class__ = Louder
    model.cls.predictions.transform.dense.__class__ = Louder


def with_other_norms(model: nn.Module) -> None:
    class Shifted(nn.LayerNorm):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + 1

    for module in model.modules():
        if type(module) is nn.LayerNorm:
            module.__class__ = Shifted


def with_another_activation(model: nn.Module) -> None:
    for layer in model.bert.encoder.layer:
        layer.intermediate.intermediate_act_fn = nn.Tanh()
    model.cls.predictions.transform.transform_act_fn = nn.Tanh()


def with_another_dropout(model: nn.Module) -> None:
    class Halved(nn.Dropout):
        def forward(self, x: Tensor) -> Tensor:
            return x / 2

    for module in model.modules():
        if type(module) is nn.Dropout:
            module.__class__ = Halved


@needs_kernels
@pytest.mark.parametrize(
    "change",
    [with_adapters, with_other_norms, with_another_activation, with_another_dropout],
    ids=lambda x: x.__name__,
)
def test_what_is_not_known_runs_as_it_is(change: Callable[[nn.Module], None]) -> None:
    model = bert()
    change(model)
    plain = copy.deepcopy(model)
    plain.set_attn_implementation("eager")
    given = batch()
    loss, wanted = plain_step(plain, given)
    quicken(model)
    found, ours = step(model, given)
    assert found == pytest.approx(loss, rel=1e-5)
    assert distance(ours, wanted) < 2e-5


def test_norms_without_weights_and_of_several_dimensions_run_as_they_are() -> None:
    for norm in (
        nn.LayerNorm(8, bias=False),
        nn.LayerNorm(8, elementwise_affine=False),
        nn.LayerNorm((4, 8)),
    ):
        x = torch.randn(3, 4, 8)
        wanted = norm(x)
        quicken(norm)
        assert torch.equal(norm(x), wanted)


def test_a_namesake_of_another_module_is_left_alone() -> None:
    class BertOutput(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + 1

    module = BertOutput()
    quicken(module)
    assert type(module) is BertOutput


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_model_turned_to_another_precision_computes_in_it(dtype: torch.dtype) -> None:
    model = bert().eval()
    given = batch()
    wanted = encode(copy.deepcopy(model).to(dtype), given)
    quicken(model)
    found = encode(model.to(dtype), given)
    assert found.dtype == dtype
    torch.testing.assert_close(found, wanted)


SUBPROCESS = """
import json, torch
from torch import nn
from acclimate.kernels import build, native
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.models.forward import encode, token_losses
from acclimate.models.quick_modules import quicken
from acclimate.optim.adamw import AdamW
from acclimate.batching.packed import PackedBatch
import numpy as np

model = Bert.model_validate({"size": "tiny", "positions": 32, "dropout": 0, "attention_dropout": 0}).build(
    vocabulary=Vocabulary(50, 0), seed=1, kind="mlm"
)
quicken(model)
optimizer = AdamW(lr=1e-3).build(model=model)
tokens = torch.arange(3, 15)
given = PackedBatch(
    tokens=tokens, cu_seqlens=torch.tensor([0, 5, 12]), positions=torch.cat([torch.arange(5), torch.arange(7)]),
    segments=torch.zeros(12, dtype=torch.long), target_positions=torch.tensor([1, 8]), targets=torch.tensor([4, 9]),
    ids=np.arange(2),
)
losses = []
for _ in range(4):
    total, _ = token_losses(model, encode(model, given)[given.target_positions], given.targets)
    total.backward()
    optimizer.step()
    optimizer.zero_grad()
    losses.append(float(total))
quick = sorted({type(m).__name__ for m in model.modules() if type(m).__name__.startswith("Quick")})
print(json.dumps({"losses": losses, "quick": quick, "native": native.available(), "problems": build.problems}))
"""


def in_a_process(**environment: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", SUBPROCESS],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_switch_and_a_missing_compiler_leave_the_plain_way() -> None:
    plain = in_a_process(ACCLIMATE_FAST="0")
    assert plain["quick"] == [] and not plain["native"]
    assert plain["problems"] == {"training": "ACCLIMATE_FAST=0"}
    bare = in_a_process(CXX="/nonexistent")
    assert bare["quick"] == ["QuickLinear"] and not bare["native"]
    assert "no C++ compiler: CXX=/nonexistent" in bare["problems"]["training"]
    assert bare["losses"] == pytest.approx(plain["losses"], rel=1e-5)
    if native.available():
        fast = in_a_process(ACCLIMATE_FAST="1")
        assert fast["native"] and "QuickBertOutput" in fast["quick"] and not fast["problems"]
        assert fast["losses"] == pytest.approx(plain["losses"], rel=1e-5)


def test_plain_modules_answer_off_the_processor() -> None:
    """No accelerator is at hand for tests: torch's `meta` device stands for one."""
    layer = nn.Sequential(nn.Linear(8, 4), nn.LayerNorm(4), nn.Dropout(0.5))
    quicken(layer)
    assert layer.to("meta")(torch.empty(3, 8, device="meta")).shape == (3, 4)
    assert functional.linear is torch._C._nn.linear  # nothing of torch's own was replaced
