"""What the tests of this room share."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acclimate.corpus.document import Document, Dropped, Reader, Record
from acclimate.recipe.registry import registry

Built = Callable[..., Reader]


@pytest.fixture
def reader() -> Built:
    """reader("wikitext", path, documents="line") → the built reader."""

    def build(name: str, path: Path | str, **settings: Any) -> Reader:
        return registry.get("reader", name).model_validate({"path": str(path), **settings}).build()  # type: ignore[attr-defined, no-any-return]

    return build


class Read:
    """All that a reader gives, sorted out."""

    def __init__(self, reader: Reader) -> None:
        assert reader.check() == []
        records, documents = list(reader.records()), list(reader.read())
        assert reader.bytes_done == reader.bytes_total()
        self.records: list[Record] = [one for one in records if isinstance(one, Record)]
        self.documents: list[Document] = [one for one in documents if isinstance(one, Document)]
        dropped = [one for one in documents if isinstance(one, Dropped)]
        self.dropped = Counter(one.reason for one in dropped)
        self.details = [f"{one.place}: {one.detail}" for one in dropped]
        assert len(records) == len(self.records) + sum(isinstance(one, Dropped) for one in records)
        places = [one.place for one in self.records]
        assert len(set(places)) == len(places)
        # The books and the store want strings that UTF-8 can write, and nothing else.
        for one in (*self.records[:50], *self.documents[:50]):
            assert all(isinstance(value, str) for value in one.fields.values())
        assert all(one.text.strip() for one in self.documents)

    @property
    def fields(self) -> list[dict[str, str]]:
        return [one.fields for one in self.records]

    def count(self, column: str) -> Counter[str]:
        return Counter(fields[column] for fields in self.fields)

    def parsed(self, column: str) -> list[Any]:
        """A column of JSON."""
        return [json.loads(fields[column]) for fields in self.fields]


@pytest.fixture
def read_all(reader: Built) -> Callable[..., Read]:
    """read_all("wikitext", path, …) → records, documents, what was dropped; reading leaves nothing out of the books."""
    return lambda name, path, **settings: Read(reader(name, path, **settings))


@pytest.fixture
def refused(reader: Built) -> Callable[..., str]:
    """The message with which both a check and reading refuse a wrong shape."""

    def ask(name: str, path: Path, **settings: Any) -> str:
        from acclimate.errors import UserError

        built = reader(name, path, **settings)
        found = built.check()
        assert len(found) == 1, found
        with pytest.raises(UserError) as error:
            list(built.records())
        assert str(error.value) == found[0]
        with pytest.raises(UserError):
            list(built.read())
        return found[0]

    return ask


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, str | bytes | Any], Path]:
    """put("a/b.txt", text) → its path below the test's folder; a dict or list is written as JSON."""

    def write(name: str, content: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(content, (str, bytes)):
            content = json.dumps(content, ensure_ascii=False)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write
