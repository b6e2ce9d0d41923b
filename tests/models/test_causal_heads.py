"""What causal models of ours write: greedy generation is the most likely next token of the whole text, each time."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from family_entry import CLASSES
from torch import Tensor
from transformers import AutoModelForCausalLM

from acclimate.models.building import Labels
from acclimate.models.families.recurrent.awd_lstm import AwdLstm
from acclimate.models.families.recurrent.family import Gru, Lstm, Rnn
from acclimate.models.families.transformer.family import Transformer
from acclimate.models.families.transformer_xl.family import TlmXL, TransformerXL
from acclimate.models.family import Vocabulary
from acclimate.recipe.settings import Part

WORDS = Vocabulary(60, 0)
REMEMBERING = (Rnn, Lstm, Gru, AwdLstm, TransformerXL, TlmXL)
SMALL = {
    Rnn: {"num_hidden_layers": 2, "embedding_size": 16, "hidden_size": 16},
    AwdLstm: {"num_hidden_layers": 2, "embedding_size": 16, "hidden_size": 24, "last_size": 16},
    TransformerXL: {
        "num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24,
        "memory_length": 4,
    },
}  # fmt: skip
"""One of each kind; a memory that is shorter than what is written."""
DECODERS: tuple[dict[str, Any], ...] = (
    {},
    {"position_encoding": "rope", "norm_place": "pre", "normalisation": "rms_norm"},
    {"position_encoding": "alibi"},
    {"window": 3},
    {"block": 4},
)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def of(family: Any, kind: Any = "clm", **parts: Any) -> Any:
    """A small model, drawn so widely that it does not say the same all the time."""
    if family is Transformer:
        parts = {"layers": 2, "hidden": 16, "heads": 2, "inner": 24, "positions": 40, **parts}
    else:
        values = next(
            SMALL[one] for one in (AwdLstm, TransformerXL, Rnn) if issubclass(family, one) or one is Rnn
        )
        sizes = {"sizes": {"one": values}, "default_size": "one", "__module__": "test"}
        family = type("Small", (family,), sizes)
    initialise = Part("initialiser").parse({"truncated_normal": 1.0})
    labels = Labels(tuple(CLASSES)) if kind == "classification" else None
    return (
        family(initialise=initialise, **parts)
        .build(vocabulary=WORDS, seed=3, kind=kind, labels=labels)
        .eval()
    )


def written_step_by_step(model: Any, text: Tensor, number: int, **given: Any) -> Tensor:
    """[B, L + number] by plain calls over all that is there."""
    for _ in range(number):
        text = torch.cat([text, model(text, **given).logits[:, -1:].argmax(-1)], dim=1)
    return text


def require_greedy(model: Any, tmp_path: Any) -> None:
    """Also of the model written and read by the Auto class, and of rows with padding in front."""
    model.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    text = torch.randint(1, 60, (3, 7), generator=torch.Generator().manual_seed(1))
    expected = written_step_by_step(model, text, 9)
    assert len(expected[:, 7:].unique()) > 1
    logits = model(expected).logits[:, 6:-1]
    how = {"max_new_tokens": 9, "do_sample": False}
    told = {"output_logits": True, "return_dict_in_generate": True}
    every = torch.ones_like(text)
    for use in (True, False):
        out = again.generate(text, attention_mask=every, use_cache=use, **how, **told)
        assert torch.equal(out.sequences, expected)
        torch.testing.assert_close(torch.stack(out.logits, dim=1), logits, rtol=1e-4, atol=1e-4)
    mask = every.clone()
    mask[1, :3] = mask[2, :5] = 0
    padded = again.generate(text * mask, attention_mask=mask, **how, **told)
    for row, hidden in ((0, 0), (1, 3), (2, 5)):
        alone = written_step_by_step(model, text[row : row + 1, hidden:], 9)
        assert torch.equal(padded.sequences[row, hidden:], alone[0])
        wanted = model(alone).logits[0, 6 - hidden : -1]
        found = torch.stack([one[row] for one in padded.logits])
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    beams = [
        again.generate(text, attention_mask=every, num_beams=3, use_cache=use, **how) for use in (True, False)
    ]
    assert torch.equal(*beams)


@pytest.mark.parametrize("family", REMEMBERING)
def test_what_is_remembered_stands_for_the_text(family: Any, tmp_path: Any) -> None:
    require_greedy(of(family), tmp_path)


@pytest.mark.parametrize("family", REMEMBERING)
def test_only_new_tokens_are_read(family: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = of(family)
    read: list[int] = []
    monkeypatch.setattr(model.model, "forward", noting(model.model.forward, read))
    model.generate(torch.randint(1, 60, (2, 7)), max_new_tokens=4, do_sample=False)
    assert read == [7, 1, 1, 1]


def noting(forward: Any, read: list[int]) -> Any:
    def run(input_ids: Tensor, *given: Any, **others: Any) -> Any:
        read.append(input_ids.shape[1])
        return forward(input_ids, *given, **others)

    return run


@pytest.mark.parametrize("parts", DECODERS)
def test_decoders_made_of_parts_write(parts: dict[str, Any], tmp_path: Any) -> None:
    require_greedy(of(Transformer, direction="left_to_right", **parts), tmp_path)


def test_what_a_prefix_decoder_is_given_is_the_prefix() -> None:
    model = of(Transformer, "prefix", direction="prefix")
    text = torch.randint(1, 60, (2, 6))
    wanted = text
    for _ in range(5):
        segments = (torch.arange(wanted.shape[1]) >= 6).long().expand(wanted.shape)
        wanted = torch.cat([wanted, model(wanted, token_type_ids=segments).logits[:, -1:].argmax(-1)], dim=1)
    how = {"max_new_tokens": 5, "do_sample": False}
    assert torch.equal(model.generate(text, **how), wanted)
    padded = torch.nn.functional.pad(text, (3, 0))
    mask = torch.nn.functional.pad(torch.ones_like(text), (3, 0))
    assert torch.equal(model.generate(padded, attention_mask=mask, **how)[:, 3:], wanted)
    other = model.generate(text, token_type_ids=(torch.arange(6) >= 2).long().expand(2, 6), **how)
    assert not torch.equal(other, wanted)


@pytest.mark.parametrize("family", [Lstm, TransformerXL])
def test_the_last_token_is_classified_wherever_padding_stands(family: Any) -> None:
    model = of(family, "classification")
    text = torch.randint(1, 60, (2, 6))
    expected = model(text).logits
    for before, after in ((0, 3), (2, 0)):
        padded, mask = (
            torch.nn.functional.pad(one, (before, after)) for one in (text, torch.ones_like(text))
        )
        torch.testing.assert_close(model(padded, mask).logits, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", REMEMBERING)
def test_tables_of_tokens_are_found_and_exchanged_by_the_library(family: Any) -> None:
    model = of(family)
    table, head = model.get_input_embeddings(), model.get_output_embeddings()
    assert table is model.model.embed and head is model.lm_head
    model.resize_token_embeddings(64)
    assert len(model.model.embed.weight) == len(model.lm_head.weight) == model.config.vocab_size == 64
    assert (model.model.embed.weight is model.lm_head.weight) == model.config.tie_word_embeddings
