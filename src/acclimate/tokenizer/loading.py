"""Taking a tokenizer that exists: from a folder, or by its id on the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import ValidationInfo
from pydantic.functional_validators import BeforeValidator

from acclimate.errors import UserError
from acclimate.progress import Tell, silent
from acclimate.recipe.paths import DataPath, expand_variables
from acclimate.recipe.settings import Component, Settings
from acclimate.recipe.wording import Called

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_MODEL = ".model"
_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "config.json",
)


class _Place(Settings):
    path: DataPath


def _folder_or_id(value: Any, info: ValidationInfo) -> Any:
    """The path of a folder or file that exists, else the hub id if it reads like one, else the path anyway."""
    if not isinstance(value, (str, Path)):
        return value
    path = _Place.model_validate({"path": value}, context=info.context).path
    text = expand_variables(str(value)).strip()
    if not Path(path).exists() and not text.endswith(_MODEL) and _HUB_ID.fullmatch(text):
        return text
    return path


class Load(Component):
    """Take a tokenizer that exists."""

    registered_as: ClassVar[tuple[str, str]] = ("tokenizer", "load")
    bare: ClassVar[str | None] = "source"
    reads_corpus: ClassVar[bool] = False

    source: Annotated[str, BeforeValidator(_folder_or_id), Called("folder or hub id")]
    """A folder with `tokenizer.json` (as `save_pretrained` writes it), a SentencePiece file (`.model`; a `<mask>` is
    added where it has none), or, where there is neither, an id on the Hugging Face hub such as `bert-base-chinese`."""
    revision: str | None = None
    """Branch, tag or commit on the hub; the newest unless given."""

    def build(
        self,
        *,
        texts: Iterator[list[str]] | None = None,
        folder: Path,
        tell: Tell = silent,
        model_max_length: int | None = None,
    ) -> PreTrainedTokenizerFast:
        """Load, and save into the folder. Texts are not read. Raises UserError as `load_tokenizer` does."""
        tokenizer = load_tokenizer(self.source, revision=self.revision)
        if model_max_length is not None:
            tokenizer.model_max_length = min(model_max_length, tokenizer.model_max_length)
        tokenizer.save_pretrained(str(folder))
        tell(1, 1, "tokenizer")
        return load_tokenizer(str(folder))

    def fingerprint(self, digest: Callable[[Path], str]) -> Any:
        """What the tokenizer's identity hangs on: its files' digests, or the hub id and revision."""
        folder = Path(self.source)
        if self.source.endswith(_MODEL):
            return {"model": digest(folder)}
        if not folder.is_dir():
            return {"hub": self.source, "revision": self.revision}
        return {name: digest(folder / name) for name in _FILES if (folder / name).is_file()}


def load_tokenizer(
    source: str | Path, *, revision: str | None = None, offline: bool = False
) -> PreTrainedTokenizerFast:
    """The fast tokenizer in a folder or SentencePiece file, without asking the network; or from the hub, when there is
    no such folder; `offline` takes of the hub only what was fetched before.

    Never runs code that comes with it and reads no pickles. Raises UserError when there is none, when it has no
    `tokenizer.json`, or when it wants to run its own code.
    """
    folder = Path(source)
    if folder.is_dir():
        missing = "" if (folder / "tokenizer.json").is_file() else f"{folder} has no tokenizer.json"
        if missing:
            raise UserError(
                f"{missing}; a fast tokenizer is needed (load it once with transformers' AutoTokenizer and call "
                "save_pretrained to get one)"
            )
        return _loaded(str(folder), f"the tokenizer in {folder}", local_files_only=True)
    if folder.suffix == _MODEL:
        from acclimate.tokenizer.sentencepiece.reading import read_sentencepiece

        return read_sentencepiece(folder)
    if not _HUB_ID.fullmatch(str(source)):
        raise UserError(f"tokenizer {source}: there is no such folder")
    place = f"tokenizer {source}: there is no such folder, and as an id on the Hugging Face hub it"
    return _loaded(str(source), place, revision=revision or "main", local_files_only=offline)


def _loaded(source: str, place: str, **options: Any) -> PreTrainedTokenizerFast:
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    try:
        tokenizer = AutoTokenizer.from_pretrained(source, use_fast=True, trust_remote_code=False, **options)
    except (
        Exception
    ) as error:  # the libraries below raise bare exceptions of many kinds for a file they cannot read
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"{place} could not be loaded: {reason}") from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise UserError(
            f"{place} is a slow tokenizer ({type(tokenizer).__name__}); one with tokenizer.json is needed"
        )
    return tokenizer
