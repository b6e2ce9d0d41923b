"""What goes in and out over HTTP. The OpenAPI description is made from these classes."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag

Text = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]


class Message(BaseModel):
    """Base of all messages: unknown keys are refused, types are not guessed."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True, frozen=True)


class Problem(Message):
    """Why a request was not answered as asked."""

    error: str
    """A short stable word for programs, such as `queue_full`."""
    message: str
    """What is wrong and what would be right, for people."""


class TextPair(Message):
    """A text and what stands beside it, for tasks on pairs."""

    text: Text
    """The first text."""
    pair: Text | None = None
    """The second text."""


TEXT_TAGS = ("string", "object")


def _text_tag(value: Any) -> str:
    return TEXT_TAGS[0] if isinstance(value, str) else TEXT_TAGS[1]


# Told apart before they are checked, so that a problem is reported once and not for both.
OneText = Annotated[
    Annotated[Text, Tag(TEXT_TAGS[0])] | Annotated[TextPair, Tag(TEXT_TAGS[1])], Discriminator(_text_tag)
]


class PredictRequest(Message):
    """Texts to classify."""

    task: str | None = None
    """Name of the task; may be left out where only one is served."""
    texts: list[OneText] = Field(min_length=1)
    """Texts, or `{"text", "pair"}` each."""
    scores: bool = False
    """Whether to answer with the probability of every label."""


class Prediction(Message):
    """The answer for one text."""

    label: str
    """The most probable label."""
    probability: float
    """Its probability."""
    labels: list[str] | None = None
    """For tasks with several labels at once: those of probability one half or more, most probable first."""
    scores: dict[str, float] | None = None
    """Probability of every label, most probable first, when asked for; the sum is 1 unless `multi_label`."""
    tokens: int
    """Tokens the model saw, special ones included."""
    truncated: bool
    """Whether the text was longer than the model takes, so that its end was not seen."""


class PredictResponse(Message):
    """One prediction a text, in order."""

    task: str
    """The task that answered."""
    multi_label: bool
    """Whether several labels may hold at once."""
    predictions: list[Prediction]
    """One for each text."""


class FillMaskRequest(Message):
    """A text with one or more mask tokens."""

    text: Text
    """The text; `/v1/models` says how this model writes a mask."""
    top: int = Field(default=5, ge=1)
    """How many proposals to give for each mask."""


class Candidate(Message):
    """A proposal for one mask."""

    token: str
    """The vocabulary's entry, such as `##ing`."""
    text: str
    """The same as readable text."""
    probability: float
    """Its probability at this mask."""


class Mask(Message):
    """Proposals for one mask."""

    start: int
    """Where the mask token starts in the text, in characters."""
    candidates: list[Candidate]
    """Most probable first."""


class FillMaskResponse(Message):
    """Proposals for every mask that the model saw, in order."""

    masks: list[Mask]
    """One for each mask."""
    tokens: int
    """Tokens the model saw, special ones included."""
    truncated: bool
    """Whether the text was longer than the model takes, so that its end and any mask there was not seen."""


class EmbedRequest(Message):
    """Texts to turn into vectors."""

    texts: list[Text] = Field(min_length=1)
    """Texts."""
    normalize: bool = False
    """Whether to scale each vector to length 1, so that products are cosines."""


class Embedding(Message):
    """The vector of one text: the mean of the last layer over its tokens."""

    vector: list[float]
    """The vector."""
    tokens: int
    """Tokens the model saw, special ones included."""
    truncated: bool
    """Whether the text was longer than the model takes, so that its end was not seen."""


class EmbedResponse(Message):
    """One vector a text, in order."""

    dimension: int
    """Length of each vector."""
    embeddings: list[Embedding]
    """One for each text."""


class TaskInfo(Message):
    """A task that is served."""

    name: str
    """What to give as `task`."""
    labels: list[str]
    """All labels."""
    multi_label: bool
    """Whether several labels may hold at once."""


class ModelsResponse(Message):
    """What this server can do."""

    name: str
    """Name of the run or folder."""
    tasks: list[TaskInfo]
    """Tasks of `/v1/predict`."""
    mask_token: str | None
    """How a mask is written in `/v1/fill-mask`; null when no masked language model is served."""
    embeddings: bool
    """Whether `/v1/embed` answers."""
    precision: str
    """Arithmetic of the models' products: `fp32`, `bf16` or `int8`."""


class State(Message):
    """Life signs."""

    status: str
    """`ok`, `ready`, `loading`, `stopping` or `failed`."""
