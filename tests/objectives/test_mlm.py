from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import stats
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

from acclimate.batching.packed import PackedBatch, Sequences
from acclimate.batching.sampler import Position, Sampler, split_micro
from acclimate.batching.sequence_store import ExampleStore
from acclimate.errors import UserError
from acclimate.objectives.mlm import MaskedLanguageModel, Mlm
from acclimate.recipe.units import Length
from acclimate.tokenizer.training import Train

VOCABULARY = 500
MASK = 4


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def objective(
    seed: int = 1, fixed: bool = False, vocabulary: int = VOCABULARY, **settings: float
) -> MaskedLanguageModel:
    chosen = Mlm(**settings)
    return MaskedLanguageModel(
        mask_id=MASK,
        special_ids=[0, 1, 2, 3, 4],
        vocabulary=list(range(VOCABULARY)),
        rate=chosen.rate,
        mask=chosen.mask,
        random=chosen.random,
        seed=seed,
        fixed=fixed,
    )


def sequences(lengths: list[int], *, epoch: int = 0, seed: int = 0, first_id: int = 0) -> Sequences:
    """[CLS] ordinary tokens [SEP], of these lengths; the content is a function of the sequence's id."""
    rows = [
        np.array([2, *np.random.default_rng((seed, first_id + i)).integers(5, VOCABULARY, n - 2), 3])
        for i, n in enumerate(lengths)
    ]
    cu_seqlens = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = np.concatenate(rows).astype(np.int64)
    ids = first_id + np.arange(len(lengths), dtype=np.int64)
    return Sequences(tokens, cu_seqlens, np.zeros_like(tokens), ids, np.full(len(lengths), epoch))


def hidden(batch: PackedBatch) -> dict[int, list[tuple[int, int, int]]]:
    """id → (position, what is seen, what is asked) of each target."""
    found: dict[int, list[tuple[int, int, int]]] = {int(number): [] for number in batch.ids}
    starts = batch.cu_seqlens.numpy()
    for place, target in zip(batch.target_positions.tolist(), batch.targets.tolist(), strict=True):
        owner = int(np.searchsorted(starts, place, side="right")) - 1
        found[int(batch.ids[owner])].append((place - int(starts[owner]), int(batch.tokens[place]), target))
    return found


@pytest.fixture(scope="module")
def million() -> tuple[Sequences, PackedBatch]:
    lengths = np.random.default_rng(3).integers(30, 129, 13_000).tolist()
    batch = sequences(lengths)
    return batch, objective(seed=7).prepare(batch)


def test_rate_and_shares_over_a_million_tokens(million: tuple[Sequences, PackedBatch]) -> None:
    before, batch = million
    assert len(before.tokens) > 1_000_000
    places = batch.target_positions.numpy()
    seen, asked = batch.tokens.numpy()[places], batch.targets.numpy()
    assert np.array_equal(asked, before.tokens[places])
    assert abs(len(places) / (before.tokens > 4).sum() - 0.15) < 0.001
    masked, kept = seen == MASK, seen == asked
    assert abs(masked.mean() - 0.8) < 0.01
    assert abs(kept.mean() - 0.1 - 0.1 / 495) < 0.01
    assert abs((~masked & ~kept).mean() - 0.1) < 0.01
    untouched = np.ones(len(before.tokens), bool)
    untouched[places] = False
    assert np.array_equal(batch.tokens.numpy()[untouched], before.tokens[untouched])


def test_random_ids_are_uniform_over_ordinary_tokens(million: tuple[Sequences, PackedBatch]) -> None:
    before, batch = million
    places = batch.target_positions.numpy()
    seen = batch.tokens.numpy()[places]
    changed = seen[(seen != MASK) & (seen != before.tokens[places])]
    counts = np.bincount(changed, minlength=VOCABULARY)
    assert not counts[:5].any()
    assert stats.chisquare(counts[5:]).pvalue > 1e-4


def test_every_position_is_equally_likely_and_neighbours_are_independent(
    million: tuple[Sequences, PackedBatch],
) -> None:
    many = sequences([42] * 20_000, first_id=10**9)
    places = objective(seed=2).prepare(many).target_positions.numpy()
    counts = np.bincount(places % 42, minlength=42)
    assert not counts[[0, 41]].any()
    # Six of forty: positions of one sequence exclude each other, which makes the statistic smaller by 34/39.
    assert stats.chi2.sf(stats.chisquare(counts[1:-1]).statistic * 39 / 34, 39) > 1e-4
    pairs = np.zeros((20_000, 42), bool)
    pairs.ravel()[places] = True
    both = (pairs[:, 1:-2] & pairs[:, 2:-1]).mean()
    assert abs(both - 6 / 40 * 5 / 39) < 0.001


def test_number_asked_is_one_at_least_and_rounded() -> None:
    lengths = list(range(3, 120))
    found = hidden(objective().prepare(sequences(lengths)))
    for number, length in enumerate(lengths):
        assert len(found[number]) == max(1, round(0.15 * (length - 2)))
    assert [len(t) for t in hidden(objective(rate=0.4).prepare(sequences([12, 102]))).values()] == [4, 40]
    assert [len(t) for t in hidden(objective(rate=1.0).prepare(sequences([12, 3]))).values()] == [10, 1]


def test_special_tokens_are_never_asked_for_nor_changed() -> None:
    lengths = [40] * 200
    base = sequences(lengths)
    tokens = base.tokens.copy()
    inside = np.random.default_rng(1).random(len(tokens)) < 0.5
    tokens[inside & (tokens > 4)] = 1  # [UNK]
    tokens[40:80] = 3  # one sequence of special tokens only
    mixed = Sequences(tokens, base.cu_seqlens, base.segments, base.ids, base.epochs)
    for rate in (0.15, 1.0):
        batch = objective(rate=rate).prepare(mixed)
        assert (batch.targets > 4).all()
        special = tokens <= 4
        assert np.array_equal(batch.tokens.numpy()[special], tokens[special])
        found = hidden(batch)
        assert found[1] == []
        ordinary = np.add.reduceat((~special).astype(int), base.cu_seqlens[:-1])
        due = [max(1, round(rate * n)) if n else 0 for n in ordinary.tolist()]
        assert [len(found[number]) for number in range(200)] == due


def test_masks_do_not_depend_on_what_else_is_in_the_batch() -> None:
    whole = sequences([20, 50, 9, 128, 3, 77, 64])
    subject = objective(seed=5)
    together = hidden(subject.prepare(whole))
    for number in range(len(whole)):
        assert hidden(subject.prepare(whole.part(number, number + 1)))[number] == together[number]
    joined: dict[int, list[tuple[int, int, int]]] = {}
    for part in split_micro(whole, Length.parse("100 tokens")):
        joined |= hidden(subject.prepare(part))
    assert joined == together
    backwards = [whole.part(number, number + 1) for number in reversed(range(7))]
    lengths = np.concatenate([part.lengths for part in backwards])
    reverse = Sequences(
        np.concatenate([part.tokens for part in backwards]),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.zeros(int(lengths.sum()), np.int64),
        np.concatenate([part.ids for part in backwards]),
        np.concatenate([part.epochs for part in backwards]),
    )
    assert hidden(subject.prepare(reverse)) == together


def test_epochs_seeds_and_ids_decide_and_fixed_masks_stay() -> None:
    lengths = [60] * 50
    first = hidden(objective(seed=1).prepare(sequences(lengths, epoch=0)))
    assert hidden(objective(seed=1).prepare(sequences(lengths, epoch=0))) == first
    assert hidden(objective(seed=1).prepare(sequences(lengths, epoch=1))) != first
    assert hidden(objective(seed=2).prepare(sequences(lengths, epoch=0))) != first
    places = [tuple(place for place, _, _ in row) for row in first.values()]
    assert len(set(places)) == 50
    fixed = [hidden(objective(seed=1, fixed=True).prepare(sequences(lengths, epoch=e))) for e in (0, 1, 9)]
    assert fixed[0] == fixed[1] == fixed[2] != first


def test_a_resume_repeats_the_masks() -> None:
    lengths = np.random.default_rng(0).integers(3, 60, 200)
    everything = sequences(lengths.tolist())

    def fetch(ids: np.ndarray, epochs: np.ndarray) -> Sequences:
        rows = [everything.part(int(i), int(i) + 1) for i in ids]
        sizes = [len(row.tokens) for row in rows]
        tokens = np.concatenate([row.tokens for row in rows])
        return Sequences(tokens, np.concatenate([[0], np.cumsum(sizes)]), np.zeros_like(tokens), ids, epochs)

    def run(position: Position, steps: int) -> tuple[list[PackedBatch], list[Position]]:
        sampler, subject = Sampler(lengths, seed=4), objective(seed=4)
        batches, places = [], []
        for _ in range(steps):
            places.append(position)
            ids, epochs, position = sampler.take(position, Length.parse("500 tokens"))
            batches.append(subject.prepare(fetch(ids, epochs)))
        return batches, places

    batches, places = run(Position(), 40)
    again, _ = run(places[23], 17)
    for before, after in zip(batches[23:], again, strict=True):
        assert torch.equal(before.tokens, after.tokens) and torch.equal(before.targets, after.targets)
    assert places[39].epoch > 1


def test_settings_are_checked() -> None:
    assert Mlm(rate="40%").rate == 0.4
    with pytest.raises(ValidationError, match="nothing is asked"):
        Mlm(rate=0)
    with pytest.raises(ValidationError, match="exceed 100%"):
        Mlm(mask="90%", random="20%")
    assert Mlm(mask="70%", random="30%").random == 0.3


def test_shares_other_than_the_usual() -> None:
    batch = sequences([100] * 500)
    seen = {}
    for mask, random in ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0)):
        found = objective(mask=mask, random=random).prepare(batch)
        seen[mask, random] = found.tokens.numpy()[found.target_positions.numpy()], found.targets.numpy()
    assert (seen[1.0, 0.0][0] == MASK).all()
    assert (seen[0.0, 1.0][0] != MASK).all() and (seen[0.0, 1.0][0] == seen[0.0, 1.0][1]).mean() < 0.01
    assert (seen[0.0, 0.0][0] == seen[0.0, 0.0][1]).all()


def test_without_a_mask_token_the_tokenizer_is_refused() -> None:
    backend = Tokenizer(models.WordLevel({"<s>": 0, "a": 1}, unk_token="<s>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    with pytest.raises(UserError, match="no mask token"):
        Mlm().build(tokenizer=PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>"), seed=0)


def test_real_chinese_through_the_whole_chain(tmp_path: Path) -> None:
    data = Path(__file__).parents[2].parent / "shared" / "data" / "thucnews" / "subset_a" / "test.txt.gz"
    if not data.is_file():
        pytest.skip(f"the shared data sets are not at {data}")
    titles = [line.split("\t")[0] for line in gzip.decompress(data.read_bytes()).decode().split("\n")[:2000]]
    tokenizer = Train(vocab_size=4000).build(texts=iter([titles]), folder=tmp_path)
    store = ExampleStore.from_texts(titles, None, tokenizer, 64)
    subject = Mlm().build(tokenizer=tokenizer, seed=3)
    ids = np.arange(len(titles))
    before = store.fetch(ids, np.zeros_like(ids))
    batch = subject.prepare(before)
    assert abs(len(batch.targets) / (before.tokens > 4).sum() - 0.15) < 0.02  # short titles: rounding counts
    seen = batch.tokens[batch.target_positions]
    assert abs(float((seen == tokenizer.mask_token_id).float().mean()) - 0.8) < 0.02
    assert torch.equal(batch.targets, torch.from_numpy(before.tokens)[batch.target_positions])
    never = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    assert not np.isin(batch.targets.numpy(), list(never)).any()


def small_bert(**settings: object) -> BertForMaskedLM:
    from acclimate.models.packed_attention import register

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.2,
    )
    model = BertForMaskedLM._from_config(config, attn_implementation=register(), dtype=torch.float32)
    return model.eval()


def test_loss_and_gradients_equal_the_plain_models() -> None:
    model = small_bert()
    lengths = [20, 64, 3, 41, 9]
    subject = objective(seed=9)
    batch = subject.prepare(sequences(lengths))
    loss = subject.loss(model, batch)
    (loss.sum / loss.count).backward()
    packed = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()

    width = max(lengths)
    inputs = torch.zeros(len(lengths), width, dtype=torch.long)
    labels = torch.full_like(inputs, -100)
    attention = torch.zeros_like(inputs)
    flat_labels = torch.full((batch.num_tokens,), -100)
    flat_labels[batch.target_positions] = batch.targets
    for row, (start, length) in enumerate(zip(batch.cu_seqlens.tolist(), lengths, strict=False)):
        inputs[row, :length] = batch.tokens[start : start + length]
        labels[row, :length] = flat_labels[start : start + length]
        attention[row, :length] = 1
    plain = model(input_ids=inputs, attention_mask=attention, labels=labels)
    plain.loss.backward()
    assert loss.count == (labels != -100).sum() == subject.count(batch)[0]
    assert torch.allclose(loss.sum / loss.count, plain.loss, rtol=0, atol=1e-6)
    for name, parameter in model.named_parameters():
        assert torch.allclose(packed[name], parameter.grad, rtol=0, atol=1e-6), name
        assert parameter.grad.abs().max() > 1e-5 or "key.bias" in name, name  # a key's bias has no effect

    each = torch.nn.functional.cross_entropy(plain.logits.transpose(1, 2), labels, reduction="none")
    assert torch.allclose(loss.per_sequence, each.sum(1), atol=1e-5)
    assert not loss.per_sequence.requires_grad and loss.sum.requires_grad
    assert loss.counts.tolist() == (labels != -100).sum(1).tolist()
    assert loss.sum.dtype == torch.float32


def test_loss_is_fp32_in_half_precision_and_sums_over_micro_batches() -> None:
    model = small_bert()
    subject = objective(seed=9)
    whole = sequences([20, 64, 3, 41, 9, 30])
    with torch.no_grad():
        total = subject.loss(model, subject.prepare(whole))
        parts = [
            subject.loss(model, subject.prepare(part))
            for part in split_micro(whole, Length.parse("2 sequences"))
        ]
        assert torch.allclose(sum(part.sum for part in parts), total.sum, rtol=1e-6)
        assert sum(part.count for part in parts) == total.count
        with torch.autocast("cpu", torch.bfloat16):
            half = subject.loss(model, subject.prepare(whole))
        low = subject.loss(model.bfloat16(), subject.prepare(whole))
    for loss in (half, low):
        assert loss.sum.dtype == loss.per_sequence.dtype == torch.float32
        assert torch.allclose(loss.sum, total.sum, rtol=0.05)


def test_sequences_that_begin_with_a_target_count_their_own() -> None:
    base = sequences([5, 7, 3])
    bare = Sequences(base.tokens % 400 + 50, base.cu_seqlens, base.segments, base.ids, base.epochs)
    subject = objective(rate=1.0)
    assert subject.loss(small_bert(), subject.prepare(bare)).counts.tolist() == [5, 7, 3]


def test_a_batch_without_targets_costs_nothing() -> None:
    base = sequences([4, 4])
    empty = Sequences(
        np.array([2, 3, 2, 3]), np.array([0, 2, 4]), np.zeros(4, np.int64), base.ids, base.epochs
    )
    subject = objective()
    batch = subject.prepare(empty)
    loss = subject.loss(small_bert(), batch)
    assert loss.count == 0 and float(loss.sum.detach()) == 0 and loss.per_sequence.tolist() == [0, 0]
    loss.sum.backward()
