"""Named entities as spans of characters in JSON lines: CLUENER, and the forms that labelling tools write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from acclimate.corpus.document import Dropped
from acclimate.corpus.readers.corpus_file import CorpusFile
from acclimate.corpus.readers.entries import Entry, as_fields, compact, shown, wrong
from acclimate.corpus.readers.shaped import ShapedReader, StandardCorpus

_LISTS = ("entity_list", "entities", "label", "labels", "spans")
_LABELS = ("label", "type", "entity_type", "entity_label", "tag")
_STARTS = ("start", "begin", "start_offset", "start_idx", "start_pos")
_ENDS = ("end", "end_offset", "end_idx", "end_pos")
_SURFACES = ("entity", "text", "word", "mention")


class SpanNer(StandardCorpus):
    """Entities as character spans in JSON lines, in the common spellings.

    `{"text", "entities": [{"start", "end", "label"}]}` (also entity_list, entity_type, begin, start_offset, an inner
    `entity_index`), `{"text", "label": [[start, end, "PER"]]}` (doccano), and CLUENER's
    `{"text", "label": {"name": {"叶老桂": [[9, 11]]}}}`. Records: text, entities (JSON list of {label, start, end,
    text}, the end exclusive), other members. A record whose spans do not lie where their texts are is dropped by
    reason `wrong_spans`.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "span_ner")

    end: Literal["auto", "exclusive", "inclusive"] = "auto"
    """What an end means in the file; `auto` judges each span by the text given with it, exclusive where none is."""

    def build(self) -> SpanNerReader:
        return SpanNerReader(self)


class Cluener(SpanNer):
    """CLUENER 2020 (Xu et al. 2020): Chinese news with ten kinds of entities, as released or with an `entity_list`."""

    registered_as: ClassVar[tuple[str, str]] = ("reader", "cluener")


class SpanNerReader(ShapedReader):
    patterns = ("*.json", "*.jsonl", "*.txt")
    expected = 'an object a line, as {"text": "…", "entities": [{"start": 0, "end": 2, "label": "PER"}]}'

    def __init__(self, settings: SpanNer) -> None:
        super().__init__(settings)
        self.settings = settings

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        for row in file.objects(self.expected):
            yield row if isinstance(row, Dropped) else self._entry(file.place(row[0]), row[1])

    def _entry(self, place: str, row: dict[str, Any]) -> Entry | Dropped:
        text = row.get("text")
        key = next((name for name in _LISTS if isinstance(row.get(name), (list, dict))), None)
        if not isinstance(text, str) or (key is None and set(row) & set(_LISTS)):
            return wrong(place, self.expected, row)
        try:
            found = [] if key is None else list(_spans(row[key]))
        except (KeyError, TypeError, ValueError):
            return wrong(place, self.expected, row)
        entities = []
        for label, start, end, surface in found:
            stop = end + self._reaches(text, start, end, surface)
            if not 0 <= start < stop <= len(text) or (surface is not None and text[start:stop] != surface):
                what = {"start": start, "end": end, "label": label, "text": surface}
                detail = f"expected a span of the text {shown(text)}, found {shown(what)}"
                return Dropped("wrong_spans", place, detail)
            entities.append({"label": label, "start": start, "end": stop, "text": text[start:stop]})
        entities.sort(key=lambda one: (one["start"], one["end"], one["label"]))
        rest = as_fields({name: value for name, value in row.items() if name not in ("text", key)})
        return Entry(
            place, ({"text": text, **rest},), ({"text": text, "entities": compact(entities), **rest},)
        )

    def _reaches(self, text: str, start: int, end: int, surface: str | None) -> int:
        """1 where the end is inclusive."""
        if self.settings.end != "auto":
            return int(self.settings.end == "inclusive")
        return int(surface is not None and text[start:end] != surface)


def _spans(value: Any) -> Iterator[tuple[str, int, int, str | None]]:
    """(label, start, end as written, text if given) of the spans. Raises KeyError, TypeError, ValueError."""
    if isinstance(value, dict):
        for label, mentions in value.items():
            for surface, places in mentions.items():
                for start, end in places:
                    yield label, _number(start), _number(end), surface
        return
    for one in value:
        if isinstance(one, dict):
            inner = {**one, **one["entity_index"]} if "entity_index" in one else one
            surface = _named(one, _SURFACES, None)
            yield (
                str(_named(one, _LABELS)),
                _number(_named(inner, _STARTS)),
                _number(_named(inner, _ENDS)),
                None if surface is None else str(surface),
            )
        else:
            start, end, label = one
            yield str(label), _number(start), _number(end), None


_NEEDED = object()


def _named(row: dict[str, Any], names: tuple[str, ...], default: Any = _NEEDED) -> Any:
    for name in names:
        if name in row:
            return row[name]
    if default is _NEEDED:
        raise KeyError(names[0])
    return default


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("an offset is a whole number")
    return value
