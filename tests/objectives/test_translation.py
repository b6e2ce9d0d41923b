"""Translation: what the encoder reads, what the decoder is asked, and the data that it brings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, MBartTokenizer, PreTrainedTokenizerFast
from transformers.models.mbart.modeling_mbart import shift_tokens_right
from transformers.models.mbart.tokenization_mbart import FAIRSEQ_LANGUAGE_CODES

from acclimate.batching.packed import Sequences
from acclimate.errors import UserError
from acclimate.models.families.bart import Bart
from acclimate.models.families.mbart import MBart
from acclimate.models.families.seq2seq.family import Seq2Seq
from acclimate.models.families.t5 import T5
from acclimate.models.family import Family, Vocabulary
from acclimate.objectives.denoise import Denoise
from acclimate.objectives.protocol import Texts
from acclimate.objectives.translation import Translation
from acclimate.progress import silent
from acclimate.tokenizer.training import Train

CLS, SEP = 2, 3
SENTENCES = [
    ("The old town lies by the sea.", "这座古城在海边。"),
    ("It is raining again today.", "今天又下雨了。"),
    ("We read many books in winter.", "我们冬天读了很多书。"),
    ("She plays the guitar well.", "她吉他弹得很好。"),
]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    texts = [text for pair in SENTENCES for text in pair] * 5
    return Train(algorithm="bpe", vocab_size=300).build(
        texts=iter([texts]), folder=tmp_path_factory.mktemp("tokenizer")
    )


def settings(path: Path, **others: Any) -> Translation:
    return Translation.model_validate(
        {"pairs": {"tab_pairs": {"path": str(path), "sides": ["en", "zh"]}}, **others}
    )


def written(
    objective: Translation, folder: Path, tokenizer: PreTrainedTokenizerFast, length: int = 64
) -> dict[str, Any]:
    for part in ("train", "validation", "test"):
        (folder / part).mkdir(parents=True)
    return objective.write(folder, tokenizer=tokenizer, sequence_length=length, seed=0, tell=silent)


def test_what_is_read_is_what_is_learnt(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    path = tmp_path / "pairs.tsv"
    long = " ".join(["again"] * 70)
    pairs = [*SENTENCES, (long, "再"), ("short", "再 " * 70)]
    path.write_text("".join(f"{a}\t{b}\n" for a, b in pairs), encoding="utf-8")
    objective = settings(path, split={"validation": 0, "test": 0})
    told = written(objective, tmp_path / "out", tokenizer)
    assert told["read"] == 6 and told["kept"] == 4 and told["dropped"] == {"long_pair": 2}
    dropped = [json.loads(line) for line in (tmp_path / "out" / "dropped.jsonl").read_text().splitlines()]
    assert [one["place"] for one in dropped] == [f"{path}:5", f"{path}:6"]
    texts = Texts(tmp_path / "nowhere", tmp_path / "out" / "train")
    store = objective.store(texts, tokenizer=tokenizer, sequence_length=64, seed=0)
    assert store.num_bytes == sum(len(target.encode()) for _, target in SENTENCES)
    assert store.num_tokens == sum(
        len(tokenizer.encode(target, add_special_tokens=False)) for _, target in SENTENCES
    )
    work = objective.build(tokenizer=tokenizer, seed=0)
    batch = work.prepare(store.fetch(np.array([2, 0]), np.zeros(2, np.int64)))
    assert batch.decoder is not None and not len(batch.by_token)
    for row, number in enumerate((2, 0)):
        source, target = SENTENCES[number]
        assert batch.tokens[slice(*batch.cu_seqlens[row : row + 2])].tolist() == tokenizer.encode(source)
        place = slice(*batch.decoder.cu_seqlens[row : row + 2])
        expected = tokenizer.encode(target)
        assert batch.decoder.tokens[place].tolist() == expected[:-1]
        assert batch.targets[place].tolist() == expected[1:]
        assert batch.decoder.positions[place].tolist() == list(range(len(expected) - 1))
    assert batch.target_positions.tolist() == list(range(len(batch.targets)))
    assert work.count(batch) == (float(len(batch.targets)),)


def sequences() -> Sequences:
    rows = [[CLS, 10, 11, SEP, 20, 21, 22, SEP], [CLS, 12, SEP, 23, SEP]]
    sides = [[0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 1]]
    return Sequences(
        np.concatenate(rows),
        np.array([0, 8, 13]),
        np.concatenate(sides),
        np.arange(2),
        np.zeros(2, int),
    )


@pytest.mark.parametrize("family", [Seq2Seq, Bart, T5])
def test_the_loss_is_that_of_the_plain_model_with_its_own_start(
    family: type[Family], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    off = {name: 0.0 for name in ("dropout", "attention_dropout") if name in family.model_fields}
    model = family.model_validate({"size": "tiny", **off}).build(
        vocabulary=Vocabulary.of(tokenizer), seed=1, kind="seq2seq"
    )
    objective = settings(tmp_path)
    exact = objective.build(tokenizer=tokenizer, seed=0, fixed=True)
    smooth = objective.build(tokenizer=tokenizer, seed=0)
    batch = exact.prepare(sequences())
    found, smoothed = exact.loss(model, batch), smooth.loss(model, batch)
    sums, smooth_sums = [], []
    for source, target in (([CLS, 10, 11, SEP], [20, 21, 22, SEP]), ([CLS, 12, SEP], [23, SEP])):
        labels = torch.tensor([target])
        logits = model(torch.tensor([source]), labels=labels).logits[0]  # the library shifts them
        sums.append(functional.cross_entropy(logits, labels[0], reduction="sum"))
        smooth_sums.append(functional.cross_entropy(logits, labels[0], reduction="sum", label_smoothing=0.1))
    assert found.count == 6 and found.counts.tolist() == [4, 2]
    torch.testing.assert_close(found.sum, sum(sums), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found.per_sequence, torch.stack(sums), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(smoothed.sum, sum(smooth_sums), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(smoothed.per_sequence, torch.stack(smooth_sums), rtol=1e-4, atol=1e-4)
    assert smoothed.counts.tolist() == [4, 2] and float(smoothed.sum) != float(found.sum)


def test_languages_are_marked_as_mbart_marks_them(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    marked = PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, **{
        role: getattr(tokenizer, role) for role in ("cls_token", "sep_token", "pad_token", "unk_token")
    }, additional_special_tokens=["en_XX", "zh_CN"])  # fmt: skip
    english, chinese = marked.convert_tokens_to_ids(["en_XX", "zh_CN"])
    objective = settings(tmp_path, languages=["en_XX", "zh_CN"])
    assert objective.ends(marked) == (((), (SEP, english)), ((), (SEP,)))
    work = objective.build(tokenizer=marked, seed=0)
    rows = [10, SEP, english, 20, SEP]
    batch = work.prepare(
        Sequences(np.array(rows), np.array([0, 5]), np.array([0, 0, 0, 1, 1]), np.arange(1), np.zeros(1, int))
    )
    assert batch.decoder is not None
    assert batch.tokens.tolist() == [10, SEP, english]
    assert batch.decoder.tokens.tolist() == [chinese, 20] and batch.targets.tolist() == [20, SEP]
    # The model's own start token does not take the place of the language.
    model = Seq2Seq(size="tiny", dropout=0).build(vocabulary=Vocabulary.of(marked), seed=1, kind="seq2seq")
    loss = settings(tmp_path, languages=["en_XX", "zh_CN"], smoothing=0).build(tokenizer=marked, seed=0)
    logits = model(batch.tokens[None], decoder_input_ids=batch.decoder.tokens[None]).logits[0]
    expected = functional.cross_entropy(logits, batch.targets, reduction="sum")
    torch.testing.assert_close(loss.loss(model, batch).sum, expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(UserError, match="no token 'xx' for a language"):
        settings(tmp_path, languages=["en_XX", "xx"]).build(tokenizer=marked, seed=0)


def mbarts_own() -> MBartTokenizer:
    """The library's tokenizer over a handful of pieces."""
    pieces = ["▁", "▁the", "▁cat", "▁sat", "猫", "坐", "着"]
    special = [(name, 0.0) for name in ("<s>", "<pad>", "</s>", "<unk>")]
    codes = [(code, 0.0) for code in FAIRSEQ_LANGUAGE_CODES]
    words = [(piece, -2.0) for piece in pieces]
    return MBartTokenizer(
        vocab=[*special, *words, *codes, ("<mask>", 0.0)], src_lang="en_XX", tgt_lang="zh_CN"
    )


@pytest.mark.parametrize(
    ("source", "target", "languages"),
    [
        ("the cat sat", "猫坐着", ("en_XX", "zh_CN")),
        ("猫坐着", "the cat", ("zh_CN", "en_XX")),
    ],
)
def test_marked_pairs_are_those_of_mbarts_own_tokenizer(
    tmp_path: Path, source: str, target: str, languages: tuple[str, str]
) -> None:
    tokenizer = mbarts_own()
    tokenizer.src_lang, tokenizer.tgt_lang = languages
    read = tokenizer(source)["input_ids"]
    labels = torch.tensor([tokenizer(text_target=target)["input_ids"]])
    seen = shift_tokens_right(labels, tokenizer.pad_token_id)[0]

    bare = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in (source, target)]
    (before, after), (begin, end) = settings(tmp_path, languages=list(languages)).ends(tokenizer)
    row = [*before, *bare[0], *after, *begin, *bare[1], *end]
    segments = [0] * len(read) + [1] * (len(row) - len(read))
    batch = (
        settings(tmp_path, languages=list(languages))
        .build(tokenizer=tokenizer, seed=0)
        .prepare(
            Sequences(
                np.array(row), np.array([0, len(row)]), np.array(segments), np.arange(1), np.zeros(1, int)
            )
        )
    )
    assert batch.tokens.tolist() == read and read[-2:] == [2, tokenizer.convert_tokens_to_ids(languages[0])]
    # Of the library's labels the language behind the end is not asked for.
    assert batch.targets.tolist() == labels[0, :-1].tolist() and batch.targets[-1] == 2
    assert batch.decoder is not None and batch.decoder.tokens.tolist() == seen[:-1].tolist()
    assert seen[0] == tokenizer.convert_tokens_to_ids(languages[1])


def test_plain_calls_of_what_is_delivered_are_marked(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    marked = PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, **{
        role: getattr(tokenizer, role) for role in ("cls_token", "sep_token", "pad_token", "unk_token")
    }, additional_special_tokens=["en_XX", "zh_CN"])  # fmt: skip
    for one, languages in ((marked, ["en_XX", "zh_CN"]), (mbarts_own(), ["zh_CN", "en_XX"])):
        source, target = one.convert_tokens_to_ids(languages)
        end = one.convert_tokens_to_ids(one.sep_token)
        model = MBart(size="tiny", positions=16).build(vocabulary=Vocabulary.of(one), seed=1, kind="seq2seq")
        settings(tmp_path, languages=languages).suit(model, one)
        model.save_pretrained(tmp_path / "model")
        one.save_pretrained(tmp_path / "model")
        again = AutoTokenizer.from_pretrained(tmp_path / "model")
        for text in ("the cat", "猫坐着"):
            ids = again(text)["input_ids"]
            assert (
                ids[-2:] == [end, source] and ids[:-2] == again(text, add_special_tokens=False)["input_ids"]
            )
        loaded = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "model")
        written = loaded.generate(**again("the cat", return_tensors="pt"), max_new_tokens=2)
        assert written[0, 0] == target


def test_denoising_of_one_language_marks_plain_calls_too(tmp_path: Path) -> None:
    tokenizer = mbarts_own()
    model = MBart(size="tiny", positions=16).build(
        vocabulary=Vocabulary.of(tokenizer), seed=1, kind="seq2seq"
    )
    Denoise(languages={"a.txt": "zh_CN", "b.txt": "en_XX"}).suit(model, tokenizer)
    assert model.generation_config.decoder_start_token_id is None and tokenizer.src_lang == "en_XX"
    Denoise(languages={"a.txt": "zh_CN", "b.txt": "zh_CN"}).suit(model, tokenizer)
    chinese = tokenizer.convert_tokens_to_ids("zh_CN")
    assert model.generation_config.decoder_start_token_id == tokenizer("猫")["input_ids"][-1] == chinese


def test_a_dry_batch_has_two_halves(tmp_path: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    objective = settings(tmp_path)
    whole = sequences()
    shaped = objective.stand_in(
        Sequences(whole.tokens, whole.cu_seqlens, whole.segments * 0, whole.ids, whole.epochs)
    )
    assert shaped.segments.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1]
    assert len(objective.build(tokenizer=tokenizer, seed=0).prepare(shaped).targets) == 7


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="leave nothing to train on"):
        settings(tmp_path, split={"validation": "50%", "test": "50%"})
    with pytest.raises(ValidationError, match="pairs"):
        Translation.model_validate({})
    with pytest.raises(ValidationError, match="columns are numbered from 0"):
        settings(tmp_path, source=-1)
    with pytest.raises(ValidationError, match="unknown key 'smooth'"):
        settings(tmp_path, smooth=0.1)
