from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, ElectraForMaskedLM, ElectraForPreTraining

from acclimate.errors import UserError
from acclimate.models.building import Labels
from acclimate.models.families.electra.family import Electra
from acclimate.models.families.electra.modelling import ElectraPair, generator_config
from acclimate.models.family import Vocabulary
from acclimate.models.loading import load_model
from acclimate.models.sizes import preset


def pair(seed: int = 3, **settings: Any) -> ElectraPair:
    """Of size tiny, with a small vocabulary."""
    built = Electra.model_validate({"size": "tiny", "positions": 32, **settings})
    return built.build(vocabulary=Vocabulary(50, 0), seed=seed, kind="rtd")  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("size", "discriminator", "generator"),
    [("small", 13_549_057, 4_620_026), ("base", 109_483_009, 33_740_602), ("large", 335_142_913, 51_295_290)],
)
def test_both_of_a_pair_have_the_published_number_of_parameters(
    size: str, discriminator: int, generator: int
) -> None:
    with torch.device("meta"):
        model = ElectraPair(preset("electra", size).config())
        plain = ElectraForPreTraining(preset("electra", f"{size}-discriminator").config())
    assert sum(one.numel() for one in model.discriminator.parameters()) == discriminator
    assert sum(one.numel() for one in plain.parameters()) == discriminator
    assert sum(one.numel() for one in model.generator.parameters()) == generator
    own, published = generator_config(model.config), preset("electra", f"{size}-generator").config()
    for name in (
        "hidden_size",
        "num_attention_heads",
        "intermediate_size",
        "num_hidden_layers",
        "embedding_size",
    ):
        assert getattr(own, name) == getattr(published, name), name


def test_the_width_of_the_generator() -> None:
    assert pair().generator.config.hidden_size == 32
    half = pair(generator_width=0.5).generator.config
    assert (half.hidden_size, half.num_attention_heads, half.intermediate_size) == (64, 1, 256)
    whole = pair(generator_width=1).generator.config
    assert (whole.hidden_size, whole.num_attention_heads, whole.intermediate_size) == (128, 2, 512)


def test_saved_it_is_a_plain_discriminator_with_a_plain_generator_beside_it(tmp_path: Path) -> None:
    model = pair()
    model.save_pretrained(tmp_path)
    discriminator = ElectraForPreTraining.from_pretrained(tmp_path)
    assert discriminator.config.architectures == ["ElectraForPreTraining"]
    generator = ElectraForMaskedLM.from_pretrained(tmp_path / "generator")
    body = AutoModel.from_pretrained(tmp_path)
    for ours, theirs in (
        (model.discriminator, discriminator),
        (model.generator, generator),
        (model.discriminator.electra, body),
    ):
        expected = theirs.state_dict()
        assert ours.state_dict().keys() == expected.keys()
        assert all(torch.equal(one, expected[name]) for name, one in ours.state_dict().items())


def test_it_is_loaded_with_its_generator(tmp_path: Path) -> None:
    pair().save_pretrained(tmp_path)
    told: list[str] = []
    settings = Electra.model_validate({"checkpoint": str(tmp_path)})
    again = settings.build(vocabulary=Vocabulary(50, 0), seed=9, kind="rtd", warn=told.append)
    expected = pair().state_dict()
    assert all(torch.equal(one, expected[name]) for name, one in again.state_dict().items())
    assert again.generator.electra.embeddings is again.discriminator.electra.embeddings and not told
    for kind in ("encoder", "classification", "tokens"):
        other = load_model(tmp_path, kind, labels=Labels(("a", "b")))  # type: ignore[arg-type]
        name = "embeddings.word_embeddings.weight"
        assert torch.equal(other.base_model.get_parameter(name), again.electra.get_parameter(name))


def test_beside_a_published_discriminator_a_generator_is_drawn(tmp_path: Path) -> None:
    model = pair()
    model.discriminator.save_pretrained(tmp_path)
    told: list[str] = []
    settings = Electra.model_validate({"checkpoint": str(tmp_path)})
    made = [
        settings.build(vocabulary=Vocabulary(50, 0), seed=5, kind="rtd", warn=told.append) for _ in range(2)
    ]
    expected = model.discriminator.state_dict()
    for one in made:
        assert all(
            torch.equal(value, expected[name]) for name, value in one.discriminator.state_dict().items()
        )
        weight = one.generator.electra.encoder.layer[0].output.dense.weight
        assert torch.equal(weight, made[0].generator.electra.encoder.layer[0].output.dense.weight)
        assert 0.01 < float(weight.detach().std()) < 0.03
    assert any("generator" in one for one in told)


def test_a_generator_of_another_vocabulary_is_refused(tmp_path: Path) -> None:
    pair().save_pretrained(tmp_path)
    other = Electra.model_validate({"size": "tiny", "positions": 32})
    other.build(vocabulary=Vocabulary(60, 0), seed=1, kind="rtd").generator.save_pretrained(
        tmp_path / "generator"
    )
    with pytest.raises(
        UserError,
        match="cannot share the discriminator's embeddings: its vocab_size is 60, the discriminator's 50",
    ):
        load_model(tmp_path, "rtd", family=Electra)


def test_the_pair_answers_as_its_discriminator() -> None:
    model = pair().eval()
    ids = torch.randint(5, 50, (2, 9), generator=torch.Generator().manual_seed(0))
    assert torch.equal(model(input_ids=ids).logits, model.discriminator(input_ids=ids).logits)
