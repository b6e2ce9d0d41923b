"""CLIP, CoConViT and LayoutLM: what the conformance suite does not ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from acclimate.errors import UserError
from acclimate.models.family import Vocabulary
from acclimate.models.loading import load_model
from acclimate.recipe.settings import Part
from acclimate.tokenizer.untrained import untrained_tokenizer

VOCABULARY = Vocabulary.of(untrained_tokenizer(100))


def family(**settings: Any) -> Any:
    return Part("family", tag="family").parse(settings)


def built(kind: str, **settings: Any) -> Any:
    return family(**settings).build(vocabulary=VOCABULARY, seed=1, kind=kind).eval()


def parameters(*modules: Any) -> int:
    return sum(one.numel() for module in modules for one in module.parameters())


def test_the_parts_of_coconvit_have_the_sizes_of_its_definition() -> None:
    from acclimate.models.families.coconvit.modelling import CoConViTModel

    with torch.device("meta"):
        model = CoConViTModel(family(family="coconvit", size="base").config())
    assert parameters(model.vision_model) == 85_798_656
    assert parameters(model.text_model) == 108_744_192
    assert parameters(model.text_projection, model.vision_projection) == 2_952_960
    config = model.config
    assert (config.text_config.vocab_size, config.text_config.max_position_embeddings) == (30_522, 320)
    assert config.logit_scale_init_value == pytest.approx(2.6593, abs=1e-4)


@torch.no_grad()
def test_a_new_coconvit_tells_texts_and_pictures_apart() -> None:
    """Where all vectors are alike the contrast stays at ln B: normal weights of 0.02 made texts alike to 0.9997."""
    model = built("dual", family="coconvit", size="tiny")
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 99, (32, 6), generator=generator)
    ids[:, 0] = 2  # every text begins with the token that stands for it
    found = model(ids, torch.rand(32, 3, 32, 32, generator=generator) * 2 - 1)
    others = ~torch.eye(32, dtype=torch.bool)
    for vectors in (found.text_embeds, found.image_embeds):
        assert (vectors @ vectors.T)[others].mean() < 0.99


def test_a_saved_coconvit_is_an_ordinary_model(tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModel

    model = built("matching", family="coconvit")
    model.save_pretrained(tmp_path)
    assert AutoConfig.from_pretrained(tmp_path).model_type == "acclimate_coconvit"
    again = AutoModel.from_pretrained(tmp_path).eval()
    ids, pixels = torch.randint(5, 99, (3, 7)), torch.rand(3, 2, 3, 32, 32)
    for one in ("text_embeds", "image_embeds", "logits_per_text"):
        torch.testing.assert_close(again(ids, pixels)[one], model(ids, pixels)[one])
    flipped = again.get_image_features(pixels.flip(1))
    torch.testing.assert_close(again.get_image_features(pixels), flipped)
    torch.testing.assert_close(
        again.get_image_features(pixels[:, 0]), again.get_image_features(pixels[:, :1])
    )


def test_the_matching_head_may_be_new_but_no_tower(tmp_path: Path) -> None:
    model = built("dual", family="coconvit")
    model.save_pretrained(tmp_path / "dual")
    loaded = load_model(tmp_path / "dual", "matching", vocabulary=VOCABULARY)
    assert torch.equal(loaded.view_pooling.query, model.view_pooling.query)
    from safetensors.torch import load_file, save_file

    weights = load_file(tmp_path / "dual" / "model.safetensors")
    kept = {name: one for name, one in weights.items() if not name.startswith("vision_model")}
    save_file(kept, tmp_path / "dual" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match="weights of the model's body are not in it"):
        load_model(tmp_path / "dual", "dual", vocabulary=VOCABULARY)


def test_the_tokenizer_must_fit_the_text_tower(tmp_path: Path) -> None:
    built("dual", family="clip").save_pretrained(tmp_path)
    larger = Vocabulary.of(untrained_tokenizer(200))
    with pytest.raises(UserError, match="the tokenizer has 200 tokens, the model's embedding 100 rows"):
        load_model(tmp_path, "dual", vocabulary=larger)


def test_clip_takes_its_end_token_and_positions_from_the_recipe() -> None:
    config = family(family="clip", positions=24, image_size=64).config(VOCABULARY)
    text = config.text_config
    assert (text.vocab_size, text.max_position_embeddings, text.eos_token_id) == (100, 24, 3)
    assert config.vision_config.image_size == 64
    published = family(family="clip", size="b-32").config()
    assert published.text_config.eos_token_id == 49_407 and published.vision_config.hidden_act == "quick_gelu"


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"family": "clip", "size": "b32"}, "b-32"),
        ({"family": "clip", "dropout": 0.1}, "unknown key 'dropout'"),
        ({"family": "clip", "checkpoint": "a/b", "image_size": 64}, "would have no effect"),
        ({"family": "coconvit", "checkpoint": "a/b", "dropout": 0.1}, "would have no effect"),
        ({"family": "layoutlm", "size": "medium"}, "choose from|did you mean|base"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any], match: str) -> None:
    with pytest.raises(ValidationError, match=match):
        family(**settings)


def test_layoutlm_without_boxes_stands_at_nought() -> None:
    from acclimate.batching.packed import Sequences, pack
    from acclimate.models.forward import encode

    model = built("encoder", family="layoutlm", size="tiny")
    ids = torch.randint(5, 99, (1, 9))
    none = torch.zeros(0, dtype=torch.long).numpy()
    sequences = Sequences(
        ids[0].numpy(), torch.tensor([0, 9]).numpy(), ids[0].numpy() * 0, none[:0], none[:0]
    )
    hidden = encode(model, pack(sequences, target_positions=none, targets=none))
    torch.testing.assert_close(hidden, model(input_ids=ids).last_hidden_state[0], rtol=1e-4, atol=1e-5)
