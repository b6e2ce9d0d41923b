"""Which part of a corpus a file belongs to, by the words in its name: training, validation, test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from acclimate.corpus.readers.corpus_file import CorpusFile
from acclimate.errors import UserError

PartName = Literal["train", "validation", "test", "all"]

_WORDS = {
    "train": ("train", "training", "trn"),
    "validation": ("validation", "valid", "val", "dev", "devel", "testa", "trial"),
    "test": ("test", "testing", "tst", "testb"),
}
_PART_OF = {word: part for part, words in _WORDS.items() for word in words}
_WORD = re.compile(r"[a-z]+")


def part_of(name: str) -> str | None:
    """The part that a name below the corpus' folder tells: by the file's own name, then its folders'."""
    for piece in reversed(name.lower().split("/")):
        for word in _WORD.findall(piece):
            if word in _PART_OF:
                return _PART_OF[word]
    return None


def files_of_part(path: str, files: Sequence[CorpusFile], part: PartName | None) -> list[CorpusFile]:
    """Those files of a folder that belong to a part; None: the training part, or all where no name tells parts.

    Raises UserError when the part is not there.
    """
    parts = [part_of(file.name) for file in files]
    there = sorted({one for one in parts if one is not None})
    if part == "all" or (part is None and not there):
        return list(files)
    wanted = part or "train"
    if wanted not in there:
        others = f"; it holds {', '.join(there)}" if there else "; no file's name tells its part"
        raise UserError(
            f"{path}: the folder has no part {wanted!r}{others}; say `part:` with one of these or `all`"
        )
    return [file for file, one in zip(files, parts, strict=True) if one == wanted]
