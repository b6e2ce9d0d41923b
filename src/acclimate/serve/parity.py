"""Whether an exported graph answers as the model does: the same padded texts through both.

Legend: B texts, L places with padding, C classes, V vocabulary, H hidden size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from acclimate.serve.onnx_graph import Answers, Precision

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_SENTENCES = (
    "Yes.",
    "法院",
    "A charming and often affecting journey.",
    "央行再次加息以抑制通货膨胀。",
    "The court dismissed the appeal of the tenant, who had not paid the rent for eleven months.",
    "患者三天前出现发热、咳嗽，伴有轻度胸痛，既往体健。",
    "Why did nobody tell us that the last train leaves at 23:40?",
    "这部电影的节奏太慢了，演员的表演也不自然。",
    "The service was slow, the soup was cold, and the waiter rude; we shall not come back.",
    "房子离地铁站很近，但是隔音差，晚上睡不好。",
    "We trained a small encoder on 12 GB of text & measured its loss on held-out documents [4].",
    "新华社北京电：A股三大指数今日集体收涨，两市成交额超过1万亿元。",
    "Interest rates rose again as the central bank fought inflation, which had reached 8.3 % in May.",
    "前锋在半场结束前两次破门，主队以3比1取胜。",
    "Aspirin (81 mg daily) lowered the risk of a second infarction in patients under seventy.",
    "本合同自双方签字盖章之日起生效，有效期为三年。",
)


def sample_texts() -> list[str]:
    """Chinese and English, from a word to more than most models take, none of them twice."""
    paragraphs = [
        " ".join(_SENTENCES[i:] + _SENTENCES[:i]) * times for i, times in ((0, 1), (3, 2), (6, 4), (11, 8))
    ]
    pairs = [f"{one} {other}" for one, other in zip(_SENTENCES, _SENTENCES[5:] + _SENTENCES[:5], strict=True)]
    halves = [one[: len(one) // 2 + 1] for one in _SENTENCES[2:]]
    mixed = [*_SENTENCES, *pairs, *halves]
    return [*mixed[:20], *paragraphs, *mixed[20:]]


@dataclass(frozen=True)
class Parity:
    """How near the graph's answers are to the model's."""

    num_texts: int
    num_answers: int
    """What could differ: labels of texts, or tokens of all texts where each is answered."""
    max_difference: float
    """The largest difference of two logits (of a body: of two hidden values), at real tokens."""
    scale: float
    """The model's largest logit, by absolute value."""
    agreement: float
    """Share of equal labels or tokens; of a body the smallest cosine of two embeddings."""

    @property
    def relative(self) -> float:
        return self.max_difference / self.scale if self.scale else 0.0

    def problem(self, precision: Precision, kind: str) -> str | None:
        """Why the graph may not be used; None when it may."""
        farthest, fewest = BOUNDS[precision]
        if not self.relative <= farthest:  # also for NaN
            return (
                f"its {precision} answers differ by {self.max_difference:.3g} where the largest is {self.scale:.3g}: "
                f"{self.relative:.2g} of it, at most {farthest:g} is accepted"
            )
        if self.agreement < fewest[kind]:
            what = "the embeddings' cosine falls to" if kind == "encoder" else "answers agree in"
            return f"in {precision} {what} {self.agreement:.4f}, at least {fewest[kind]:g} is accepted"
        return None

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "relative_difference": self.relative}


BOUNDS: dict[str, tuple[float, dict[str, float]]] = {
    # Equal arithmetic in another order: a tie may still fall to the other side, so agreement is not asked.
    "fp32": (1e-4, {"classification": 0.0, "mlm": 0.0, "encoder": 0.0}),
    # Some five times what trained BERT minis show: 0.01, 0.998, 0.985, 0.9999.
    "int8": (0.15, {"classification": 0.98, "mlm": 0.9, "encoder": 0.98}),
}
"""Precision → (largest relative difference, least agreement by kind)."""


def compare(
    answers: Answers,
    session: Any,
    tokenizer: PreTrainedTokenizerFast,
    texts: Sequence[str],
    *,
    multi_label: bool = False,
) -> Parity:
    """Run the texts through both in padded batches of several sizes."""
    answers.model.set_attn_implementation("sdpa")  # not the one that was exported: one more witness
    difference = scale = 0.0
    num_answers, equal, cosine = 0, 0, 1.0
    for inputs in _batches(tokenizer, answers.inputs, texts):
        with torch.inference_mode():
            tensors = answers(*(torch.from_numpy(inputs[name]) for name in answers.inputs))
        expected = [tensor.numpy() for tensor in tensors]
        found = session.run(None, inputs)
        real = inputs["attention_mask"].astype(bool)
        rows, others = (
            out[0] if answers.kind == "classification" else out[0][real] for out in (expected, found)
        )
        difference = max(difference, float(np.abs(rows - others).max()))
        scale = max(scale, float(np.abs(rows).max()))
        if answers.kind == "encoder":
            cosine = min(cosine, _least_cosine(expected[1], found[1]))
            num_answers += len(real)
        else:
            same = _decided(rows, multi_label) == _decided(others, multi_label)
            num_answers, equal = num_answers + same.size, equal + int(same.sum())
    agreement = cosine if answers.kind == "encoder" else equal / num_answers
    return Parity(len(texts), num_answers, difference, scale, agreement)


def _batches(
    tokenizer: PreTrainedTokenizerFast, names: Sequence[str], texts: Sequence[str]
) -> Iterator[dict[str, NDArray[np.int64]]]:
    first, sizes = 0, (1, 2, 5, 8)
    for number in range(len(texts)):
        part = list(texts[first : first + sizes[number % len(sizes)]])
        if not part:
            return
        first += len(part)
        found = tokenizer(
            part, padding=True, truncation=True, return_token_type_ids=True, return_tensors="np"
        )
        yield {name: found[name].astype(np.int64) for name in names}


def _decided(scores: NDArray[Any], multi_label: bool) -> NDArray[Any]:
    """[B, C] → the label of each text [B], or each label's yes or no [B, C]; of tokens [T, V] → [T]"""
    return scores > 0 if multi_label else scores.argmax(-1)


def _least_cosine(one: NDArray[Any], other: NDArray[Any]) -> float:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(((one * other).sum(1) / np.maximum(lengths, 1e-12)).min())
