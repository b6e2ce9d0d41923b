"""The native encoder against plain Transformers, and what a text's answer must not depend on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import BertConfig, BertForSequenceClassification, BertModel

from acclimate.kernels import build
from acclimate.models import native_encoder
from acclimate.models.native_encoder import NativeEncoder, NativeHead, precisions, takes

torch.set_num_threads(1)
pytestmark = pytest.mark.skipif(not precisions(), reason="no C++ compiler, or ACCLIMATE_FAST=0")

LENGTHS = [1, 2, 5, 22, 16, 17, 63, 64, 65, 3, 120, 512]
SIZES: dict[str, dict[str, int]] = {
    "heads of 64": {"hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 512},
    "heads of 32": {"hidden_size": 96, "num_attention_heads": 3, "intermediate_size": 200},
    "no multiple of a vector": {"hidden_size": 100, "num_attention_heads": 5, "intermediate_size": 70},
    "odd heads": {"hidden_size": 30, "num_attention_heads": 2, "intermediate_size": 77},
    "smaller than a vector": {"hidden_size": 12, "num_attention_heads": 3, "intermediate_size": 5},
}
TOLERANCE = {
    # Of hidden values with variance 1. fp32: another order of sums. bf16: 2⁻⁹ a factor, averaged over a sum, a few
    # roundings a layer. int8: 1/255 of a row's range and 1/127 of a weight row's.
    "fp32": (1e-5, 1e-6),
    "bf16": (0.1, 1e-2),
    "int8": (0.5, 5e-2),
}


@dataclass(frozen=True)
class Row:
    """A packed row of random texts."""

    tokens: Tensor
    positions: Tensor
    segments: Tensor
    starts: Tensor

    @classmethod
    def of(cls, lengths: list[int], vocabulary: int = 99) -> Row:
        generator = torch.Generator().manual_seed(3)
        total = sum(lengths)
        return cls(
            torch.randint(0, vocabulary, (total,), generator=generator),
            torch.cat([torch.arange(length) for length in lengths]),
            torch.randint(0, 2, (total,), generator=generator),
            torch.tensor([0, *lengths]).cumsum(0),
        )

    def part(self, number: int) -> Row:
        place = slice(int(self.starts[number]), int(self.starts[number + 1]))
        length = place.stop - place.start
        return Row(self.tokens[place], self.positions[place], self.segments[place], torch.tensor([0, length]))

    def call(self, encoder: NativeEncoder, wanted: Tensor | None = None, threads: int = 1) -> Tensor:
        return encoder(self.tokens, self.positions, self.segments, self.starts, wanted, threads=threads)


def make(**sizes: int) -> BertModel:
    """Weights so large that attention is not flat, and norms and biases that do something."""
    config = BertConfig(vocab_size=99, num_hidden_layers=3, **sizes)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(5)
        model = BertModel(config).eval()
        for name, parameter in model.named_parameters():
            if name.endswith("bias") or "LayerNorm" in name:
                parameter.add_(torch.randn_like(parameter) * 0.2)
            elif "layer." in name:
                parameter.normal_(std=1.5 * parameter.shape[1] ** -0.5)
    return model


@torch.no_grad()
def plain(model: BertModel, row: Row) -> Tensor:
    parts = [row.part(number) for number in range(len(row.starts) - 1)]
    outputs = [model(part.tokens[None], token_type_ids=part.segments[None]) for part in parts]
    return torch.cat([out.last_hidden_state[0] for out in outputs])


@pytest.fixture(scope="module")
def model() -> BertModel:
    return make(**SIZES["heads of 64"])


@pytest.fixture(scope="module", params=precisions())
def encoder(request: pytest.FixtureRequest, model: BertModel) -> NativeEncoder:
    return NativeEncoder(model, request.param)


@pytest.mark.parametrize("precision", precisions())
@pytest.mark.parametrize("size", SIZES)
def test_equal_to_plain_transformers(size: str, precision: Any) -> None:
    model, row = make(**SIZES[size]), Row.of(LENGTHS)
    difference = row.call(NativeEncoder(model, precision)) - plain(model, row)
    largest, typical = TOLERANCE[precision]
    assert difference.abs().max() < largest
    assert difference.square().mean().sqrt() < typical


def test_the_tolerances_tell_the_arithmetics_apart(model: BertModel) -> None:
    row = Row.of(LENGTHS)
    expected = plain(model, row)
    errors = [float((row.call(NativeEncoder(model, one)) - expected).std()) for one in precisions()]
    assert errors == sorted(errors)
    assert errors[0] < 1e-6
    assert all(error > 1e-4 for error in errors[1:])


def test_a_text_does_not_depend_on_its_neighbours_or_on_the_threads(encoder: NativeEncoder) -> None:
    row = Row.of(LENGTHS)
    together = row.call(encoder)
    alone = [row.part(number).call(encoder) for number in range(len(LENGTHS))]
    assert torch.equal(together, torch.cat(alone))
    for threads in (2, 3, 8):
        assert torch.equal(together, row.call(encoder, threads=threads))
        assert torch.equal(alone[-1], row.part(len(LENGTHS) - 1).call(encoder, threads=threads))


def test_many_short_texts_are_shared_out_whole(encoder: NativeEncoder) -> None:
    row = Row.of([1 + number * 7 % 40 for number in range(60)])
    together = row.call(encoder)
    assert torch.equal(together, torch.cat([row.part(number).call(encoder) for number in range(60)]))
    assert torch.equal(together, row.call(encoder, threads=2))


@pytest.mark.parametrize("threads", [1, 2])
def test_wanted_rows_are_rows_of_the_whole(encoder: NativeEncoder, threads: int) -> None:
    row = Row.of(LENGTHS)
    whole = row.call(encoder)
    first = row.starts[:-1]
    for wanted in (first, first[2:5], torch.tensor([0, 0, 7, 300, 889]), torch.arange(890)):
        assert torch.equal(row.call(encoder, wanted, threads=threads), whole[wanted])
    assert row.call(encoder, torch.tensor([], dtype=torch.int64), threads=threads).shape == (0, 128)


def test_calls_from_several_threads_at_once(encoder: NativeEncoder) -> None:
    rows = [Row.of(LENGTHS[number:]) for number in range(6)]
    expected = [row.call(encoder) for row in rows]
    with ThreadPoolExecutor(6) as pool:
        for _ in range(3):
            found = list(pool.map(lambda row: row.call(encoder, threads=2), rows))
            assert all(torch.equal(one, other) for one, other in zip(expected, found, strict=True))


def test_weights_are_those_of_the_time_it_was_made() -> None:
    model, row = make(**SIZES["odd heads"]), Row.of([9, 30])
    encoder = NativeEncoder(model, "fp32")
    before = row.call(encoder)
    with torch.no_grad():
        model.encoder.layer[1].output.dense.weight.zero_()
    assert torch.equal(before, row.call(encoder))
    assert (before - plain(model, row)).abs().max() > 0.01


def _replaced(row: Row, name: str, place: int, value: int) -> Row:
    changed = getattr(row, name).clone()
    changed[place] = value
    return Row(**{**vars(row), name: changed})


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("tokens", 3, 99),
        ("tokens", 0, -1),
        ("positions", 5, 512),
        ("segments", 5, 2),
        ("segments", 5, -(2**62)),
        ("starts", 0, 1),
        ("starts", -1, 29),
        ("starts", -1, 31),
        ("starts", 1, 0),
        ("starts", 1, 30),
        ("starts", 1, 31),
    ],
)
def test_what_points_outside_is_refused(encoder: NativeEncoder, name: str, place: int, value: int) -> None:
    row = Row.of([10, 20])
    row.call(encoder)
    with pytest.raises(ValueError, match="points outside"):
        _replaced(row, name, place, value).call(encoder)


@pytest.mark.parametrize("wanted", [[5, 3], [0, 30], [-1, 3]])
def test_wanted_rows_outside_or_out_of_order_are_refused(encoder: NativeEncoder, wanted: list[int]) -> None:
    with pytest.raises(ValueError, match="points outside"):
        Row.of([10, 20]).call(encoder, torch.tensor(wanted))


def test_indices_of_another_kind_are_refused(encoder: NativeEncoder) -> None:
    row = Row.of([10, 20])
    with pytest.raises(ValueError, match="int64"):
        Row(row.tokens.int(), row.positions, row.segments, row.starts).call(encoder)
    with pytest.raises(ValueError, match="of one length"):
        Row(row.tokens[1:], row.positions, row.segments, row.starts).call(encoder)


def test_strided_indices_are_read_as_they_are_meant(encoder: NativeEncoder) -> None:
    row = Row.of([10, 20])
    doubled = Row(*(x.repeat_interleave(2)[::2] for x in vars(row).values()))
    assert not doubled.tokens.is_contiguous()
    assert torch.equal(row.call(encoder), doubled.call(encoder))


def test_means_are_those_of_each_text(encoder: NativeEncoder) -> None:
    row = Row.of(LENGTHS)
    hidden = row.call(encoder)
    expected = torch.stack([part.mean(0) for part in hidden.split(LENGTHS)])
    torch.testing.assert_close(encoder.means(hidden, row.starts), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("inputs", "outputs"), [(128, 2), (30, 77), (1, 1)])
def test_a_head_is_a_linear_layer(inputs: int, outputs: int) -> None:
    layer, x = torch.nn.Linear(inputs, outputs), torch.randn(13, inputs) * 3
    with torch.no_grad():
        expected = layer(x)
    torch.testing.assert_close(NativeHead(layer)(x), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(NativeHead(layer, tanh=True)(x), expected.tanh(), rtol=1e-5, atol=2e-6)


def test_what_is_not_built_here_is_not_taken(model: BertModel) -> None:
    assert takes(model)
    assert takes(BertForSequenceClassification(BertConfig(vocab_size=9, hidden_size=12, num_hidden_layers=1)))
    for other in (
        BertModel(BertConfig(vocab_size=9, hidden_size=12, num_hidden_layers=1, hidden_act="relu")),
        BertModel(BertConfig(vocab_size=9, hidden_size=12, num_hidden_layers=1, is_decoder=True)),
        BertModel(BertConfig(vocab_size=9, hidden_size=12, num_hidden_layers=1)).bfloat16(),
    ):
        assert not takes(other)
        with pytest.raises(ValueError, match="no native encoder"):
            NativeEncoder(other, "fp32")


@pytest.fixture
def built_for(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The library built with other compiler flags, or not at all."""

    def forget() -> None:
        build.library.cache_clear()
        native_encoder._native.cache_clear()

    def change(march: str) -> None:
        flags = tuple(march if flag.startswith("-march") else flag for flag in build.FLAGS)
        monkeypatch.setattr(build, "FLAGS", flags)
        forget()

    yield change
    monkeypatch.undo()
    forget()


@pytest.mark.parametrize("march", ["-march=x86-64", "-march=haswell"])
def test_processors_without_wide_vectors_have_fp32(built_for: Any, model: BertModel, march: str) -> None:
    import platform

    if platform.machine() != "x86_64" or not torch.cpu._is_avx2_supported():
        pytest.skip("flags for another processor")
    built_for(march)
    assert precisions() == ("fp32",)
    row = Row.of(LENGTHS)
    encoder = NativeEncoder(model, "fp32")
    torch.testing.assert_close(row.call(encoder, threads=2), plain(model, row), rtol=1e-5, atol=1e-5)
