"""GPT-3's shapes (Brown et al. 2020), as models of GPT-2's kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from acclimate.models.families.gpt2 import Gpt2, size


class Gpt3(Gpt2):
    """GPT-2's architecture in the sizes of GPT-3, for sequences twice as long.

    Every layer attends to all that stands before; the published models did so in every other layer only.

    Source: Brown et al. 2020, "Language Models are Few-Shot Learners", table 2.1; where its heads do not divide the
    width (1.3B: 24 heads of 128 make 3072, not 2048), 16 heads are taken.
    """

    registered_as: ClassVar[tuple[str, str]] = ("family", "gpt3")
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "125m": size(12, 768, 12),
        "350m": size(24, 1024, 16),
        "760m": size(24, 1536, 16),
        "1.3b": size(24, 2048, 16),
        "2.7b": size(32, 2560, 32),
        "6.7b": size(32, 4096, 32),
        "13b": size(40, 5120, 40),
        "175b": size(96, 12288, 96),
    }
    default_size: ClassVar[str] = "125m"
    preset: ClassVar[Mapping[str, Any]] = {"n_positions": 2048}

    size: Literal["125m", "350m", "760m", "1.3b", "2.7b", "6.7b", "13b", "175b"] | None = None  # type: ignore[assignment]
    """Layers/hidden/heads: 125m 12/768/12, 350m 24/1024/16, 760m 24/1536/16, 1.3b 24/2048/16, 2.7b 32/2560/32,
    6.7b 32/4096/32, 13b 40/5120/40, 175b 96/12288/96. 125m when nothing is given."""
