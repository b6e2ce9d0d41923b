"""BLEU and chrF with intervals, and translations by a model that has learnt to copy."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest
import sacrebleu
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from acclimate.errors import UserError
from acclimate.evaluate.bleu import metric
from acclimate.evaluate.resampling import Resampling
from acclimate.evaluate.translation import translate, translation_difference, translation_figures
from acclimate.models.decoding import Decoding
from acclimate.models.families.seq2seq.family import Seq2Seq
from acclimate.models.family import Vocabulary
from acclimate.objectives.translation import Translation
from acclimate.tokenizer.specials import SPECIALS, around

ENGLISH = [
    "a man in green holds a guitar while the other man observes his shirt .",
    "two young white males are outside near many bushes .",
    "several men in hard hats are operating a giant pulley system .",
    "a little girl climbs into a wooden playhouse .",
    "a man in a blue shirt is standing on a ladder cleaning a window .",
]
POORER = [
    "a man holds a guitar while the man looks at his shirt .",
    "two white males near many bushes .",
    "men in hats are operating a pulley .",
    "a girl climbs into a house .",
    "a man is standing on a ladder cleaning a window .",
]
CHINESE = ["我们明天去公园。", "他一直在城里工作。", "天气非常好。"]
POORER_CHINESE = ["我们今天去公园。", "他在城里工作。", "天气好。"]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("found", "right", "language", "cut"),
    [(POORER, ENGLISH, None, "13a"), (POORER, ENGLISH, "en", "13a"), (POORER_CHINESE, CHINESE, "zh", "zh")],
)
def test_figures_are_sacrebleus(found: list[str], right: list[str], language: str | None, cut: str) -> None:
    figures = translation_figures(found, right, resampling=Resampling(), language=language)
    assert figures["bleu"]["value"] == pytest.approx(
        sacrebleu.corpus_bleu(found, [right], tokenize=cut).score
    )
    assert figures["chrf"]["value"] == pytest.approx(sacrebleu.corpus_chrf(found, [right]).score)
    assert f"tok:{cut}" in figures["bleu_signature"]
    for name in ("bleu", "chrf"):
        low, value, high = (figures[name][key] for key in ("low", "value", "high"))
        assert 0 <= low < value < high <= 100


def test_intervals_are_those_of_resampled_texts() -> None:
    resampling = Resampling(resamples=200, seed=4)
    figures = translation_figures(POORER, ENGLISH, resampling=resampling)
    weights = np.concatenate(list(resampling._weights(5)), axis=1).astype(int)
    scores = []
    for column in weights.T:
        drawn = [n for n, times in enumerate(column) for _ in range(times)]
        texts = [POORER[n] for n in drawn], [[ENGLISH[n] for n in drawn]]
        scores.append(sacrebleu.corpus_bleu(*texts, force=True).score)
    low, high = np.quantile(scores, [0.025, 0.975])
    assert figures["bleu"]["low"] == pytest.approx(low) and figures["bleu"]["high"] == pytest.approx(high)


def test_differences_are_paired() -> None:
    resampling = Resampling(resamples=200)
    same = translation_difference(POORER, POORER, ENGLISH, resampling=resampling)
    assert same["bleu"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    better = translation_difference(ENGLISH, POORER, ENGLISH, resampling=resampling)
    expected = 100 - sacrebleu.corpus_bleu(POORER, [ENGLISH]).score
    assert better["bleu"]["value"] == pytest.approx(expected) and better["bleu"]["low"] > 0


def test_nothing_to_judge_and_no_package_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="no translations to judge"):
        translation_figures([], [], resampling=Resampling())
    with pytest.raises(ValueError, match="1 translations and 2 references"):
        translation_figures(["a"], ["a", "b"], resampling=Resampling())
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("sacrebleu"):
            raise ImportError(name)
        return real(name, *rest)

    metric.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"pip install 'acclimate\[eval\]'"):
        translation_figures(["a"], ["a"], resampling=Resampling())


def words() -> PreTrainedTokenizerFast:
    vocabulary = {
        word: number for number, word in enumerate([*SPECIALS.values(), "<en>", "<de>", *"abcdefgh"])
    }
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.post_processor = around(backend, "[CLS]", "[SEP]")
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, additional_special_tokens=["<en>", "<de>"], **SPECIALS
    )


@pytest.fixture(scope="module", params=[None, ("<en>", "<de>")])
def copying(request: pytest.FixtureRequest) -> tuple[Any, PreTrainedTokenizerFast, Translation]:
    """A model that has learnt, by the objective itself, to write the source again."""
    from acclimate.batching.packed import Sequences

    torch.set_num_threads(1)
    tokenizer = words()
    objective = Translation.model_validate({"pairs": "nowhere.tsv", "languages": request.param})
    family = Seq2Seq(size="tiny", cell="gru", dropout=0, initialise={"truncated_normal": 0.1})
    model = family.build(vocabulary=Vocabulary.of(tokenizer), seed=1, kind="seq2seq").train()
    work = objective.build(tokenizer=tokenizer, seed=0, fixed=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    random = np.random.default_rng(0)
    (before, after), (_, close) = objective.ends(tokenizer)
    for _ in range(150):
        rows, sides = [], []
        for length in random.integers(1, 5, 32):
            text = random.integers(7, 15, length)
            rows.append(np.concatenate([before, text, after, text, close]))
            sides.append(np.repeat([0, 1], [len(before) + length + len(after), length + len(close)]))
        starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
        sequences = Sequences(
            np.concatenate(rows).astype(np.int64),
            starts,
            np.concatenate(sides),
            np.arange(32),
            np.zeros(32, int),
        )
        loss = work.loss(model, work.prepare(sequences))
        (loss.sum / loss.count).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert float(loss.sum / loss.count) < 0.1
    return model, tokenizer, objective


@pytest.mark.parametrize("beams", [1, 3])
def test_translations_are_in_the_order_of_their_texts(copying: Any, beams: int) -> None:
    model, tokenizer, objective = copying
    texts = ["a b", "", "h", "c d e f", "g g", "b a h"]
    told: list[float] = []
    found = translate(
        model,
        tokenizer,
        texts,
        objective,
        decoding=Decoding(beams=beams),
        tell=lambda done, *_: told.append(done),
    )
    assert found == texts and told[-1] == 6
    assert model.training


def test_without_texts_there_are_no_translations(copying: Any) -> None:
    model, tokenizer, objective = copying
    assert translate(model, tokenizer, [], objective) == []


def test_an_unknown_language_is_told(copying: Any) -> None:
    model, tokenizer, _ = copying
    objective = Translation.model_validate({"pairs": "nowhere.tsv", "languages": ["<en>", "<fr>"]})
    with pytest.raises(UserError, match="no token '<fr>' for a language"):
        translate(model, tokenizer, ["a"], objective)
