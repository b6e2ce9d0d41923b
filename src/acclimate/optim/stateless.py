"""Gradient transforms that keep nothing between steps."""

from __future__ import annotations

from typing import Any


class Stateless:
    """An empty state, and no other is taken."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state:
            raise ValueError(f"{type(self).__name__} keeps no state, found {sorted(state)}")
