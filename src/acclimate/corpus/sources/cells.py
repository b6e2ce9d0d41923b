"""Cells and column names that are strings like all others, but remember what they were made of."""

from __future__ import annotations


class NotText(str):
    """A cell as JSON writes it which is nothing that a person would call text: a list, an object, no number."""

    __slots__ = ()

    @property
    def kind(self) -> str:
        return {"[": "a list", "{": "an object"}.get(self[:1], str(self))


class Renamed(str):
    """The number that a column has for its name, since its own is empty or an earlier column has it."""

    own: str

    def __new__(cls, number: str, own: str = "") -> Renamed:
        renamed = super().__new__(cls, number)
        renamed.own = own
        return renamed
