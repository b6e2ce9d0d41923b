"""What families with an encoder and a decoder share: how a batch runs through both.

Legend: T tokens in the encoder's row, Td in the decoder's, B sequences, H hidden size, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from acclimate.models.family import Family, Vocabulary
from acclimate.models.kinds import AUTO_CLASSES, Kind

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from acclimate.batching.packed import PackedBatch, Row


class EncoderDecoder(Family):
    """A family whose models read one row of tokens and write another."""

    kinds: ClassVar[Mapping[Kind, str]] = {
        one: AUTO_CLASSES[one] for one in ("encoder", "seq2seq", "classification")
    }
    position_input: ClassVar[str | None] = None
    token_inputs: ClassVar[Mapping[str, str]] = {}

    def of_vocabulary(self, vocabulary: Vocabulary) -> dict[str, Any]:
        """What is written begins with what `decoder_start` says and ends with the token that closes a sequence."""
        start = {"decoder_start_token_id": self.decoder_start(vocabulary)}
        return super().of_vocabulary(vocabulary) | vocabulary.ends_of_config() | start

    @classmethod
    def decoder_start(cls, vocabulary: Vocabulary) -> int | None:
        """The first token that the decoder sees; None where it changes from text to text."""
        raise NotImplementedError

    @classmethod
    def encode(cls, model: PreTrainedModel, batch: PackedBatch) -> Tensor:
        """[Td, H] the decoder's output. Without a decoder's row it reads the source again, one place later, as
        Transformers' models do to classify."""
        from acclimate.models.rows import padded_decoder_output

        row = cls.read_again(model.config, batch) if batch.decoder is None else batch.decoder
        if not cls.packed:
            return padded_decoder_output(model.base_model, cls.inputs(batch), batch.cu_seqlens, row)
        return cls.packed_decoder_output(model.base_model, batch, row)

    @classmethod
    def packed_decoder_output(cls, body: Any, batch: PackedBatch, row: Row) -> Tensor:
        """[Td, H]: the layers of both stacks on rows without padding."""
        raise NotImplementedError

    @classmethod
    def read_again(cls, config: Any, batch: PackedBatch) -> Row:
        """The source as the decoder's row."""
        from acclimate.batching.packed import Row

        tokens = batch.tokens.roll(1)
        tokens[batch.cu_seqlens[:-1]] = config.decoder_start_token_id
        return Row(tokens, batch.cu_seqlens, batch.positions)

    @classmethod
    def pooled(cls, model: PreTrainedModel, hidden: Tensor, batch: PackedBatch) -> Tensor:
        """[T, H] → [B, H]: the decoder's output at the token that closes the source."""
        return hidden.index_select(0, batch.cu_seqlens[1:] - 1)

    @classmethod
    def classify(cls, model: PreTrainedModel, pooled: Tensor) -> Tensor:
        return model.classification_head(pooled)
