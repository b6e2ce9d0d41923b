"""Forms as windows of tokens with boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from acclimate.batching.form_store import FormStore, FormWriter
from acclimate.corpus.forms import Form, Forms
from acclimate.errors import UserError
from acclimate.tokenizer.specials import finished


class NoReader:
    name = "made up"


@pytest.fixture
def tokenizer() -> Any:
    pieces = ["na", "##me", "da", "##te", "##s", ":", "姓", "名", "19"]
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces]
    backend = Tokenizer(models.WordPiece({name: n for n, name in enumerate(names)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return finished(backend, spaced=False, model_max_length=None)


def form(*words: str) -> Form:
    boxes = np.arange(4 * len(words)).reshape(-1, 4)
    return Form("a.json:1", " ".join(words), list(words), boxes, [(-1, "other")] * len(words))


def stored(folder: Path, tokenizer: Any, *forms: Form, length: int = 16) -> tuple[FormStore, dict[str, Any]]:
    books = Forms(NoReader(), "thousandths")  # type: ignore[arg-type]
    writer = FormWriter(books, tokenizer, length)
    for one in forms:
        books.account.sources[0].read += len(one.words)
        writer.add(one)
    folder.mkdir(exist_ok=True)
    writer.write(folder)
    return FormStore(folder, tokenizer), books.account.totals()


def test_tokens_bear_the_box_of_their_word(tmp_path: Path, tokenizer: Any) -> None:
    words = form("Name:", "姓名", "dates", "19", "x")
    store, _ = stored(tmp_path, tokenizer, words)
    sequences = store.fetch(np.array([0]), np.array([0]))
    pieces = tokenizer.convert_ids_to_tokens(sequences.tokens.tolist())
    assert pieces == (["[CLS]", "na", "##me", ":", "姓", "名", "da", "##te", "##s", "19", "[UNK]", "[SEP]"])
    owner = [0, 0, 0, 1, 1, 2, 2, 2, 3, 4]
    boxes = sequences.by_token["boxes"]
    assert boxes[1:-1].tolist() == words.boxes[owner].tolist()
    assert boxes[0].tolist() == [0] * 4 and boxes[-1].tolist() == [1000] * 4
    assert sequences.by_token["words"].tolist() == [1, 1, 0, 0, 1, 0, 1, 0, 0, 1, 1, 1]
    assert store.num_tokens == 10 and store.num_bytes == len("Name:姓名dates19x".encode())


def test_words_without_tokens_are_dropped_and_booked(tmp_path: Path, tokenizer: Any) -> None:
    store, told = stored(tmp_path, tokenizer, form("\u200b", "name", "\u200b"), form("\u200b"))
    assert told["dropped"] == {"no_tokens": 3} and told["kept"] == 1
    assert store.lengths.tolist() == [4]
    boxes = store.fetch(np.array([0]), np.array([0])).by_token["boxes"]
    assert boxes[1].tolist() == [4, 5, 6, 7]


def test_long_forms_are_cut_between_words(tmp_path: Path, tokenizer: Any) -> None:
    store, _ = stored(tmp_path, tokenizer, form(*["dates"] * 9), form("name", "name"), length=10)
    assert store.lengths.max() <= 10 and store.lengths.tolist()[-1] == 6
    ids = np.arange(len(store.lengths))
    assert store.document_of(ids).tolist() == [0] * (len(ids) - 1) + [1]
    for number in ids:
        sequences = store.fetch(np.array([number]), np.array([0]))
        assert sequences.by_token["words"][1] == 1
    whole = store.fetch(ids, ids * 0)
    assert (whole.tokens > 4).sum() == 9 * 3 + 2 * 2
    assert (whole.by_token["words"] * (whole.tokens > 4)).sum() == 9 + 2


def test_no_forms_and_no_room(tmp_path: Path, tokenizer: Any) -> None:
    store, _ = stored(tmp_path, tokenizer)
    assert len(store.lengths) == 0
    with pytest.raises(UserError, match="leaves no room"):
        FormWriter(Forms(NoReader(), "pixels"), tokenizer, 2)  # type: ignore[arg-type]
