"""TensorFlow's checkpoints are read bit for bit; every kind of damage is one message."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from foreign_writers import table, write_bundle

from acclimate.errors import UserError
from acclimate.models.importing.level_table import entries, masked_crc
from acclimate.models.importing.tensor_bundle import TensorBundle


def tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    found = {
        f"bert/encoder/layer_{n}/output/dense/kernel": torch.randn(3, 4, generator=generator)
        for n in range(90)
    }
    return found | {
        "half": torch.randn(5, 2, generator=generator).half(),
        "brain": torch.randn(3, generator=generator).bfloat16(),
        "double": torch.randn(2, 2, 2, generator=generator).double(),
        "global_step": torch.tensor(7),
        "empty": torch.empty(0, 4),
        "汉": torch.ones(1),
    }


@pytest.mark.parametrize("compress", [False, True])
def test_every_type_and_shape_comes_back(tmp_path: Path, compress: bool) -> None:
    written = tensors()
    bundle = TensorBundle(write_bundle(tmp_path / "model.ckpt-7", written, compress=compress))
    assert set(bundle) == set(written) and len(bundle) == len(written)
    for name, tensor in written.items():
        assert bundle[name].dtype == tensor.dtype and torch.equal(bundle[name], tensor), name


def test_checksums_are_those_of_the_published_vectors() -> None:
    # RFC 3720, B.4: 32 bytes of zeros have the CRC-32C 0x8a9136aa.
    crc = 0x8A9136AA
    assert masked_crc(bytes(32)) == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def test_damage_is_told(tmp_path: Path) -> None:
    prefix = write_bundle(tmp_path / "m", {"a": torch.ones(4), "b": torch.ones(4)})
    data, index = tmp_path / "m.data-00000-of-00001", tmp_path / "m.index"
    whole, table_bytes = data.read_bytes(), index.read_bytes()
    data.write_bytes(whole[:-1] + b"\x01")
    bundle = TensorBundle(prefix)
    assert torch.equal(bundle["a"], torch.ones(4))
    with pytest.raises(UserError, match="b is damaged: its checksum differs"):
        bundle["b"]
    data.write_bytes(whole[:-1])
    with pytest.raises(UserError, match="the file ends before b does"):
        TensorBundle(prefix)["b"]
    data.unlink()
    with pytest.raises(UserError, match="cannot be read"):
        TensorBundle(prefix)["a"]
    whole_index = TensorBundle(prefix)._entries
    for place in range(len(table_bytes)):
        broken = bytearray(table_bytes)
        broken[place] ^= 0xFF
        index.write_bytes(bytes(broken))
        try:
            found = dict(TensorBundle(prefix)._entries)
        except UserError as error:
            assert "is no index of a TensorFlow checkpoint" in str(error)
        else:  # padding of the footer, or the list of metadata, which is not read
            assert found == whole_index
    for size in (0, 10, 47, len(table_bytes) - 1):
        index.write_bytes(table_bytes[:size])
        with pytest.raises(UserError, match="is no index"):
            TensorBundle(prefix)


def test_shapes_that_lie_are_told(tmp_path: Path) -> None:
    from acclimate.tokenizer.sentencepiece.wire import content, integer

    header = (b"", integer(1, 1))
    huge = content(2, content(2, integer(1, 1 << 61)))
    index = tmp_path / "m.index"
    index.write_bytes(table([header, (b"a", integer(1, 1) + huge + integer(5, 16))]))
    with pytest.raises(UserError, match="16 bytes, which do not fit its shape"):
        TensorBundle(tmp_path / "m")["a"]
    index.write_bytes(table([header, (b"a", integer(1, 1) + integer(4, 1 << 63) + integer(5, 16))]))
    with pytest.raises(UserError, match="out of range"):
        TensorBundle(tmp_path / "m")


def test_object_checkpoints_of_tensorflow_2_are_named(tmp_path: Path) -> None:
    prefix = write_bundle(tmp_path / "m", {"_CHECKPOINTABLE_OBJECT_GRAPH": torch.ones(1)})
    with pytest.raises(UserError, match="TensorFlow 2 objects"):
        TensorBundle(prefix)


def test_a_table_gives_its_keys_in_order() -> None:
    pairs = [(f"key{n:04}".encode(), bytes([n % 256]) * n) for n in range(300)]
    assert list(entries(table(pairs))) == pairs
