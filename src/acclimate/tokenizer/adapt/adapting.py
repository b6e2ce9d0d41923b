"""The adaptation from end to end: choose, make room, renumber, write, and look at what came out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acclimate.artifacts.durable import remove, write_json, write_text
from acclimate.errors import UserError
from acclimate.progress import Tell
from acclimate.tokenizer.adapt.entries import Entries, entries_of
from acclimate.tokenizer.adapt.growing import Growth
from acclimate.tokenizer.adapt.plan import NEW, Adaptation, NewToken
from acclimate.tokenizer.adapt.shrinking import pruned, replaced
from acclimate.tokenizer.adapt.text import GAP, Cut, Kinds

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from acclimate.tokenizer.adapt.settings import Adapt

Texts = Callable[[], Iterator[list[str]]]


@dataclass(frozen=True)
class Old:
    """The checkpoint's tokenizer as it was."""

    backend: Tokenizer
    ids: dict[str, int]
    """Of every token."""

    @property
    def size(self) -> int:
        return max(self.ids.values()) + 1


def adapt(settings: Adapt, *, source: str, texts: Texts, folder: Path, tell: Tell) -> Adaptation:
    """Write the adapted tokenizer and `adaptation.json` into the folder."""
    from acclimate.corpus.document import Document
    from acclimate.tokenizer.encoding import private_backend
    from acclimate.tokenizer.loading import load_tokenizer

    tokenizer = load_tokenizer(source)
    backend = private_backend(tokenizer)
    backend.encode_special_tokens = True
    old = Old(backend, tokenizer.get_vocab())
    entries = entries_of(json.loads(backend.to_str()), f"tokenizer {source}")
    choice: Any = settings.choose
    readers = choice.readers()
    base = None
    if readers:
        items = chain.from_iterable(reader.read() for reader in readers)
        base = Kinds.of(([item.text] for item in items if isinstance(item, Document)), tell)
    growth = Growth(entries, Kinds.of(texts(), tell), base, choice)
    first = growth.cut(growth.domain)
    now = growth.grow(choice.build(), tell)
    if not entries.new:
        raise UserError(
            f"tokenizer.adapt: no token can be added: no word that is cut into pieces occurs "
            f"{choice.occurrences} times in the training text and is worth one; lower `occurrences` or give more text"
        )
    used = _used(entries, texts)
    words = _spelt(entries, now)
    names = entries.names
    if settings.mode == "replace":
        names = replaced(entries, used, words)
    elif settings.prune is not None:
        least, characters = settings.prune.least, settings.prune.characters
        names = pruned(entries, used, words, least=least, characters=characters)
    _save(tokenizer, entries.written(names), folder)
    plan = Adaptation(
        algorithm=str(entries.model["type"]),
        mode=settings.mode,
        asked=choice.tokens,
        old_size=old.size,
        from_old=[old.ids.get(token, NEW) for token in entries.numbered(names)],
        new=_new(old, entries, names, used),
        gone=sorted(set(old.ids) - set(entries.numbered(names))),
        old_counts=_used_ids(old.backend, texts, old.size).tolist(),
        tokens_before=first.tokens(),
        tokens_after=now.tokens(),
        changed=_changed(old, entries, names, growth.domain),
        note=_note(choice.tokens, growth.size),
    )
    plan.write(folder)
    return plan


def _note(asked: int, added: int) -> str | None:
    if added >= asked:
        return None
    return f"{asked:,} tokens were asked for; the training text supports {added:,}, which were added"


def _used(entries: Entries, texts: Texts) -> Counter[str]:
    names = entries.numbered()
    counts = _used_ids(entries.backend(), texts, len(names))
    return Counter({name: int(count) for name, count in zip(names, counts, strict=True) if count})


def _used_ids(backend: Tokenizer, texts: Texts, size: int) -> NDArray[np.int64]:
    """[size] how often each id occurs in the documents themselves."""
    counts = np.zeros(size, np.int64)
    for batch in texts():
        encodings = backend.encode_batch_fast(batch, add_special_tokens=False)
        ids = np.fromiter(chain.from_iterable(one.ids for one in encodings), np.int64)
        counts += np.bincount(ids, minlength=size)
    return counts


def _spelt(entries: Entries, cut: Cut) -> list[str]:
    """The words of the text as the model sees them."""
    names = entries.numbered()
    words = ["".join(names[piece] for piece in word) for word in cut.words]
    runs = "".join("\0" if piece == GAP else names[piece] for piece in cut.han.tolist()).split("\0")
    return [*words, *dict.fromkeys(run for run in runs if run)]


def _changed(old: Old, entries: Entries, names: list[str], kinds: Kinds) -> int:
    """How many kinds of words in which no new token stands are cut otherwise than before."""
    numbered = entries.numbered(names)
    before_ids = {id: token for token, id in old.ids.items()}
    new = {*entries.new, *entries.steps}
    backend = entries.backend(names)
    changed = 0
    for start in range(0, len(kinds.texts), 4_096):
        batch = kinds.texts[start : start + 4_096]
        pairs = zip(
            old.backend.encode_batch_fast(batch, add_special_tokens=False),
            backend.encode_batch_fast(batch, add_special_tokens=False),
            strict=True,
        )
        for before, after in pairs:
            tokens = [numbered[id] for id in after.ids]
            changed += new.isdisjoint(tokens) and tokens != [before_ids[id] for id in before.ids]
    return changed


def _new(old: Old, entries: Entries, names: list[str], used: Counter[str]) -> list[NewToken]:
    idle_or_steps = set(entries.steps) | {name for name in entries.new if not used.get(name)}
    return [
        NewToken(id, token, _pieces(old, entries, token), used.get(token, 0), token in idle_or_steps)
        for id, token in enumerate(entries.numbered(names))
        if token not in old.ids
    ]


def _pieces(old: Old, entries: Entries, token: str) -> list[int]:
    """What the old tokenizer made of the text that the token spells; the unknown token where it knew nothing."""
    model = old.backend.model
    found = [piece.id for part in entries.apart(token) for piece in model.tokenize(part)]
    unknown = entries.unknown()
    return found or ([old.ids[unknown]] if unknown else [])


def _save(tokenizer: Any, spec: dict[str, Any], folder: Path) -> None:
    """The folder holds the tokenizer with another tokenizer.json, and its other files speak of the same ids."""
    from tokenizers import Tokenizer

    from acclimate.tokenizer.loading import load_tokenizer

    tokenizer.save_pretrained(str(folder))
    text = json.dumps(spec, ensure_ascii=False)
    write_text(folder / "tokenizer.json", text)
    # Older layouts beside it would speak of the old vocabulary.
    for name in ("vocab.txt", "vocab.json", "merges.txt", "added_tokens.json", "spiece.model"):
        remove(folder / name)
    ids = Tokenizer.from_str(text).get_vocab()
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text("utf-8"))
    if isinstance(config.get("added_tokens_decoder"), dict):
        config["added_tokens_decoder"] = {
            str(ids[one["content"]]): one for one in config["added_tokens_decoder"].values()
        }
        write_json(path, config)
    if load_tokenizer(folder).get_vocab() != ids:
        raise UserError(
            f"tokenizer.adapt: {type(tokenizer).__name__} does not take its vocabulary from tokenizer.json; "
            "such a tokenizer cannot be adapted"
        )
