"""Recurrent encoder and decoder with attention (Bahdanau et al. 2015; Luong et al. 2015).

Legend: B rows, S places of the source, L tokens written at once, H hidden size.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from acclimate.models.decoder_state import DecoderState
from acclimate.models.families.seq2seq.attention import Additive, Product, Source, context_of
from acclimate.models.families.seq2seq.configuration import Seq2SeqConfig


class RecurrentEncoder(nn.Module):
    """Layers of lstm or gru over the source; with two directions each has half of the hidden size."""

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__()
        layer = nn.LSTM if config.cell == "lstm" else nn.GRU
        directions = 1 + config.bidirectional
        self.dropout = nn.Dropout(config.dropout)
        self.layers = layer(
            config.hidden_size,
            config.hidden_size // directions,
            config.num_hidden_layers,
            batch_first=True,
            bidirectional=config.bidirectional,
            dropout=config.dropout if config.num_hidden_layers > 1 else 0.0,
        )

    def forward(self, embedded: Tensor, real: Tensor | None) -> Tensor:
        """embedded [B, S, H] → [B, S, H]; padding stands behind the text."""
        x = self.dropout(embedded)
        if real is None:
            return self.dropout(self.layers(x)[0])  # type: ignore[no-any-return]
        lengths = real.sum(1).clamp(min=1).cpu()
        row = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        out, _ = pad_packed_sequence(self.layers(row)[0], batch_first=True, total_length=x.shape[1])
        return self.dropout(out)  # type: ignore[no-any-return]


class RecurrentDecoder(nn.Module):
    """Layers of cells, token by token, beginning with a projection of what the encoder ended with.

    bahdanau: the top state attends, then the cells read [token; context], and the output is tanh(W·[s; context;
    token]). luong: the cells read [token; output before], then the top state attends, and the output is
    tanh(W·[context; s]) (input feeding).
    """

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.lstm, self.before = config.cell == "lstm", config.attention == "bahdanau"
        self.bidirectional = config.bidirectional
        cell = nn.LSTMCell if self.lstm else nn.GRUCell
        inputs = [2 * size, *[size] * (config.num_hidden_layers - 1)]
        self.cells = nn.ModuleList(cell(one, size) for one in inputs)
        self.score: Additive | Product
        if self.before or config.score == "concat":
            self.score = Additive(size)
        else:
            self.score = Product(size, general=config.score == "general")
        self.readout = nn.Linear((3 if self.before else 2) * size, size)
        names = [f"{name}.{number}" for number in range(config.num_hidden_layers) for name in self._parts]
        self.begin = nn.ModuleDict({name.replace(".", "_"): nn.Linear(size, size) for name in names})
        self.dropout = nn.Dropout(config.dropout)

    @property
    def _parts(self) -> tuple[str, ...]:
        return ("h", "c") if self.lstm else ("h",)

    def begun(self, values: Tensor, real: Tensor | None) -> dict[str, Tensor]:
        """The states before the first token, by values [B, S, H]: h = tanh(W·e), c = W·e, e where the encoder ends."""
        last = values[:, -1]
        if real is not None:
            rows = torch.arange(len(values), device=values.device)
            last = values[rows, real.sum(1).clamp(min=1) - 1]
        if self.bidirectional:  # the backward half ends at the first token
            half = values.shape[-1] // 2
            last = torch.cat([last[:, :half], values[:, 0, half:]], dim=-1)
        found = {name.replace("_", "."): layer(last) for name, layer in self.begin.items()}
        found = {name: one.tanh() if name.startswith("h") else one for name, one in found.items()}
        return found if self.before else {**found, "fed": torch.zeros_like(last)}

    def forward(
        self, embedded: Tensor, values: Tensor, real: Tensor | None, state: DecoderState | None
    ) -> Tensor:
        """embedded [B, L, H], values [B, S, H] → outputs [B, L, H]; the state goes on where it stands."""
        source = Source(values, self.score.keys(values), None if real is None else real.bool())
        now = state.tensors if state is not None and state.length else self.begun(values, real)
        outputs = []
        for token in self.dropout(embedded).unbind(1):
            now, out = self._step(token, now, source)
            outputs.append(out)
        if state is not None:
            state.tensors, state.length = now, state.length + embedded.shape[1]
        return self.dropout(torch.stack(outputs, dim=1))  # type: ignore[no-any-return]

    def _step(
        self, token: Tensor, now: dict[str, Tensor], source: Source
    ) -> tuple[dict[str, Tensor], Tensor]:
        """token [B, H] → the states after it, the output [B, H]."""
        top = f"h.{len(self.cells) - 1}"
        context = context_of(self.score, now[top], source) if self.before else now["fed"]
        x = torch.cat([token, context], dim=-1)
        after: dict[str, Tensor] = {}
        for number, cell in enumerate(self.cells):
            given: Any = now[f"h.{number}"]
            if self.lstm:
                given = given, now[f"c.{number}"]
            found = cell(x if number == 0 else self.dropout(x), given)
            x = found[0] if self.lstm else found
            after |= {
                f"{name}.{number}": one
                for name, one in zip(self._parts, found if self.lstm else (x,), strict=True)
            }
        if self.before:
            return after, torch.tanh(self.readout(torch.cat([x, context, token], dim=-1)))
        out = torch.tanh(self.readout(torch.cat([context_of(self.score, x, source), x], dim=-1)))
        return {**after, "fed": out}, out
