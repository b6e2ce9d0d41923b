"""The two ways in which a user's input can be wrong. Anything else that is raised is our own bug."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can mend: a file, a value, a full disk. One message without traceback, exit code 1."""
