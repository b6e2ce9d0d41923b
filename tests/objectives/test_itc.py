"""Image-text contrast and matching: what they equal, what they must not depend on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from acclimate.batching.packed import PackedBatch, Sequences
from acclimate.models.family import Vocabulary
from acclimate.models.two_towers import Towers
from acclimate.objectives.itc import Itc, agreement, contrast
from acclimate.objectives.itm import Itm, matching
from acclimate.objectives.protocol import Loss
from acclimate.recipe.settings import Part
from acclimate.tokenizer.untrained import untrained_tokenizer

PAIRS = {"pairs": {"path": "captions.tsv"}, "image_size": 32}


def sequences(number: int, *, views: int = 1, items: Any = None, seed: int = 0) -> Sequences:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 9, number)
    starts = np.append(0, np.cumsum(lengths))
    tokens = rng.integers(5, 99, starts[-1])
    tokens[starts[1:] - 1] = 3  # [SEP]
    seen = {
        "images": rng.integers(0, 256, (number, views, 3, 32, 32), dtype=np.uint8),
        "views": np.ones((number, views), bool),
        "items": np.arange(number) if items is None else np.array(items),
    }
    return Sequences(tokens, starts, tokens * 0, np.arange(number), np.zeros(number, int), by_sequence=seen)


def prepared(settings: Any, given: Sequences) -> tuple[Any, PackedBatch]:
    objective = settings.build(tokenizer=None, seed=1, fixed=True)
    return objective, objective.prepare(given)


@pytest.fixture(scope="module")
def model() -> Callable[..., Any]:
    def build(family: str, kind: str) -> Any:
        settings: Any = Part("family", tag="family").parse({"family": family, "size": "tiny"})
        vocabulary = Vocabulary.of(untrained_tokenizer(100))
        return settings.build(vocabulary=vocabulary, seed=3, kind=kind).eval()

    return build


def random_towers(number: int, size: int = 512, *, seed: int = 0) -> Towers:
    generator = torch.Generator().manual_seed(seed)
    texts, images = (normalize(torch.randn(number, size, generator=generator), dim=-1) for _ in range(2))
    return Towers(
        texts, images, images[:, None], torch.ones(number, 1, dtype=torch.bool), torch.tensor(1 / 0.07)
    )


def of_items(items: list[int]) -> Any:
    class Batch:
        ids = np.arange(len(items))
        by_sequence = {"items": torch.tensor(items)}  # noqa: RUF012

    return Batch()


def mean(loss: Loss) -> float:
    return float(loss.sum.detach()) / loss.count


def test_with_one_view_and_nothing_else_it_is_clips_loss(model: Callable[..., Any]) -> None:
    clip = model("clip", "dual")
    objective, batch = prepared(Itc(**PAIRS), sequences(9))
    loss = objective.loss(clip, batch)
    lengths = batch.cu_seqlens.diff()
    real = torch.arange(int(lengths.max())) < lengths[:, None]
    ids = torch.full(real.shape, 3)
    ids[real] = batch.tokens
    channels = [
        ([0.48145466, 0.4578275, 0.40821073][c], [0.26862954, 0.26130258, 0.27577711][c]) for c in range(3)
    ]
    pixels = torch.stack(
        [
            (batch.by_sequence["images"][:, 0, c] / 255.0 - middle) / width
            for c, (middle, width) in enumerate(channels)
        ],
        1,
    )
    told = clip(input_ids=ids, attention_mask=real.long(), pixel_values=pixels, return_loss=True)
    assert mean(loss) == pytest.approx(float(told.loss.detach()), rel=1e-5)
    assert objective.count(batch) == (9.0,) and len(loss.terms) == 1
    assert float(loss.per_sequence.sum()) == pytest.approx(float(loss.sum.detach()))
    loss.sum.backward()
    ours = {name: one.grad.clone() / 9 for name, one in clip.named_parameters() if one.grad is not None}
    clip.zero_grad()
    told.loss.backward()
    for name, one in clip.named_parameters():
        torch.testing.assert_close(ours[name], one.grad, rtol=1e-3, atol=1e-5, msg=name)


def test_coconvit_of_one_view_is_clips_loss_too(model: Callable[..., Any]) -> None:
    coconvit = model("coconvit", "matching")
    objective, batch = prepared(Itm(**PAIRS), sequences(7))
    loss = objective.loss(coconvit, batch)
    found = torch.nn.functional
    with torch.no_grad():
        from acclimate.models.forward import towers

        out = towers(coconvit, batch)
        logits = out.scale * out.texts @ out.images.T
        right = torch.arange(7)
        expected = (found.cross_entropy(logits, right) + found.cross_entropy(logits.T, right)) / 2
    assert mean(loss) == pytest.approx(float(expected), rel=1e-5)
    assert objective.count(batch)[2] == 0 == loss.terms[2].count


def test_random_vectors_lose_the_logarithm_of_the_batch() -> None:
    for number in (16, 256):
        found = random_towers(number, 4096)
        loss = contrast(found, of_items(list(range(number))))
        # exp of a normal number of deviation s = 14.3/√4096 has the mean exp(s²/2), of which the target lacks its own
        assert mean(loss) == pytest.approx(math.log(number) + (1 / 0.07) ** 2 / 4096 / 2, abs=0.1)


def test_the_steepest_scale_is_a_hundred(model: Callable[..., Any]) -> None:
    clip = model("clip", "dual")
    assert float(clip.logit_scale.detach().exp()) == pytest.approx(1 / 0.07, rel=1e-4)
    with torch.no_grad():
        clip.logit_scale.fill_(9.0)
    objective, batch = prepared(Itc(**PAIRS), sequences(3))
    objective.loss(clip, batch)
    assert float(clip.logit_scale.detach().exp()) == pytest.approx(100, rel=1e-5)


def test_captions_of_one_item_are_no_negatives() -> None:
    found = random_towers(5, 8)
    twice = Towers(
        torch.cat([found.texts, found.texts[:1]]),
        torch.cat([found.images, found.images[:1]]),
        torch.cat([found.views, found.views[:1]]),
        torch.ones(6, 1, dtype=torch.bool),
        found.scale,
    )
    once = contrast(found, of_items([0, 1, 2, 3, 4]))
    both = contrast(twice, of_items([0, 1, 2, 3, 4, 0]))
    assert both.per_sequence is not None and once.per_sequence is not None
    # Its own second caption changes nothing for an item; for others it is one more negative, as any would be.
    torch.testing.assert_close(both.per_sequence[[0, 5]], once.per_sequence[[0, 0]])
    apart = contrast(twice, of_items([0, 1, 2, 3, 4, 5]))
    assert float(apart.per_sequence[0]) > float(both.per_sequence[0]) + 0.2  # type: ignore[index]


def scores_of(texts: Tensor, images: Tensor) -> Tensor:
    return 3 * (texts * images).sum(-1) - 1


def test_matching_asks_of_the_hardest_wrong_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    from acclimate.models import forward

    monkeypatch.setattr(forward, "match_logits", lambda model, texts, images: scores_of(texts, images))
    items = [0, 1, 2, 2, 3, 4]
    found = random_towers(6, 4)
    loss = matching(None, found, of_items(items), 0.5)  # type: ignore[arg-type]
    expected, number = 0.0, 0
    cosines = (found.texts @ found.images.T).numpy()
    for n, own in enumerate(items):
        wrong = [m for m, other in enumerate(items) if other != own]
        pairs = [
            (n, n, 1),
            (n, max(wrong, key=lambda m, n=n: cosines[n, m]), 0),
            (max(wrong, key=lambda m, n=n: cosines[m, n]), n, 0),
        ]
        for text, image, right in pairs:
            score = float(scores_of(found.texts[text], found.images[image]))
            expected += math.log1p(math.exp(-score if right else score))
            number += 1
    assert float(loss.sum) == pytest.approx(expected, rel=1e-5)
    assert (loss.count, loss.weight) == (number, 0.5)


def test_counts_are_told_without_the_model(model: Callable[..., Any]) -> None:
    coconvit = model("coconvit", "matching")
    for items in ([0, 1, 2, 3], [0, 0, 0, 0], [0, 0, 1, 1]):
        objective, batch = prepared(Itm(**PAIRS), sequences(4, views=2, items=items))
        loss = objective.loss(coconvit, batch)
        assert tuple(term.count for term in loss.terms) == objective.count(batch)
        assert len(loss.terms) == objective.num_terms and all(term.sum.isfinite() for term in loss.terms)
        assert [term.name for term in loss.terms] == ["itc", "itm", "agreement"]


def test_the_order_of_views_does_not_matter_but_all_are_looked_at(model: Callable[..., Any]) -> None:
    for family, kind, settings in (
        ("clip", "dual", Itc(**PAIRS, agreement=0.1)),
        ("coconvit", "matching", Itm(**PAIRS)),
    ):
        built = model(family, kind)
        given = sequences(5, views=3)
        objective, batch = prepared(settings, given)
        turned = given.by_sequence["images"][:, [2, 0, 1]]
        other = Sequences(
            *(getattr(given, name) for name in ("tokens", "cu_seqlens", "segments", "ids", "epochs")),
            by_sequence={**given.by_sequence, "images": turned},
        )
        first, second = (objective.loss(built, one) for one in (batch, objective.prepare(other)))
        for one, another in zip(first.terms, second.terms, strict=True):
            torch.testing.assert_close(one.sum, another.sum, rtol=1e-4, atol=1e-4)
        changed = turned.copy()
        changed[:, 2] = 255 - changed[:, 2]
        third = objective.loss(
            built,
            objective.prepare(
                Sequences(
                    *(getattr(given, name) for name in ("tokens", "cu_seqlens", "segments", "ids", "epochs")),
                    by_sequence={**given.by_sequence, "images": changed},
                )
            ),
        )
        assert abs(float(third.sum.detach() - first.sum.detach())) > 1e-5


def test_a_view_that_is_missing_is_as_if_it_were_not_there(model: Callable[..., Any]) -> None:
    for family, kind, settings in (
        ("clip", "dual", Itc(**PAIRS)),
        ("coconvit", "matching", Itm(**PAIRS)),
    ):
        built = model(family, kind)
        given = sequences(4, views=2)
        given.by_sequence["views"][:, 1] = False
        objective, batch = prepared(settings, given)
        alone = Sequences(
            *(getattr(given, name) for name in ("tokens", "cu_seqlens", "segments", "ids", "epochs")),
            by_sequence={
                **given.by_sequence,
                "images": given.by_sequence["images"][:, :1],
                "views": given.by_sequence["views"][:, :1],
            },
        )
        torch.testing.assert_close(
            objective.loss(built, batch).sum, objective.loss(built, objective.prepare(alone)).sum
        )


def test_agreement_is_one_less_the_mean_cosine_of_pairs_of_views() -> None:
    views = normalize(torch.randn(4, 3, 6, generator=torch.Generator().manual_seed(0)), dim=-1)
    real = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 1, 1]]).bool()
    found = random_towers(4)
    found = Towers(found.texts, found.images, views * real[..., None], real, found.scale)
    loss = agreement(found, 0.1)
    pairs = [[(0, 1), (0, 2), (1, 2)], [(0, 1)], [], [(1, 2)]]
    expected = sum(
        1 - np.mean([float(views[b, v] @ views[b, w]) for v, w in one]) for b, one in enumerate(pairs) if one
    )
    assert float(loss.sum) == pytest.approx(expected, rel=1e-5) and loss.count == 3
    same = Towers(found.texts, found.images, views[:, :1].expand(4, 3, 6), torch.ones_like(real), found.scale)
    assert mean(agreement(same, 0.1)) == pytest.approx(0, abs=1e-6)


def test_a_picture_of_another_size_is_refused(model: Callable[..., Any]) -> None:
    from acclimate.errors import UserError

    objective, batch = prepared(Itc(**PAIRS), sequences(2))
    batch.by_sequence["images"] = batch.by_sequence["images"][..., :16, :16]  # type: ignore[index]
    with pytest.raises(UserError, match="16 pixels wide and the model takes 32"):
        objective.loss(model("clip", "dual"), batch)
