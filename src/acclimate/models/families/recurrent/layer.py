"""One recurrent layer over a batch of sequences, by torch's own loops.

Legend: B sequences, L their length, I input size, H size of the state, G gates (1, 3 or 4).

The formulas are torch's, gates in its order:

    rnn   h ← tanh(Wx + b + Uh + c)
    lstm  i, f, g, o = σ, σ, tanh, σ of Wx + b + Uh + c;  s ← f⊙s + i⊙g;  h ← o⊙tanh(s)
    gru   r, z = σ of Wx + b + Uh + c;  n = tanh(Wx + b + r⊙(Uh + c));  h ← (1 − z)⊙n + z⊙h

With one bias vector c is 0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from acclimate.models.families.recurrent.configuration import GATES
from acclimate.models.families.recurrent.dropouts import gate_mask

Memory = dict[str, Tensor]
"""State of one layer after a token: h [B, H], of the lstm also s [B, H]."""


class RecurrentLayer(nn.Module):
    """A layer with dropout of the matrix that reads the state (weight drop), and of gates."""

    def __init__(
        self,
        cell: str,
        input_size: int,
        hidden_size: int,
        *,
        two_biases: bool = False,
        weight_dropout: float = 0.0,
        gate_dropout: float = 0.0,
        gates: tuple[str, ...] = ("g",),
    ) -> None:
        super().__init__()
        self.cell, self.hidden_size = cell, hidden_size
        self.weight_dropout, self.gate_dropout, self.gates = weight_dropout, gate_dropout, gates
        height = GATES[cell] * hidden_size
        self.weight_ih = nn.Parameter(torch.empty(height, input_size))
        self.weight_hh = nn.Parameter(torch.empty(height, hidden_size))
        self.bias_ih = nn.Parameter(torch.empty(height))
        self.bias_hh = nn.Parameter(torch.empty(height)) if two_biases else None

    def names(self) -> tuple[str, ...]:
        """Of the tensors of the memory."""
        return ("h", "s") if self.cell == "lstm" else ("h",)

    def forward(self, x: Tensor, memory: Memory | None = None) -> tuple[Tensor, Memory]:
        """x [B, L, I] → the state after each token [B, L, H], and after the last one."""
        if memory is None:
            memory = {name: x.new_zeros(len(x), self.hidden_size) for name in self.names()}
        bias = torch.zeros_like(self.bias_ih) if self.bias_hh is None else self.bias_hh
        u = self.weight_hh
        if self.training and self.weight_dropout:
            u = functional.dropout(u, self.weight_dropout)
        if self.training and self.gate_dropout:
            return self._gates_dropped(x, u, bias, memory)
        weights = [self.weight_ih, u, self.bias_ih, bias]
        h = memory["h"].unsqueeze(0).to(x.dtype)
        rest = (True, 1, 0.0, self.training, False, True)
        if self.cell == "lstm":
            state = (h, memory["s"].unsqueeze(0).to(x.dtype))
            out, last, cells = torch.lstm(x, state, weights, *rest)
            return out, {"h": last[0], "s": cells[0]}
        run = torch.gru if self.cell == "gru" else torch.rnn_tanh
        out, last = run(x, h, weights, *rest)
        return out, {"h": last[0]}

    def _gates_dropped(self, x: Tensor, u: Tensor, bias: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """The lstm, token by token; which values are hidden is drawn anew at each."""
        h, s = memory["h"], memory["s"]
        outs = []
        for given in functional.linear(x, self.weight_ih, self.bias_ih + bias).unbind(1):
            i, f, g, o = (given + functional.linear(h, u)).chunk(4, dim=1)
            values = {"i": i.sigmoid(), "f": f.sigmoid(), "g": g.tanh(), "o": o.sigmoid()}
            for gate in self.gates:
                values[gate] = gate_mask(values[gate], self.gate_dropout, gate)
            s = values["f"] * s + values["i"] * values["g"]
            h = values["o"] * s.tanh()
            outs.append(h)
        return torch.stack(outs, dim=1), {"h": h, "s": s}
