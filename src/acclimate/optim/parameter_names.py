"""What the name of a module or a parameter tells of its place."""

from __future__ import annotations

import re

_ENDS_BRANCH = re.compile(
    r"(^|\.)(output\.dense|attention\.dense|ffn_output|c_proj|out_proj|o_proj|down_proj|out_lin|lin2|fc2|layer_2"
    r"|o|wo|Wo)$"
)
_BELOW = re.compile(r"emb|(^|\.)(wte|wpe|shared)\.")
_INPUTS_FIRST = re.compile(r"(^|\.)((c_attn|c_fc|c_proj|q_attn)(\.weight)?|rel_attn\.[qkvr])$")
_NUMBER = re.compile(r"\.\d+\.")


def ends_branch(name: str) -> bool:
    """Whether the module (or the weight that is none) of a layer is the last of attention or of the feed-forward: its
    output is added to what goes through."""
    return _ENDS_BRANCH.search(name) is not None


def writes_to_stream(name: str) -> bool:
    """Whether it is so, and in one of the model's repeated blocks, of which names are told whole here."""
    return _NUMBER.search(name) is not None and ends_branch(name)


def stream(name: str) -> str:
    """What holds the blocks that the named one is in: the same for all that write to one stream."""
    found = _NUMBER.search(name)
    return name[: found.start()].rpartition(".")[0] if found else ""


def is_below(name: str) -> bool:
    """Whether a parameter outside the blocks is an embedding, or goes with one."""
    return _BELOW.search(name) is not None


def inputs_first(name: str) -> bool:
    """Whether a matrix is kept as [inputs, outputs]: that of GPT-2's Conv1D, and XLNet's but for the last."""
    return _INPUTS_FIRST.search(name) is not None


def incoming(name: str, dimensions: int) -> tuple[int, ...]:
    """Dimensions of a weight that go over what comes into one output unit; of a vector its only one."""
    return (0,) if dimensions < 2 or inputs_first(name) else tuple(range(1, dimensions))
