"""How far from the head a parameter is, by its name and place."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from acclimate.models.building import Labels
from acclimate.models.families.bart import Bart
from acclimate.models.families.bert import Bert
from acclimate.models.families.clip import Clip
from acclimate.models.families.elmo.family import Elmo
from acclimate.models.families.t5 import T5
from acclimate.models.family import Vocabulary
from acclimate.optim.adamw import AdamW
from acclimate.optim.parameter_groups import depths
from acclimate.transfer.together import Member, Sharing


def built(family: Any, kind: str, seed: int = 1, **more: Any) -> nn.Module:
    labels = Labels(("no", "yes")) if kind == "classification" else None
    settings = family.model_validate({"size": "tiny", **more})
    return settings.build(vocabulary=Vocabulary(60, 0), seed=seed, kind=kind, labels=labels)


def found(model: nn.Module) -> dict[str, int]:
    return depths([name for name, _ in model.named_parameters()])


def test_encoder_and_decoder_stand_side_by_side_and_all_tables_below_them() -> None:
    depth = found(built(Bart, "seq2seq"))
    for name, expected in {
        "model.shared.weight": 3,
        "model.encoder.embed_positions.weight": 3,
        "model.decoder.embed_positions.weight": 3,
        "model.encoder.layernorm_embedding.weight": 3,
        "model.decoder.layernorm_embedding.bias": 3,
        "model.encoder.layers.0.fc2.weight": 2,
        "model.decoder.layers.0.fc2.weight": 2,
        "model.encoder.layers.1.fc2.weight": 1,
        "model.decoder.layers.1.encoder_attn.out_proj.weight": 1,
    }.items():
        assert depth.get(name, expected) == expected, name
    depth = found(built(T5, "seq2seq"))
    assert depth["shared.weight"] == 3 and depth["decoder.final_layer_norm.weight"] == 0
    for stack in ("encoder", "decoder"):
        for number, expected in ((0, 2), (1, 1)):
            assert depth[f"{stack}.block.{number}.layer.0.SelfAttention.q.weight"] == expected


def test_stacks_of_other_heights_begin_at_their_own_tops() -> None:
    names = ["shared.weight"]
    names += [f"encoder.block.{number}.wo.weight" for number in range(4)]
    names += ["decoder.embed_positions.weight"] + [f"decoder.block.{number}.wo.weight" for number in range(2)]
    depth = depths([*names, "decoder.norm.weight", "lm_head.weight"])
    assert list(depth.values()) == [5, 4, 3, 2, 1, 5, 2, 1, 0, 0]


def test_two_towers() -> None:
    depth = found(built(Clip, "dual"))
    below = {name: one for name, one in depth.items() if "embedding" in name or "pre_layrnorm" in name}
    assert set(below.values()) == {max(depth.values())} and len(below) == 7
    heads = ("logit_scale", "text_projection.weight", "visual_projection.weight")
    assert {depth[name] for name in (*heads, "vision_model.post_layernorm.weight")} == {0}


def test_characters_stand_below_the_layers() -> None:
    settings = Elmo.model_validate({})
    names = [
        name
        for name, _ in settings.build(vocabulary=Vocabulary(60, 0), seed=1, kind="bilm").named_parameters()
    ]
    for name, depth in depths(names).items():
        expected = 3 if "characters" in name else 0 if "lm_head" in name else 2 - int(name.split(".")[2])
        assert depth == expected, name


@pytest.mark.parametrize("share", ["body", "embeddings"])
def test_tasks_that_are_learnt_together_have_the_depths_of_each_alone(share: Any) -> None:
    members = [
        Member(name, built(Bert, "classification", seed), None, None) for seed, name in enumerate("ab")
    ]  # type: ignore[arg-type]
    alone, depth = found(built(Bert, "classification")), found(Sharing(members, share))
    assert any("task 1" in name and "position" in name for name in depth) == (share == "embeddings")
    for name, one in depth.items():
        assert one == alone[name.split(".", 2)[2]], name


def test_the_rate_of_the_tables_of_a_decoder_is_the_least() -> None:
    model = built(Bart, "seq2seq")
    groups = AdamW(lr=0.1, layer_decay=0.5).build(model=model).param_groups
    rates = {name: group["lr"] for group in groups for name in group["names"]}
    assert min(rates.values()) == rates["model.decoder.embed_positions.weight"] == pytest.approx(0.0125)
