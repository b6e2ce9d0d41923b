"""What every family of models is: sizes as data, settings, and how its models are built.

Legend: H hidden size.

A family is one file in `families/`. It states its sizes and its configuration; how its models are called on packed rows
(`calls.py`) is that of a plain Transformers encoder, unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, field_validator, model_validator

from acclimate.errors import UserError
from acclimate.models.calls import Calls
from acclimate.models.kinds import AUTO_CLASSES, Kind
from acclimate.models.optional_parts import refuse_options, require_suitable
from acclimate.recipe.paths import ModelSource
from acclimate.recipe.registry import registry
from acclimate.recipe.settings import Component, Part, nearest, problem
from acclimate.recipe.units import Share
from acclimate.tokenizer.specials import BOUNDARIES

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from acclimate.models.building import Labels

INITIALISER = Part("initialiser")


@dataclass(frozen=True)
class Vocabulary:
    """What a model must know of its tokenizer."""

    size: int
    pad_id: int
    special: Mapping[str, int] | None = None
    """Ids of the roles that the tokenizer names, such as `bos_token` and `eos_token`."""
    tokenizer: Any = field(default=None, repr=False, compare=False)
    """For families that look into tokens."""

    @classmethod
    def of(cls, tokenizer: Any) -> Vocabulary:
        """That of a Transformers tokenizer."""
        roles = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
        ids = {role: getattr(tokenizer, f"{role}_id") for role in roles}
        special = {role: int(id) for role, id in ids.items() if id is not None}
        pad = (
            tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        )  # GPT-2 has no pad
        return cls(len(tokenizer), int(pad), special, tokenizer)

    @property
    def spellings(self) -> list[str] | None:
        """Each token as its vocabulary writes it; None where only their number is known."""
        if self.tokenizer is None:
            return None
        return [one or "" for one in self.tokenizer.convert_ids_to_tokens(range(self.size))]

    @property
    def ends(self) -> tuple[int | None, int | None]:
        """(first, last) special token of a sequence, those that `tokenizer/template.py::boundaries` takes."""
        known = self.special or {}
        for first, last in BOUNDARIES:
            if first in known and last in known:
                return known[first], known[last]
        return None, known.get("eos_token")

    def ends_of_config(self) -> dict[str, Any]:
        """Values of the configuration by which a model that writes begins and ends a text."""
        return dict(zip(("bos_token_id", "eos_token_id"), self.ends, strict=True))


class Family(Calls, Component):
    """A family of models. Class attributes say what its models are; fields are what a recipe may choose."""

    model_types: ClassVar[tuple[str, ...]]
    """`model_type` of the configurations whose models this family knows how to run."""
    sizes: ClassVar[Mapping[str, Mapping[str, Any]]]
    """Size → values of the configuration in which it differs from the others, the published vocabulary among them."""
    default_size: ClassVar[str]
    preset: ClassVar[Mapping[str, Any]] = {}
    """Values of the configuration that all sizes share."""
    kinds: ClassVar[Mapping[Kind, str]] = {
        one: AUTO_CLASSES[one] for one in ("encoder", "mlm", "classification", "tokens", "spans")
    }
    """Kinds that the family can be built as, each with its class: one of Transformers, or `module:Class` of ours."""
    causal: ClassVar[bool] = False
    """Whether a token sees those before it only."""
    remembers: ClassVar[bool] = False
    """Whether it carries something from one stretch of a text to the next: see `onward`."""
    has_table: ClassVar[bool] = True
    """Whether tokens have a vector each, in one table."""
    layer_lists: ClassVar[Mapping[str, str]] = {}
    """Where layers stand that have weights of their own and are as wide as each other → key of the configuration that
    counts them: such models can grow, and be pruned where LayerDrop trains them."""
    lacks: ClassVar[tuple[str, ...]] = ()
    """Settings below that mean nothing to it: a recipe that gives one is refused."""

    size: str | None = None
    """One of the published sizes."""
    checkpoint: ModelSource | None = None
    """Start from these weights instead of random ones: a Transformers folder or a hub id."""
    positions: int = Field(default=512, ge=16)
    """Longest sequence that the model can take, in tokens; a checkpoint brings its own."""
    dropout: Share = 0.1
    """Share of hidden values zeroed in training, everywhere but in attention."""
    attention_dropout: Share = 0.1
    """Share of attention weights zeroed in training."""
    initialise: Annotated[Component, INITIALISER] = Field(default="truncated_normal")  # type: ignore[assignment]
    """How random weights are drawn; a checkpoint's weights are kept."""

    @classmethod
    def __pydantic_init_subclass__(cls, **others: Any) -> None:
        super().__pydantic_init_subclass__(**others)
        if found := [name for name in cls.lacks if cls.__pydantic_fields__.pop(name, None) is not None]:
            for name in found:
                cls.__annotations__.pop(name, None)
            cls.model_rebuild(force=True)

    @classmethod
    def facts(cls) -> dict[str, str]:
        learns = [
            name for name in registry.names("objective") if cls._learns_by(registry.get("objective", name))
        ]
        return {
            "sizes": ", ".join(cls.sizes),
            "learns by": ", ".join(learns),
            "rows": "packed" if cls.packed else "padded",
        }

    @classmethod
    def _learns_by(cls, objective: Any) -> bool:
        streams = getattr(objective, "in_streams", False)
        return getattr(objective, "trains", None) in cls.kinds and (cls.remembers or not streams)

    @field_validator("size")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in cls.sizes:
            raise ValueError(f"unknown size {value!r} of {cls.registered_as[1]}; {nearest(value, cls.sizes)}")
        return value

    @model_validator(mode="before")
    @classmethod
    def _has_the_option(cls, data: Any) -> Any:
        refuse_options(cls, data)
        return data

    @field_validator("size", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        """Sizes that are numbers may be written so."""
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _one_origin(self) -> Family:
        require_suitable(self)
        if getattr(self, "layerdrop", 0) >= 1:
            raise problem("expected less than 100%: no layer would be left to train", at=("layerdrop",))
        if self.size and self.checkpoint:
            raise ValueError("`size` and `checkpoint` exclude each other: the checkpoint has its own size")
        if self.checkpoint:
            for name in self.of_random_weights():
                usual = type(self).model_fields[name].default
                if name == "initialise":
                    usual = INITIALISER.parse(usual)
                if getattr(self, name) != usual:
                    raise problem(
                        f"{name}: the checkpoint brings its own, so this would have no effect", at=(name,)
                    )
        return self

    def check(self) -> list[tuple[tuple[str, ...], str]]:
        """What a checkpoint's folder shows without being loaded: (place below, what is wrong)."""
        from acclimate.models.folder import folder_problems

        return folder_problems(self)

    def require_fitting(self, found: Mapping[str, Any]) -> None:
        """Raises UserError for the config.json of a model that is not of this family."""
        from acclimate.models.folder import require_type

        require_type(self.starts_from, found, self.registered_as[1], self.model_types)

    @property
    def offers(self) -> tuple[str, ...]:
        """What some initialisers need of a model, in their words."""
        return ()

    @classmethod
    def of_random_weights(cls) -> tuple[str, ...]:
        """Settings that mean nothing beside a checkpoint: all but those that `changes` hands on."""
        return tuple(name for name in ("positions", "initialise") if name not in cls.lacks)

    def drops(self) -> bool:
        """Whether anything is hidden at random in training; where the size or the checkpoint decides, it may be."""
        names = [name for name in type(self).model_fields if "drop" in name and name != "layerdrop"]
        shares = [getattr(self, name) for name in [*names, "layerdrop"] if hasattr(self, name)]
        return any(share is None or (isinstance(share, float) and share > 0) for share in shares)

    def refuses(self, kind: Kind) -> str | None:
        """Why a model with these settings cannot be built as the kind, though the family can; None: it can."""
        return None

    @property
    def starts_from(self) -> str | None:
        """The checkpoint's folder or hub id; None for random weights."""
        return self.checkpoint

    def max_positions(self) -> int | None:
        """Longest sequence in tokens; None when only the checkpoint knows, or there is no limit."""
        return None if self.checkpoint or "positions" in self.lacks else self.positions

    def depth(self) -> int:
        """Layers of the deepest stack, of a family with `layer_lists` and random weights."""
        values = {**self.preset, **self.sizes[self.size or self.default_size]}
        return max(values[key] for key in self.layer_lists.values() if key in values)

    def changes(self) -> dict[str, Any]:
        """Values of the configuration that a recipe may change even beside a checkpoint."""
        return {
            "hidden_dropout_prob": self.dropout,
            "attention_probs_dropout_prob": self.attention_dropout,
        }

    def config(self, vocabulary: Vocabulary | None = None) -> Any:
        """The Transformers configuration; without a vocabulary that of the published preset, whole."""
        values = {**self.preset, **self.sizes[self.size or self.default_size], **self.chosen()}
        if vocabulary is not None:
            values |= self.of_vocabulary(vocabulary) | self.positioned()
        return self.config_class()(**{**values, **self.changes()})

    def chosen(self) -> dict[str, Any]:
        """Values of the configuration that the recipe's options decide (`options.py`)."""
        return {}

    def of_vocabulary(self, vocabulary: Vocabulary) -> dict[str, Any]:
        """Values of the configuration that the tokenizer decides."""
        return {"vocab_size": vocabulary.size, "pad_token_id": vocabulary.pad_id}

    def positioned(self) -> dict[str, Any]:
        """Values of the configuration that say how long a sequence may be."""
        if "positions" in self.lacks:
            return {}
        return {"max_position_embeddings": self.positions + self.first_position}

    @classmethod
    def config_class(cls) -> Any:
        """The class of its configurations: Transformers' of the first model type, unless a family of ours says."""
        from transformers import CONFIG_MAPPING

        if cls.model_types[0] not in CONFIG_MAPPING:
            import acclimate.models.register  # noqa: F401
        return CONFIG_MAPPING[cls.model_types[0]]

    def build(
        self,
        *,
        vocabulary: Vocabulary,
        seed: int,
        kind: Kind = "mlm",
        labels: Labels | None = None,
        warn: Callable[[str], object] = lambda text: None,
    ) -> PreTrainedModel:
        """A model of the kind in fp32: random weights from the seed, or the checkpoint's.

        `warn` is told when a checkpoint lacks a head that had to be drawn.
        """
        from acclimate.models.building import fresh_model
        from acclimate.models.loading import load_model

        if reason := self.refuses(kind):
            raise UserError(reason)
        if self.starts_from is not None:
            return load_model(
                self.starts_from,
                kind,
                vocabulary=vocabulary,
                labels=labels,
                seed=seed,
                changes=self.changes(),
                warn=warn,
                family=type(self),
            )
        return fresh_model(
            self.config(vocabulary),
            kind,
            family=type(self),
            initialise=self.initialise,
            seed=seed,
            labels=labels,
        )

    @classmethod
    def max_length(cls, config: Any) -> int | None:
        """Longest sequence in tokens that a model of this configuration takes; None: no limit."""
        positions = getattr(config, "max_position_embeddings", None)
        return None if positions is None else int(positions) - cls.first_position

    @classmethod
    def closing_norm(cls, config: Any) -> str | None:
        """Name within a layer of the norm that stands after its last sum; None where norms stand before."""
        return None

    @classmethod
    def shape(cls, config: Any) -> dict[str, Any]:
        """What `acclimate show model` tells of a configuration: layers, widths, vocabulary."""
        from acclimate.models.sizes import shape_of

        return shape_of(config)

    @classmethod
    def width(cls, config: Any) -> int:
        """H, the size of the last layer's output."""
        return int(config.hidden_size)

    @classmethod
    def flops(cls, model: PreTrainedModel, length: int) -> int:
        """FLOPs of one token through the body, forward, in sequences of this length; the model may have no weights."""
        from acclimate.models.sizes import forward_flops

        return forward_flops(model, length)

    @classmethod
    def other_flops(cls, model: PreTrainedModel) -> Mapping[str, int]:
        """FLOPs forward of what it is given besides tokens, by its name, such as a picture."""
        return {}
