"""Writing at work: what becomes of sources and targets, and a model that learns to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from acclimate.errors import UserError
from acclimate.models.decoding import Decoding
from acclimate.models.families.gpt2 import Gpt2
from acclimate.models.families.seq2seq.family import Seq2Seq
from acclimate.models.family import Vocabulary
from acclimate.tokenizer.specials import SPECIALS, around
from acclimate.tokenizer.training import Train
from acclimate.transfer.examples.preparing import Examples
from acclimate.transfer.examples.text_arrays import unpack_texts
from acclimate.transfer.writing.composing import Composing, Layout

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def words() -> PreTrainedTokenizerFast:
    torch.set_num_threads(1)
    spelled = [*SPECIALS.values(), "<en>", "<zh>", ":", *"abcdefgh"]
    backend = Tokenizer(models.WordLevel({word: at for at, word in enumerate(spelled)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.post_processor = around(backend, "[CLS]", "[SEP]")
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, additional_special_tokens=["<en>", "<zh>"], **SPECIALS
    )


def examples(pairs: list[tuple[str, list[str]]]) -> Examples:
    texts = [text for text, _ in pairs]
    none = np.zeros(len(texts), np.int64)
    return Examples(
        list(map(str, range(len(texts)))), texts, None, none, [{"targets": one} for _, one in pairs]
    )


def spelled(words: Any, work: Composing, pairs: list[tuple[str, list[str]]], epoch: int = 0) -> list[str]:
    """What the sequences say, a bar before the target."""
    own = examples(pairs)
    found = work.lesson(own, own).store.fetch(np.arange(len(pairs)), np.full(len(pairs), epoch))
    rows = []
    for at in range(len(pairs)):
        one = found.part(at, at + 1)
        sides = [words.convert_ids_to_tokens(one.tokens[one.segments == side].tolist()) for side in (0, 1)]
        rows.append(" | ".join(map(" ".join, sides)))
    return rows


def work(words: Any, layout: Layout, causal: bool, **settings: Any) -> Composing:
    return Composing(words, layout, causal=causal, decoding=settings.pop("decoding", Decoding()), **settings)


PAIRS = [("a b", ["c", "d e"]), ("a b c d e f g h", ["h g f e d c b a"])]


def test_an_encoder_decoder_has_both_apart(words: Any) -> None:
    plain = work(words, Layout(8), False)
    assert spelled(words, plain, PAIRS) == [
        "[CLS] a b [SEP] | c [SEP]",
        "[CLS] a b c d e f [SEP] | h g f e d c b [SEP]",
    ]
    assert spelled(words, plain, PAIRS, epoch=1)[0] == "[CLS] a b [SEP] | d e [SEP]"
    marked = work(words, Layout(8, target_length=4, languages=("<en>", "<zh>"), prefix="h : "), False)
    assert spelled(words, marked, PAIRS)[1] == "h : a b c d [SEP] <en> | h g f [SEP]"


def test_a_causal_model_has_one_row(words: Any) -> None:
    assert spelled(words, work(words, Layout(12, target_length=4), True), PAIRS) == [
        "[CLS] a b [SEP] | c [SEP]",
        "[CLS] a b c d e f [SEP] | h g f [SEP]",
    ]
    separated = work(words, Layout(12, target_length=4, separator=" : "), True)
    assert spelled(words, separated, PAIRS)[0] == "[CLS] a b : | c [SEP]"
    joined = work(words, Layout(8, target_length=4, joined=True), True)
    assert spelled(words, joined, PAIRS) == [
        "[CLS] a b | c [SEP]",
        "[CLS] f g h | h g f [SEP]",
    ]  # its end is kept


def test_what_was_cut_is_counted(words: Any) -> None:
    own = examples([*PAIRS, ("a", ["b c d e"]), ("a b c d e f g", ["a"])])
    made = work(words, Layout(8, target_length=4), False)
    store, cut = made._store(own)
    assert cut.tolist() == [[False, False], [True, True], [False, True], [True, False]]
    assert store.num_truncated == 3 and store.lengths.tolist() == [7, 12, 7, 10]


def test_lengths_without_room_and_unknown_languages_are_refused(words: Any) -> None:
    with pytest.raises(UserError, match="no room for a source beside a target of 8 tokens"):
        work(words, Layout(8, target_length=8), True)
    with pytest.raises(UserError, match="no token '<fr>' for a language"):
        work(words, Layout(8, languages=("<en>", "<fr>")), False)


@pytest.fixture(scope="module", params=["seq2seq", "gpt2"])
def learnt(request: pytest.FixtureRequest, words: Any) -> tuple[Any, Composing, Examples]:
    """A model that has learnt to write the source again, backwards or as it is, whichever is the family's example."""
    random = np.random.default_rng(0)
    rows = ["".join(random.choice(list("abcdefgh"), random.integers(1, 5))) for _ in range(400)]
    own = examples([(" ".join(row), [" ".join(row)]) for row in rows])
    causal = request.param == "gpt2"
    family: Any = (
        Gpt2(size="tiny", positions=32, dropout=0, attention_dropout=0)
        if causal
        else Seq2Seq(size="tiny", cell="gru", dropout=0, initialise={"truncated_normal": 0.1})  # type: ignore[arg-type]
    )
    model = family.build(vocabulary=Vocabulary.of(words), seed=1, kind="clm" if causal else "seq2seq").train()
    made = work(words, Layout(16, target_length=6), causal, smoothing=0.05)
    lesson = made.lesson(own, own)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for step in range(250):
        ids = random.integers(0, 400, 32)
        loss = lesson.objective.loss(
            model, lesson.objective.prepare(lesson.store.fetch(ids, np.full(32, step)))
        )
        (loss.sum / loss.count).backward()
        optimizer.step()
        optimizer.zero_grad()
    return model, made, own


def test_a_model_learns_to_copy_and_answers_in_order(learnt: Any) -> None:
    model, made, _ = learnt
    asked = examples(
        [("a b", ["a b"]), ("h", ["h"]), ("c d e f", ["c d e f"]), ("g g", ["h h"]), ("b a h", ["b"])]
    )
    found = made.answers(model, asked, precision="fp32", device=CPU)
    assert unpack_texts(found) == ["a b", "h", "c d e f", "g g", "b a h"]
    assert found["tokens"].tolist() == [3, 2, 5, 3, 2] and found["cut"].tolist() == [[0, 0, 0]] * 5
    # Held-out targets are judged without smoothing; a wrong one is unlikely.
    assert found["losses"][0] < 0.7 < 3 < found["losses"][3]


def test_dry_batches_have_targets(learnt: Any) -> None:
    model, made, own = learnt
    sequences = made.stand_in(made.lesson(own, own).store.fetch(np.arange(4), np.zeros(4, int)))
    objective = made.rehearsal(4)
    batch = objective.prepare(sequences)
    assert objective.count(batch)[0] == sum(one - one // 2 for one in sequences.lengths)
    assert torch.isfinite(objective.loss(model, batch).sum)


def test_wordpieces_of_chinese_are_read_without_gaps(tmp_path: Path) -> None:
    texts = ["我们明天去公园 with friends , 好吗", "he said 天气好"] * 30
    tokenizer = Train(vocab_size=300, least=0.0).build(texts=iter([texts]), folder=tmp_path)
    made = work(tokenizer, Layout(32), False)
    rows = made._rows(["明天去公园 with friends", "friends , 天气好"])
    assert made._read(rows) == ["明天去公园with friends", "friends ,天气好"]
    plain = Train(algorithm="bpe", vocab_size=300).build(texts=iter([texts]), folder=tmp_path)
    assert work(plain, Layout(32), False)._read([work(plain, Layout(32), False)._rows(["明天 去 x"])[0]]) == [
        "明天 去 x"
    ]
