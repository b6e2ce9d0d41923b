"""The reader of data sets as the Hugging Face hub keeps them: a folder or a hub name, a subset and a split.

Only data files are read, whose format Acclimate knows; a script or a pickle in a data set is never touched.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from acclimate.corpus.sources import folder_walk
from acclimate.corpus.sources.file_list import Found
from acclimate.corpus.sources.files import Files
from acclimate.corpus.sources.files_reader import FilesReader
from acclimate.corpus.sources.format import SourceFile
from acclimate.corpus.sources.formats import FORMATS, known_format
from acclimate.errors import UserError
from acclimate.recipe.paths import ModelSource
from acclimate.recipe.settings import Component, nearest
from acclimate.recipe.units import Count

_CARD = "README.md"
_PATIENCE = 20.0
"""Seconds that the hub may take to answer."""
_SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""Words in the paths of data files, as the hub reads them, where the data set's card says nothing."""


class DatasetSource(Component):
    """A Hugging Face data set: a folder (saved with `save_to_disk`, or a copy of a hub repository), or a hub name,
    whose files are fetched once and kept in the hub's own cache.

    Parquet, Arrow, JSON lines, CSV and TSV are read, chosen as the data set's card says (`configs` in `README.md`), or
    else by the names of folders and files.
    """

    registered_as: ClassVar[tuple[str, str]] = ("reader", "dataset")
    bare: ClassVar[str | None] = "name"

    name: ModelSource
    """A folder, or `owner/name` on the hub."""
    subset: str | None = None
    """Which of its configurations; needed where it has several and none is the default."""
    split: str = "train"
    """Which part of it."""
    text: str | int = "text"
    """The column that holds the text."""
    revision: str | None = None
    """A commit, tag or branch on the hub; by default its newest state, which may be another one tomorrow."""
    max_document: Count = Field(default=20_000_000, ge=1)
    """Characters; a longer record is dropped by reason `too_long`."""

    def build(self) -> DatasetReader:
        return DatasetReader(self)


class DatasetReader(FilesReader):
    """Reads the data files of a subset and split."""

    def __init__(self, settings: DatasetSource) -> None:
        files = Files(path=settings.name, text=settings.text, max_document=settings.max_document)
        super().__init__(files, self._data_files)
        self._asked = settings
        self._commit: str | None = None

    def check(self) -> list[str]:
        """A folder's first records; of a hub name only whether it has such a split, for nothing is fetched yet."""
        if Path(self._asked.name).is_dir():
            return super().check()
        try:
            self._choice(*self._on_hub())
        except UserError as error:
            return [str(error)]
        return []

    def _data_files(self) -> Found:
        folder = Path(self._asked.name)
        if not folder.is_dir():
            names, card = self._on_hub()
            return Found([self._fetched(name) for name in self._choice(names, card)], [])
        found = [
            (path.relative_to(folder).as_posix(), dropped)
            for path, dropped in folder_walk.files_below(folder)
        ]
        place = folder / _CARD
        card = place.read_text("utf-8", "replace") if place.is_file() else ""
        chosen = self._choice([name for name, dropped in found if dropped is None], card)
        return Found(
            [_file(folder / name, name) for name in chosen], [bad for _, bad in found if bad is not None]
        )

    def _choice(self, names: list[str], card: str) -> list[str]:
        data = sorted(name for name in names if _is_data(name))
        place = self._asked.name
        if not data:
            script = any(name.endswith(".py") for name in names)
            hint = (
                "; it is a script, which is never run: try `revision: refs/convert/parquet`" if script else ""
            )
            raise UserError(
                f"{place}: the data set holds no Parquet, Arrow, JSON lines, CSV or TSV file{hint}"
            )
        try:
            return choose(data, card, self._asked.subset, self._asked.split)
        except ValueError as error:
            raise UserError(f"{place}: {error}") from error

    def _on_hub(self) -> tuple[list[str], str]:
        """(names of all its files, its card)"""
        from huggingface_hub import HfApi

        try:
            about = HfApi().dataset_info(self._asked.name, revision=self._asked.revision, timeout=_PATIENCE)
            self._commit = about.sha
            names = [file.rfilename for file in about.siblings or ()]
            card = self._download(_CARD).read_text("utf-8", "replace") if _CARD in names else ""
            return names, card
        except Exception as error:
            raise self._unreachable(error) from error

    def _fetched(self, name: str) -> SourceFile:
        try:
            return _file(self._download(name), name)
        except Exception as error:
            raise self._unreachable(error) from error

    def _download(self, name: str) -> Path:
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(self._asked.name, name, repo_type="dataset", revision=self._commit))

    def _unreachable(self, error: Exception) -> UserError:
        said = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        return UserError(
            f"{self._asked.name}: there is no such folder, and the hub does not give the data set "
            f"({type(error).__name__}: {said[:200]}); without a network, give the folder of a copy"
        )


def choose(names: list[str], card: str, subset: str | None, split: str) -> list[str]:
    """The data files of a subset and split, from the names of all of them and the data set's card.

    Raises ValueError that names what there is.
    """
    declared = _declared(card)
    if declared:
        chosen = _one_of(declared, subset)
        if split not in chosen:
            raise ValueError(f"there is no split {split!r}; {nearest(split, chosen)}")
        found = [name for name in names if any(_matches(name, glob) for glob in chosen[split])]
    else:
        if subset is not None:
            inner = [name for name in names if subset in name.split("/")[:-1]]
            if not inner:
                folders = {folder for name in names for folder in name.split("/")[:-1]}
                raise ValueError(f"there is no folder {subset!r} (subset); {nearest(subset, folders)}")
            names = inner
        splits = {name: _split_of(name, split) for name in names}
        told = {each for each in splits.values() if each}
        if not told and split == "train":
            return names  # a data set without parts
        if split not in told:
            raise ValueError(f"there is no split {split!r}; {nearest(split, told or {'train'})}")
        found = [name for name, each in splits.items() if each == split]
    if not found:
        raise ValueError(f"the card names files for the split {split!r}, and none of them is there")
    return found


def _is_data(name: str) -> bool:
    format = known_format(name)
    book_keeping = Path(name).name in (
        "dataset_infos.json",
        "dataset_info.json",
        "state.json",
        "dataset_dict.json",
    )
    return format in FORMATS and FORMATS[format].columns != "none" and not book_keeping


def _file(path: Path, name: str) -> SourceFile:
    format = known_format(name)
    assert format is not None
    return SourceFile(path, name, format)


def _split_of(name: str, asked: str) -> str:
    """The split that the path speaks of, the name of the file before its folders; empty for none."""
    words = {**_SPLITS, **({} if asked in _SPLITS else {asked: (asked,)})}
    for part in reversed(name.lower().split("/")):
        for split, called in words.items():
            if any(
                re.search(rf"(?:^|[^a-z0-9]){re.escape(word.lower())}(?:[^a-z0-9]|$)", part)
                for word in called
            ):
                return split
    return ""


def _declared(card: str) -> dict[str, dict[str, list[str]]]:
    """Subset → split → globs, from the card's YAML; empty where it declares none. The default subset is called ""."""
    match = re.match(r"---\s*\n(.*?\n)---\s*\n?", card, re.DOTALL)
    if match is None:
        return {}
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        about = YAML(typ="safe", pure=True).load(match[1])
        configs = about.get("configs") if isinstance(about, dict) else None
        if not isinstance(configs, list):
            return {}
        found: dict[str, dict[str, list[str]]] = {}
        for config in configs:
            files = _globs(config.get("data_files"))
            if files:
                found[str(config["config_name"])] = files
                if config.get("default") or config["config_name"] == "default" or len(configs) == 1:
                    found.setdefault("", files)
        return found
    except (YAMLError, AttributeError, KeyError, TypeError, RecursionError):
        return {}


def _globs(files: Any) -> dict[str, list[str]]:
    if isinstance(files, str):
        return {"train": [files]}
    if isinstance(files, list) and all(isinstance(one, str) for one in files):
        return {"train": files}
    if not isinstance(files, list):
        return {}
    return {
        str(one["split"]): [one["path"]]
        if isinstance(one["path"], str)
        else [str(path) for path in one["path"]]
        for one in files
    }


def _one_of(declared: dict[str, dict[str, list[str]]], subset: str | None) -> dict[str, list[str]]:
    named = sorted(name for name in declared if name)
    if subset is None:
        if "" not in declared:
            raise ValueError(f"the data set has the subsets {', '.join(named)}; choose one with `subset:`")
        return declared[""]
    if subset not in named:
        raise ValueError(f"there is no subset {subset!r}; {nearest(subset, named)}")
    return declared[subset]


def _matches(name: str, glob: str) -> bool:
    # `*` of fnmatch goes over `/`, which is what the hub's `**` means, too.
    return fnmatchcase(name, glob.removeprefix("./").replace("**/*", "*"))
