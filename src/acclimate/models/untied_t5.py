"""T5 with a head of its own, as T5 1.1 has it. Its folders are ordinary T5 ones, of the library's class."""

from __future__ import annotations

from typing import ClassVar

import transformers


class T5ForConditionalGeneration(transformers.T5ForConditionalGeneration):  # type: ignore[misc]
    """The library's model, but that the head is not the table of tokens."""

    _tied_weights_keys: ClassVar[dict[str, str]] = {
        name: source
        for name, source in transformers.T5ForConditionalGeneration._tied_weights_keys.items()
        if name != "lm_head.weight"
    }
