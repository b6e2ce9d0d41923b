"""The two ways in which a user's input can be wrong. Anything else that is raised is our own bug."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can mend: a file, a value, a full disk. One message without traceback, exit code 1."""


class MissingExtra(UserError):
    """An optional package is needed and not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; it comes with: pip install 'acclimate[{extra}]'")
