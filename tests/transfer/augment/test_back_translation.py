from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from acclimate.corpus.augment.augmentation import Copy
from acclimate.corpus.augment.edits import Labelled, Span
from acclimate.errors import UserError
from acclimate.transfer.augment.back_translation import Translate

TEXTS = ["the cat sleeps near the house", "a dog runs over the green hill", "今天北京的天气很好"] * 30


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random translator: a tiny BART."""
    from transformers import BartConfig, BartForConditionalGeneration

    from acclimate.tokenizer.training import Train

    folder = tmp_path_factory.mktemp("translator")
    Train(algorithm="bpe", vocab_size=400, least=0).build(texts=iter([TEXTS]), folder=folder)
    config = BartConfig(
        vocab_size=400, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, max_position_embeddings=64,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1, forced_eos_token_id=None,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BartForConditionalGeneration(config).save_pretrained(folder)
    return folder


def copies(*examples: Labelled) -> list[Copy]:
    return [Copy(one, n, random.Random(n)) for n, one in enumerate(examples)]


def test_there_and_back_and_the_same_again(model: Path) -> None:
    method = Translate(to=str(model), back=str(model), length=16, copies=2).build(texts=[])
    texts = [Labelled(text) for text in TEXTS[:3]] * 2
    made = method(copies(*texts))
    assert len(made) == 6 and all(new.text != old.text for new, old in zip(made, texts, strict=True))
    assert len({one.text for one in made}) > 3  # copies of one text differ
    # A text's translation hangs on nothing beside it, nor on the state of the generator.
    torch.manual_seed(123)
    assert method(copies(*texts)[4:]) == made[4:]


def test_labelled_texts_stay(model: Path) -> None:
    old = Labelled(TEXTS[0], (Span(4, 7, "ANIMAL"),))
    method = Translate(to=str(model), back=str(model), length=8).build(texts=[])
    assert method(copies(old, Labelled(TEXTS[1])))[0] == old


def test_what_is_no_translator_is_told(tmp_path: Path, model: Path) -> None:
    with pytest.raises(UserError, match="there is no such model folder"):
        Translate(to=str(tmp_path / "x"), back=str(model)).build(texts=[])
    (model / "tokenizer.json").exists()
    empty = tmp_path / "empty"
    empty.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        if (model / name).exists():
            (empty / name).write_bytes((model / name).read_bytes())
    with pytest.raises(UserError, match="no translation model can be loaded"):
        Translate(to=str(empty), back=str(model)).build(texts=[])
