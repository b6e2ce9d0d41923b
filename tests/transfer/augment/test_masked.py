from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from acclimate.corpus.augment.augmentation import Copy
from acclimate.corpus.augment.edits import Labelled, Span
from acclimate.errors import UserError
from acclimate.transfer.augment.masked import Masked

TEXTS = [
    "the cat sleeps near the house",
    "a dog runs over the green hill",
    "今天北京的天气很好",
    "我们去公园散步了",
] * 30


@pytest.fixture(scope="module", params=["wordpiece", "bpe"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT with a tokenizer of its own."""
    from transformers import BertConfig, BertForMaskedLM

    from acclimate.tokenizer.training import Train

    folder = tmp_path_factory.mktemp(request.param)
    Train(algorithm=request.param, vocab_size=400, least=0).build(texts=iter([TEXTS]), folder=folder)
    config = BertConfig(
        vocab_size=400, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertForMaskedLM(config).save_pretrained(folder)
    return folder


def augmented(model: Path, examples: list[Labelled], **settings: object) -> list[Labelled]:
    method = Masked.model_validate({"model": str(model), **settings})
    return method.build(texts=[])([Copy(one, n, random.Random(n)) for n, one in enumerate(examples)])


def test_words_give_way_to_words(model: Path) -> None:
    examples = [Labelled(text) for text in TEXTS[:4] * 5]
    made = augmented(model, examples, share=0.3)
    assert made == augmented(model, examples, share=0.3)
    assert sum(new != old for new, old in zip(made, examples, strict=True)) >= 15
    for new, old in zip(made, examples, strict=True):
        # As many words as before, each of letters: no pieces, no marks, nothing special.
        if old.text.isascii():
            assert len(new.text.split()) == len(old.text.split())
        assert "[" not in new.text and "#" not in new.text and "Ġ" not in new.text


def test_labelled_words_stay(model: Path) -> None:
    old = Labelled("the cat sleeps near the house", (Span(4, 7, "ANIMAL"), Span(20, 29, "PLACE")))
    for number, new in enumerate(augmented(model, [old] * 20, share=1.0)):
        assert [new.text[span.start : span.end] for span in new.spans] == ["cat", "the house"], number


def test_the_likeliest_words_are_put_in(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one candidate it is the model's own first choice among whole words, other than the old one."""
    method = Masked.model_validate({"model": str(model), "nearest": 1, "share": 0.01}).build(texts=[])
    text = "the cat sleeps near the house"
    asked = method._ask(Copy(Labelled(text), 0, random.Random(5)))
    ((at, start, end),) = asked.spans
    with torch.inference_mode():
        logits = method._model(input_ids=torch.tensor([asked.ids])).logits[0, at]
    order = [method._whole[n] for n in logits.argsort(descending=True).tolist() if n in method._whole]
    (wanted, *_) = [word for word in order if word != text[start:end]]
    (new,) = method([Copy(Labelled(text), 0, random.Random(5))])
    assert new.text == text[:start] + wanted + text[end:]


def test_no_model_is_a_plain_message(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such model folder"):
        augmented(tmp_path / "nowhere", [])
