"""What the conformance suite gives to models that know where on the page a token stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from family_entry import TEXTS, corpus, random_batch

from acclimate.batching.form_store import FormWriter
from acclimate.batching.packed import PackedBatch
from acclimate.corpus.forms import Form, Forms
from acclimate.models.family import Family
from acclimate.models.kinds import Kind
from acclimate.objectives.protocol import ObjectiveSettings, Texts


class _NoReader:
    name = "made up"


def boxed(family: type[Family], kind: Kind, tokenizer: Any, lengths: Sequence[int]) -> PackedBatch:
    batch = random_batch(family, kind, tokenizer, lengths)
    corners = torch.randint(501, (batch.num_tokens, 4), generator=torch.Generator().manual_seed(0))
    corners[:, 2:] += corners[:, :2]
    return replace(batch, by_token={"boxes": corners})


def forms(folder: Path, objective: ObjectiveSettings, tokenizer: Any) -> Texts:
    """TEXTS as forms, their words one under the other; for `mlm` as texts."""
    if objective.data is None:
        return corpus(folder, objective, tokenizer)
    writer = FormWriter(Forms(_NoReader(), "thousandths"), tokenizer, 24)  # type: ignore[arg-type]
    for text in TEXTS:
        words = text.split()
        boxes = np.array([[10, 40 * place, 200, 40 * place + 30] for place in range(len(words))])
        writer.add(Form("made up", text, words, boxes, [(-1, "other")] * len(words)))
    writer.write(folder)
    return Texts(folder, folder)
