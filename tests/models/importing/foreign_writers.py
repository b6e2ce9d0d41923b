"""Writers of foreign checkpoints: from a Transformers model's weights to the file another program would write."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import google_crc32c
import torch

from acclimate.tokenizer.sentencepiece.wire import content, integer

TYPES = {
    torch.float32: 1,
    torch.float64: 2,
    torch.int32: 3,
    torch.int64: 9,
    torch.bfloat16: 14,
    torch.float16: 19,
}
VOCABULARY = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "今",
    "天",
    "the",
    "model",
    "##s",
    "is",
    "##好",
    "a",
]


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def masked(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def block(entries: list[tuple[bytes, bytes]], interval: int = 16) -> bytes:
    """A block of a LevelDB table: keys share what they begin with, but for every sixteenth."""
    out, restarts, before = bytearray(), [], b""
    for number, (key, value) in enumerate(entries):
        shared = 0
        if number % interval == 0:
            restarts.append(len(out))
        else:
            while shared < min(len(key), len(before)) and key[shared] == before[shared]:
                shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    restarts = restarts or [0]
    return bytes(out) + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


def table(entries: list[tuple[bytes, bytes]], *, per_block: int = 40, compress: bool = False) -> bytes:
    """A LevelDB table."""
    out, index = bytearray(), []

    def put(body: bytes) -> bytes:
        kind = 0
        if compress:
            import pyarrow as pa

            body, kind = pa.compress(body, codec="snappy", asbytes=True), 1
        handle = varint(len(out)) + varint(len(body))
        out.extend(body + bytes([kind]) + struct.pack("<I", masked(body + bytes([kind]))))
        return handle

    for at in range(0, len(entries), per_block):
        some = entries[at : at + per_block]
        index.append((some[-1][0], put(block(some))))
    meta = put(block([]))
    footer = meta + put(block(index, 1))
    return bytes(out) + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


def write_bundle(prefix: Path, tensors: Mapping[str, torch.Tensor], **options: Any) -> Path:
    """`prefix.index` and `prefix.data-00000-of-00001`, as TensorFlow's Saver writes them."""
    data, entries = bytearray(), [(b"", integer(1, 1) + content(3, integer(1, 1)))]
    for name in sorted(tensors, key=str.encode):
        one = tensors[name].contiguous()
        raw = one.reshape(-1).view(torch.uint8).numpy().tobytes() if one.numel() else b""
        shape = b"".join(content(2, integer(1, size)) for size in one.shape)
        entry = integer(1, TYPES[one.dtype]) + content(2, shape)
        if data:
            entry += integer(4, len(data))
        entry += integer(5, len(raw)) + varint(6 << 3 | 5) + struct.pack("<I", masked(raw))
        entries.append((name.encode(), entry))
        data += raw
    prefix.parent.mkdir(parents=True, exist_ok=True)
    prefix.with_name(prefix.name + ".index").write_bytes(table(entries, **options))
    prefix.with_name(prefix.name + ".data-00000-of-00001").write_bytes(bytes(data))
    return prefix


def renamed(
    weights: Mapping[str, torch.Tensor], rules: list[tuple[str, str]], *, drop: str = "(?!)"
) -> dict[str, torch.Tensor]:
    """Each rule in turn on every name; names that `drop` fits are left out. A name that no rule touches is an error."""
    found = {}
    for name, tensor in weights.items():
        if re.fullmatch(drop, name):
            continue
        new = name
        for old, now in rules:
            new = re.sub(old, now, new)
        assert new != name, name
        assert new not in found, new
        found[new] = tensor
    return found


def in_google(name: str) -> str:
    """Transformers' names of BERT and ELECTRA as Google's variables."""
    for old, now in (
        (r"^cls\.predictions\.bias$", "cls/predictions/output_bias"),
        (r"^cls\.seq_relationship\.weight$", "cls/seq_relationship/output_weights"),
        (r"^cls\.seq_relationship\.bias$", "cls/seq_relationship/output_bias"),
        (r"^generator_lm_head\.bias$", "generator_predictions/output_bias"),
        (r"dense_prediction", "dense_1"),
        (r"_embeddings\.weight$", "_embeddings"),
        (r"(LayerNorm)\.weight$", r"\1.gamma"),
        (r"(LayerNorm)\.bias$", r"\1.beta"),
        (r"(?<!seq_relationship)\.weight$", ".kernel"),
        (r"encoder\.layer\.(\d+)", r"encoder/layer_\1"),
        (r"\.", "/"),
    ):
        name = re.sub(old, now, name)
    return name


def google_bert(model: Any) -> dict[str, torch.Tensor]:
    """Its variables, the optimizer's among them."""
    found = {}
    for name, tensor in own_weights(model).items():
        new = in_google(name)
        found[new] = tensor.t().contiguous() if new.endswith("/kernel") else tensor
        found[f"{new}/adam_m"] = torch.zeros(2)
        found[f"{new}/adam_v"] = torch.zeros(2)
    found["global_step"] = torch.tensor(1_000_000)
    return found


def close(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Equal but for the order of sums, which hangs on where in memory a weight begins."""
    return bool(torch.allclose(first, second, rtol=1e-5, atol=1e-6))


def own_weights(model: Any) -> dict[str, torch.Tensor]:
    """Tied ones once."""
    return {name: one.detach() for name, one in model.named_parameters()}


def write_vocabulary(folder: Path, rows: int, tokens: list[str] = VOCABULARY) -> None:
    """vocab.txt with as many rows as the model has."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [*tokens, *(f"[unused{n}]" for n in range(rows - len(tokens)))]
    (folder / "vocab.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
