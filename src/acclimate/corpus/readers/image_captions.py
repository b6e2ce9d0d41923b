"""Folders of images with a file of captions."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from pydantic import Field

from acclimate.corpus.document import Dropped
from acclimate.corpus.images import files as pictures
from acclimate.corpus.readers.corpus_file import CorpusFile
from acclimate.corpus.readers.entries import Entry, Fields, as_fields, compact, wrong
from acclimate.corpus.readers.shaped import ShapedReader, StandardCorpus
from acclimate.recipe.paths import SourcePaths
from acclimate.recipe.settings import nearest

_NUMBERED = re.compile(r"(.+)#\d+")


class ImageCaptions(StandardCorpus):
    """Images in a folder with their captions.

    The captions are a table with a header line (`.csv`, `.tsv`, also Flickr's `image.jpg#0<TAB>caption` without one),
    JSON lines, COCO's JSON (`images`, `annotations`), or a `.txt` (and `.json`) of the same name beside each image
    (WebDataset, unpacked). Records: image (its path), caption, other columns. Where `images` are several folders, each
    has its own view of the same things under the same names, and records have `images`: the path of each view as a JSON
    list, null where one is missing. A caption is a document; one without any image is dropped by reason `no_image`.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "image_captions")

    images: SourcePaths | None = None
    """The images' folder or archive, or a list of these, one for each view; by default the captions' own folder, with
    those below it."""
    image: str = "image"
    """Column with the image's name, with or without its extension."""
    captions: list[str] = Field(default=["caption"], min_length=1)
    """Columns with captions; each that is filled is a record."""

    def build(self) -> ImageCaptionsReader:
        return ImageCaptionsReader(self)


class ImageCaptionsReader(ShapedReader):
    patterns = ("*.csv", "*.tsv", "*.jsonl", "*.json", "*.txt", "*.token")
    expected = "captions: a table with a header line, JSON lines, COCO's JSON, or a .txt beside each image"

    def __init__(self, settings: ImageCaptions) -> None:
        super().__init__(settings)
        self.settings = settings
        self._views: list[dict[str, str]] = []

    @property
    def image_sources(self) -> list[str]:
        """Folders and archives in which the images stand."""
        given, path = self.settings.images, Path(self.corpus.path)
        if given is None:
            return [str(path if path.is_dir() or pictures.is_archive(path.name) else path.parent)]
        return [given] if isinstance(given, str) else given

    def choose(self, files: Sequence[CorpusFile]) -> list[CorpusFile]:
        if self.settings.images is None and files and files[0].shelf.whole:
            self._views = [_by_name((file.name, file.place) for file in files[0].shelf.files)]
        else:
            self._views = [_by_name(pictures.listed(one)) for one in self.image_sources]
        return [file for file in files if not files[0].shelf.whole or self._has_captions(file)]

    def _has_captions(self, file: CorpusFile) -> bool:
        """Whether a file of the folder is one to begin with: beside an image a `.json` tells of it what the record
        takes along, and a `.txt` beside none is most often something to read."""
        if file.bare.endswith(".json"):
            return self._beside(file) is None
        return (
            not file.bare.endswith(".txt") or self._beside(file) is not None or "caption" in file.bare.lower()
        )

    def companions(self, file: CorpusFile) -> Sequence[CorpusFile]:
        about = self._about(file)
        return [about] if about else ()

    def fingerprint(self, digests: Callable[[Path], str]) -> dict[str, Any]:
        """The images too: by name, for the texts do not depend on what they show."""
        found = super().fingerprint(digests)
        return {**found, "images": [sorted(view) for view in self._views]}

    def _beside(self, file: CorpusFile) -> str | None:
        """The image of the same name as a `.txt` or `.json`."""
        if not file.bare.endswith((".txt", ".json")):
            return None
        path = PurePosixPath(file.name)
        return self._views[0].get(path.with_name(file.bare.rpartition(".")[0]).as_posix())

    def _about(self, file: CorpusFile) -> CorpusFile | None:
        """What a `.json` beside tells of the image of a `.txt`."""
        if not file.bare.endswith(".txt") or not self._beside(file):
            return None
        return file.beside(file.bare.removesuffix(".txt") + ".json")

    def entries(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        if beside := self._beside(file):
            yield self._one(file, beside)
        elif file.bare.endswith(".json") and not file.first_line().startswith('{"image"'):
            yield from self._coco(file)
        elif file.bare.endswith((".json", ".jsonl")):
            for row in file.objects(self.expected):
                yield (
                    row
                    if isinstance(row, Dropped)
                    else self._row(file.place(row[0]), as_fields(row[1]), row[1])
                )
        else:
            yield from self._table(file)

    def _one(self, file: CorpusFile, image: str) -> Entry | Dropped:
        lines: list[str] = []
        for line in file.lines():
            if isinstance(line, Dropped):
                return line
            lines.append(line[1])
        caption = "\n".join(lines).strip()
        about = self._about(file)
        value = about.value("one object about the image") if about else {}
        record = {**(as_fields(value) if isinstance(value, dict) else {}), "image": image, "caption": caption}
        return Entry(file.place(1), ({"text": caption, "image": PurePosixPath(image).name},), (record,))

    def _table(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        names: list[str] | None = None
        comma = file.bare.endswith(".csv") or "\t" not in file.first_line()
        for line in file.lines():
            if isinstance(line, Dropped):
                yield line
                continue
            number, text = line
            cells = next(csv.reader([text]), []) if comma else text.split("\t")
            if names is None:
                if len(cells) == 2 and not comma and (_NUMBERED.fullmatch(cells[0]) or self._has(cells[0])):
                    names = [self.settings.image, self.settings.captions[0]]
                else:
                    names = cells
                    for column in (self.settings.image, *self.settings.captions):
                        if column not in names:
                            hint = nearest(column, names)
                            yield wrong(
                                file.place(number), f"a header line with the column {column!r} ({hint})", text
                            )
                            return
                    continue
            if not text:
                yield Dropped("empty", file.place(number), "a blank line")
            elif len(cells) != len(names):
                yield wrong(file.place(number), f"{len(names)} columns ({', '.join(names)})", text)
            else:
                row = dict(zip(names, cells, strict=True))
                yield self._row(file.place(number), row, row)

    def _has(self, name: str) -> bool:
        numbered = _NUMBERED.fullmatch(name)
        return any((numbered[1] if numbered else name) in view for view in self._views)

    def _row(self, place: str, fields: Fields, row: object) -> Entry | Dropped:
        name = fields.get(self.settings.image)
        if name is None or not any(column in fields for column in self.settings.captions):
            return wrong(place, f"{self.settings.image!r} and {' or '.join(self.settings.captions)!r}", row)
        numbered = _NUMBERED.fullmatch(name)
        views = [view.get(numbered[1] if numbered else name) for view in self._views]
        image = next((one for one in views if one is not None), None)
        if image is None:
            return Dropped("no_image", place, f"there is no image {name!r}")
        rest = {
            key: value
            for key, value in fields.items()
            if key not in (self.settings.image, *self.settings.captions)
        }
        if len(views) > 1:
            rest["images"] = compact(views)
        captions = [(column, fields[column]) for column in self.settings.captions if fields.get(column)]
        return Entry(
            place,
            [
                {"text": caption, "image": PurePosixPath(image).name, "column": column}
                for column, caption in captions
            ],
            [{**rest, "image": image, "caption": caption, "column": column} for column, caption in captions],
        )

    def _coco(self, file: CorpusFile) -> Iterator[Entry | Dropped]:
        value = file.value(self.expected)
        if isinstance(value, Dropped):
            yield value
            return
        try:
            names = {one["id"]: str(one["file_name"]) for one in value["images"]}
            annotations = list(value["annotations"])
        except (KeyError, TypeError):
            yield wrong(
                file.place(1), 'COCO\'s JSON, {"images": [{"id", "file_name"}], "annotations": [{…}]}', value
            )
            return
        for index, one in enumerate(annotations):
            place = file.place(f"annotations[{index}]")
            try:
                fields = {
                    self.settings.image: names[one["image_id"]],
                    self.settings.captions[0]: str(one["caption"]),
                }
            except (KeyError, TypeError):
                yield wrong(place, '{"image_id", "caption"} of an image in "images"', one)
                continue
            yield self._row(place, fields, one)


def _by_name(found: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Name below the folder, with and without folder and extension → image."""
    names: dict[str, str] = {}
    for name, place in found:
        if pictures.is_picture(name):
            path = PurePosixPath(name)
            for key in (name, path.with_suffix("").as_posix(), path.name, path.stem):
                names.setdefault(key, place)
    return names
