from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError
from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from acclimate.errors import UserError
from acclimate.tokenizer.training import Train

ALGORITHMS = ["wordpiece", "bpe", "character_bpe", "unigram", "character", "word"]
RARE = (
    "𓀀𓁐 ᚠᛇᚻ የኢትዮጵያ 🙂👩‍👩‍👧‍👦🇨🇳 ﬁ ẞ ½ 𝔘𝔫𝔦 \u0301 ٣ हिन्दी ไทย 한국어 日本語 ，。「」 a\tb\nc  d <0x41> ##x Ġ"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trained")


@pytest.fixture(scope="module", params=ALGORITHMS)
def trained(
    request: pytest.FixtureRequest, folder: Path, english: list[str], chinese: list[str]
) -> tuple[PreTrainedTokenizerFast, Path]:
    place = folder / request.param
    place.mkdir()
    settings = Train(algorithm=request.param, vocab_size=5000)
    tokenizer = settings.build(texts=iter([english, chinese]), folder=place, model_max_length=64)
    return tokenizer, place


def test_plain_transformers_loads_it_with_equal_ids(
    trained: tuple[PreTrainedTokenizerFast, Path], english: list[str], chinese: list[str]
) -> None:
    tokenizer, place = trained
    plain = AutoTokenizer.from_pretrained(place)
    backend = Tokenizer.from_file(str(place / "tokenizer.json"))
    texts = [*english[:200], *chinese[:200], RARE]
    for tool in (tokenizer, plain):
        assert tool(texts)["input_ids"] == [encoding.ids for encoding in backend.encode_batch(texts)]
    size = len(plain)
    assert size == len(tokenizer) == json.loads((place / "training.json").read_text())["size"]
    assert size == 5000 or (size > 2000 and place.name == "character")  # there are no more characters
    assert plain.model_max_length == 64


def test_special_tokens_and_forms_are_berts(trained: tuple[PreTrainedTokenizerFast, Path]) -> None:
    plain = AutoTokenizer.from_pretrained(trained[1])
    specials = [plain.pad_token, plain.unk_token, plain.cls_token, plain.sep_token, plain.mask_token]
    assert specials == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert plain.convert_tokens_to_ids(specials) == [0, 1, 2, 3, 4]
    first, second = (plain(text, add_special_tokens=False)["input_ids"] for text in ("中国 road", "the sea"))
    pair = plain("中国 road", "the sea")
    assert pair["input_ids"] == [2, *first, 3, *second, 3]
    assert pair["token_type_ids"] == [0] * (len(first) + 2) + [1] * (len(second) + 1)
    assert plain("中国 road")["input_ids"] == [2, *first, 3]
    # The mask stands for a word with the space before it.
    before, masked, after = plain(["the", "the [MASK] of", " of"], add_special_tokens=False)["input_ids"]
    assert masked == [*before, 4, *after]


def test_nothing_is_lost(
    trained: tuple[PreTrainedTokenizerFast, Path], english: list[str], chinese: list[str]
) -> None:
    plain = AutoTokenizer.from_pretrained(trained[1])
    if trained[1].name in (
        "wordpiece",
        "word",
    ):  # split as BERT does: spaces are lost, and what they cannot spell
        assert plain.unk_token_id in plain(RARE)["input_ids"]
        text = plain.decode(plain("中国 the road .", add_special_tokens=False)["input_ids"])
        assert text == "中 国 the road ."
        return
    if trained[1].name == "character":  # what it knows it spells
        assert plain.unk_token_id in plain(RARE)["input_ids"]
        for text in [*english[:300], *chinese[:300], "  two  spaces ", ""]:
            assert plain.decode(plain(text, add_special_tokens=False)["input_ids"]) == text
        return
    for text in [RARE, *english[:300], *chinese[:300], "  two  spaces ", "x" * 5000, "\n", ""]:
        ids = plain(text, add_special_tokens=False)["input_ids"]
        expected = text
        if trained[1].name in ("unigram", "character_bpe") and text.startswith(" "):
            expected = text[1:]  # one space at the very beginning is not told from none
        assert plain.decode(ids) == expected
        assert plain.unk_token_id not in ids


def test_the_same_texts_give_the_same_bytes_in_any_process(
    tmp_path: Path, english: list[str], chinese: list[str]
) -> None:
    (tmp_path / "texts.json").write_text(json.dumps([english[:400] * 2, chinese[:400]]))
    program = (
        "import json, sys; from pathlib import Path; from acclimate.tokenizer.training import Train\n"
        "texts = json.loads(Path(sys.argv[1]).read_text())\n"
        f"for name in {ALGORITHMS}:\n"
        "    folder = Path(sys.argv[2], name); folder.mkdir(parents=True)\n"
        "    Train(algorithm=name, vocab_size=2500).build(texts=iter(texts), folder=folder)"
    )
    found = []
    for number, setting in enumerate(
        (
            {"RAYON_NUM_THREADS": "1", "PYTHONHASHSEED": "1"},
            {"TOKENIZERS_PARALLELISM": "true", "PYTHONHASHSEED": "2"},
        )
    ):
        folder = tmp_path / str(number)
        command = [sys.executable, "-c", program, str(tmp_path / "texts.json"), str(folder)]
        subprocess.run(command, check=True, env={**os.environ, **setting})
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        found.append({str(file.relative_to(folder)): file.read_bytes() for file in files})
    assert len(found[0]) == 3 * len(ALGORITHMS)
    assert found[0] == found[1]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_vocabulary_beyond_the_corpus_names_the_size_that_works(
    algorithm: str, tmp_path: Path, english: list[str]
) -> None:
    texts = english[:300]
    with pytest.raises(
        UserError, match=r"vocab_size 200000 is larger than the corpus supports.*at most \d+"
    ) as error:
        Train(algorithm=algorithm, vocab_size="200k").build(texts=iter([texts]), folder=tmp_path)
    assert not list(tmp_path.iterdir())
    supported = int(str(error.value).split("at most ")[1].split(",")[0])
    tokenizer = Train(algorithm=algorithm, vocab_size=supported).build(texts=iter([texts]), folder=tmp_path)
    assert 0.9 * supported <= len(tokenizer) <= supported


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_small_vocabulary_shrinks_and_says_so(algorithm: str, tmp_path: Path) -> None:
    texts = [["a few words of text, a few words more", "我们喜欢猫，我们喜欢狗"]]
    tokenizer = Train(algorithm=algorithm, vocab_size="2k").build(texts=iter(texts), folder=tmp_path)
    note = json.loads((tmp_path / "training.json").read_text())
    assert note["asked"] == 2000 and note["size"] == len(tokenizer) < 1000
    assert "larger than the corpus supports" in note["note"]
    Train(algorithm=algorithm, vocab_size="20k", least="0%").build(texts=iter(texts), folder=tmp_path)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("texts", [[], [[]], [["", "  \n"]]])
def test_no_text_is_refused(algorithm: str, texts: list[list[str]], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no text to train the tokenizer on"):
        Train(algorithm=algorithm, vocab_size=500).build(texts=iter(texts), folder=tmp_path)


def test_too_small_for_the_algorithm(tmp_path: Path) -> None:
    for algorithm, smallest in (("bpe", 261), ("unigram", 263)):
        with pytest.raises(UserError, match=f"vocab_size 100 is too small for {algorithm}.* take {smallest}"):
            Train(algorithm=algorithm, vocab_size=100).build(texts=iter([["text"]]), folder=tmp_path)
    with pytest.raises(ValidationError):
        Train(vocab_size=3)


def test_lower_case(tmp_path: Path) -> None:
    for algorithm in ALGORITHMS:
        tokenizer = Train(algorithm=algorithm, vocab_size=400, lowercase=True).build(
            texts=iter([["The Café, THE CAFÉ the café " * 20]]), folder=tmp_path
        )
        upper, lower = tokenizer("THE CAFÉ")["input_ids"], tokenizer("the café")["input_ids"]
        assert upper == lower and tokenizer.unk_token_id not in upper
        assert (tokenizer("the cafe")["input_ids"] == lower) == (algorithm in ("wordpiece", "word"))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_progress_is_told(algorithm: str, tmp_path: Path) -> None:
    told: list[tuple[float, float | None, str]] = []
    Train(algorithm=algorithm, vocab_size=400).build(
        texts=iter([["one text"] * 3, ["two"] * 4]), folder=tmp_path, tell=lambda *now: told.append(now)
    )
    assert told[-1] == (7, None, "documents")
