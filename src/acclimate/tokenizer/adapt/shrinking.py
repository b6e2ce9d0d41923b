"""Which entries may go: those that the domain's text does not use."""

from __future__ import annotations

import re
from collections import Counter

from acclimate.errors import UserError
from acclimate.tokenizer.adapt.bpe_entries import BpeEntries
from acclimate.tokenizer.adapt.entries import Entries
from acclimate.tokenizer.adapt.unigram_entries import UnigramEntries

_SPARE = re.compile(r"\[unused\d+\]|<unused\d+>|<extra_id_\d+>")


def replaceable(entries: Entries, used: Counter[str], words: list[str]) -> list[str]:
    """Old entries that the text never uses, those that are missed least first.

    First the spare ones that vocabularies hold for this (`[unused7]`), then the least likely of Unigram; of the others
    the last ones, for trainers put frequent entries first. Single characters stay: other text may need them.
    """
    free = [name for name in _unused(entries, used, words, least=1) if not entries.single(name)]
    places = {name: place for place, name in enumerate(entries.names)}

    def worth(name: str) -> tuple[float, ...]:
        score = entries.score(name) if isinstance(entries, UnigramEntries) else 0.0
        return (0.0 if _SPARE.fullmatch(name) else 1.0, score, -places[name])

    return sorted(free, key=worth)


def replaced(entries: Entries, used: Counter[str], words: list[str]) -> list[str]:
    """The entries after each new one took the place of an old one. Raises UserError when too few can go."""
    incoming = [*entries.steps, *entries.new]
    free = replaceable(entries, used, words)
    if len(incoming) > len(free):
        raise UserError(
            f"tokenizer.adapt: {len(incoming):,} entries are to be replaced, and only {len(free):,} old ones are not "
            f"used in the training text; ask for at most {len(free):,} tokens, or take `mode: extend`"
        )
    places = {name: place for place, name in enumerate(entries.names)}
    goal = dict(zip(sorted(free[: len(incoming)], key=places.__getitem__), incoming, strict=True))
    arrived = set(incoming)
    return [goal.get(name, name) for name in entries.names if name not in arrived]


def pruned(
    entries: Entries, used: Counter[str], words: list[str], *, least: int, characters: bool
) -> list[str]:
    """The entries without those that occur fewer than `least` times; `characters`: single ones may go too."""
    unused = _unused(entries, used, words, least=least)
    going = {name for name in unused if characters or not entries.single(name)}
    return [name for name in entries.names if name not in going]


def _unused(entries: Entries, used: Counter[str], words: list[str], *, least: int) -> list[str]:
    """Old entries that occur fewer than `least` times and that nothing else is made of.

    `words`: the text's, as the model sees them; BPE passes through entries that it does not give.
    """
    kept = entries.protected() | set(entries.new) | set(entries.steps)
    kept |= {name for name, count in used.items() if count >= least}
    if isinstance(entries, BpeEntries):
        seen: set[str] = set()
        for word in (*kept, *(words if least == 1 else ())):
            entries.merged(entries.symbols(word), seen)
        kept |= seen
    return [name for name in entries.names if name not in kept]
