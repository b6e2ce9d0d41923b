"""FUNSD: scanned forms with the text, the place and the role of every word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from acclimate.corpus.document import Dropped
from acclimate.corpus.readers.corpus_file import CorpusFile
from acclimate.corpus.readers.entries import Entry, compact, wrong
from acclimate.corpus.readers.shaped import ShapedReader, StandardCorpus

_LABELS = ("question", "answer", "header", "other")


class Funsd(StandardCorpus):
    """FUNSD (Jaume et al. 2019): 199 scanned forms, `annotations/*.json` with images of the pages beside.

    Records, one a page: text (its entities' texts on lines), words, boxes ([x0, y0, x1, y1] in pixels) and labels
    (`question`, `answer`, `header`, `other`) of the words, entities (JSON list of {id, label, box, start, end}, words,
    the end exclusive), links (pairs of entity ids), all JSON; image (path of the page, empty where it is missing).
    Some words have a box and no text; the published counts, and the lists here, have them too.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "funsd")

    def build(self) -> FunsdReader:
        return FunsdReader(self)


class FunsdReader(ShapedReader):
    patterns = ("*.json",)
    expected = '{"form": [{"id", "text", "label", "box", "words": [{"text", "box"}], "linking"}]}'

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        value = file.value(self.expected)
        if isinstance(value, Dropped):
            yield value
            return
        try:
            yield self._page(value["form"], file)
        except (KeyError, TypeError, ValueError):
            yield wrong(file.place(1), self.expected, value)

    def _page(self, form: list[dict[str, Any]], file: CorpusFile) -> Entry:
        words: list[str] = []
        boxes: list[list[int]] = []
        labels: list[str] = []
        entities: list[dict[str, Any]] = []
        links: set[tuple[int, int]] = set()
        lines: list[str] = []
        for entity in form:
            if entity["label"] not in _LABELS:
                raise ValueError("unknown label")
            start = len(words)
            for word in entity["words"]:
                words.append(str(word["text"]))
                boxes.append(_box(word["box"]))
                labels.append(entity["label"])
            about = {"id": entity["id"], "label": entity["label"], "box": _box(entity["box"])}
            entities.append({**about, "start": start, "end": len(words)})
            links.update((first, second) for first, second in entity["linking"])
            lines.append(" ".join(filter(None, words[start:])))
        stem = file.bare.removesuffix(".json")
        image = file.beside(f"../images/{stem}.png")
        record = {
            "text": "\n".join(filter(None, lines)),
            "words": compact(words),
            "boxes": compact(boxes),
            "labels": compact(labels),
            "entities": compact(entities),
            "links": compact(sorted(links)),
            "image": "" if image is None else image.stored.place,
        }
        return Entry(file.place(1), ({"text": record["text"], "page": stem},), (record,))


def _box(value: Any) -> list[int]:
    x0, y0, x1, y1 = (int(edge) for edge in value)
    return [x0, y0, x1, y1]
