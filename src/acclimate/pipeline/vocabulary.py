"""The stages that adapt a checkpoint's vocabulary: its rows, and what that gains before anything is trained.

`vocabulary` writes model/, an ordinary checkpoint with the adapted tokenizer; `gain` writes gain.json.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acclimate.pipeline.pretrain import model_identity, model_settings
from acclimate.pipeline.stage import Stage, Work
from acclimate.pipeline.starting_point import ADAPTED, VOCABULARY, adapts, with_adapted_checkpoint
from acclimate.recipe.sections import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from acclimate.batching.token_store import TokenStore

GAIN = "gain.json"
_SEQUENCE_LENGTH = 128
"""Where the recipe has no pretraining that says one."""
_WORD = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]|[^\W\u3400-\u4dbf\u4e00-\u9fff]+")


def vocabulary_stages(recipe: Recipe, digests: Callable[[Path], str]) -> list[Stage]:
    """Surgery and its gain; none when the recipe does not adapt."""
    if not adapts(recipe):
        return []
    part: Any = recipe.tokenizer
    pretrain = recipe.pretrain
    identity = model_identity(recipe, digests)
    return [
        Stage(
            name=VOCABULARY,
            kind="vocabulary",
            version=1,
            settings={"rows": part.initialise.dumped(), "seed": recipe.seed},
            outside=identity,
            needs=("tokenizer", "tokens"),
            packages=("torch", "transformers", "scipy"),
            run=lambda work: _operate(recipe, work),
        ),
        Stage(
            name="gain",
            kind="gain",
            version=1,
            settings={
                "model": model_settings(recipe),
                "seed": recipe.seed,
                "pretrain": None
                if pretrain is None
                else [pretrain.objective.dumped(), pretrain.sequence_length, str(pretrain.validate_.most)],
                "intervals": recipe.evaluate.intervals.dumped(),
            },
            outside=identity,
            needs=("corpus", "tokenizer", "tokens", VOCABULARY),
            packages=("torch", "transformers", "tokenizers"),
            run=lambda work: _gain(recipe, work),
        ),
    ]


def _operate(recipe: Recipe, work: Work) -> None:
    from acclimate.artifacts.durable import new_folder
    from acclimate.batching.token_store import TokenStore
    from acclimate.models.loading import load_model
    from acclimate.models.vocabulary.surgery import change_vocabulary
    from acclimate.tokenizer.adapt.plan import Adaptation
    from acclimate.tokenizer.loading import load_tokenizer

    place = work.inputs["tokenizer"].folder
    adaptation = Adaptation.read(place)
    if adaptation.note:
        work.emit("warning", message=adaptation.note)
    rows: Any = recipe.tokenizer.initialise  # type: ignore[union-attr]
    tokens = TokenStore(work.inputs["tokens"].folder / "train") if rows.needs_text else None
    maker = rows.build(adaptation=adaptation, tokens=tokens, seed=recipe.seed)
    start = str(recipe.model.starts_from)  # type: ignore[attr-defined]
    model = load_model(start, "mlm", seed=recipe.seed, warn=lambda text: work.emit("warning", message=text))
    padding = change_vocabulary(model, adaptation, maker)
    if padding:
        work.emit("note", message=f"{padding:,} rows of the checkpoint stood for no token and are left out")
    folder = new_folder(work.folder / ADAPTED)
    model.save_pretrained(folder)
    load_tokenizer(place).save_pretrained(folder)


def _gain(recipe: Recipe, work: Work) -> None:
    """Both vocabularies on the same held-out text: how long it is in tokens, how well it is told, at what cost."""
    from acclimate.artifacts.durable import scratch_folder, write_json
    from acclimate.batching.token_store import TokenStore, build_token_store
    from acclimate.corpus.storage import read_texts
    from acclimate.tokenizer.adapt.plan import Adaptation
    from acclimate.tokenizer.loading import load_tokenizer

    corpus = work.inputs["corpus"].folder
    adaptation = Adaptation.read(work.inputs["tokenizer"].folder)
    old_tokenizer = load_tokenizer(str(recipe.model.starts_from))  # type: ignore[attr-defined]
    with scratch_folder(work.folder) as scratch:
        build_token_store(read_texts(corpus, "validation"), old_tokenizer, scratch, work.tell)
        before = _measured(recipe, work, recipe, old_tokenizer, TokenStore(scratch))
    changed = with_adapted_checkpoint(recipe, work.inputs)
    new_tokenizer = load_tokenizer(work.inputs["tokenizer"].folder)
    store = TokenStore(work.inputs["tokens"].folder / "validation")
    after = _measured(recipe, work, changed, new_tokenizer, store)
    words = sum(len(_WORD.findall(text)) for batch in read_texts(corpus, "validation") for text in batch)
    for side in (before, after):
        side["tokens_per_word"] = side["tokens"] / max(1, words)
    statement = gain_sentence(before, after, len(adaptation.new), len(adaptation.gone))
    write_json(
        work.folder / GAIN,
        {
            "statement": statement,
            "algorithm": adaptation.algorithm,
            "mode": adaptation.mode,
            "asked": adaptation.asked,
            "added": len(adaptation.new),
            "steps": sum(token.step for token in adaptation.new),
            "gone": len(adaptation.gone),
            "examples": _examples(adaptation),
            "before": before,
            "after": after,
            "tokens_saved": 1 - after["tokens"] / before["tokens"] if before["tokens"] else 0.0,
            "expected_speed": before["flops_per_byte"] / after["flops_per_byte"],
            "note": adaptation.note,
        },
    )
    work.emit("note", message=statement)


def gain_sentence(before: dict[str, Any], after: dict[str, Any], added: int, gone: int) -> str:
    """What was gained, before training, on one line."""
    bits = [side["figures"]["bits_per_byte"]["value"] for side in (before, after)]
    saved = 1 - after["tokens"] / max(1, before["tokens"])
    speed = before["flops_per_byte"] / after["flops_per_byte"]
    taken = f", {gone:,} taken away" if gone else ""
    return (
        f"{added:,} tokens added{taken}; held-out text is {saved:.1%} shorter, {before['tokens_per_word']:.2f} → "
        f"{after['tokens_per_word']:.2f} tokens per word; {bits[0]:.3f} → {bits[1]:.3f} bits per byte before any "
        f"training; the same text should take {1 / speed:.0%} of the time"
    )


def _examples(adaptation: Any, most: int = 24) -> list[str]:
    found = [token for token in adaptation.new if not token.step]
    return [token.token for token in sorted(found, key=lambda one: (-one.count, one.token))[:most]]


def _measured(
    recipe: Recipe, work: Work, start: Recipe, tokenizer: PreTrainedTokenizerFast, tokens: TokenStore
) -> dict[str, Any]:
    """Figures of one model with its tokenizer on the validation text."""
    from acclimate.batching.sequence_store import WindowStore
    from acclimate.engine.measure import measure
    from acclimate.evaluate.language_model import language_model_figures
    from acclimate.models.family import Vocabulary
    from acclimate.objectives.mlm import Mlm
    from acclimate.pipeline.setup_torch import prepare
    from acclimate.recipe.units import Length
    from acclimate.tokenizer.template import boundaries

    machine = prepare(work.hardware)
    pretrain = recipe.pretrain
    own: Any = None if pretrain is None else pretrain.objective
    part = own if isinstance(own, Mlm) and own.unit == "token" and not own.brings_data else Mlm()
    length = _SEQUENCE_LENGTH if pretrain is None else pretrain.sequence_length
    vocabulary = Vocabulary.of(tokenizer)
    model: PreTrainedModel = start.model.build(vocabulary=vocabulary, seed=recipe.seed, kind="mlm")
    model = model.to(machine.device)  # type: ignore[arg-type]
    store = WindowStore(tokens, length, *boundaries(tokenizer))
    began = time.perf_counter()
    found = measure(
        model,
        part.build(tokenizer=tokenizer, seed=recipe.seed, fixed=True),
        store,
        batch=Length(8192, "tokens"),
        precision=machine.precision,
        device=machine.device,
        most=Length(200_000, "tokens") if pretrain is None else pretrain.validate_.most,
    )
    seconds = time.perf_counter() - began
    figures = language_model_figures(
        found.sums,
        found.counts,
        tokens=tokens.num_tokens,
        num_bytes=tokens.num_bytes,
        resampling=recipe.evaluate.intervals.build(),
        groups=store.document_of(found.ids),
    )
    read = int(store.lengths[found.ids].sum())
    asked = float(found.counts.sum()) / max(1, read)
    mean = read / max(1, len(found.ids))
    flops = _flops(model, mean, asked)
    return {
        "vocabulary": len(tokenizer),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "documents": tokens.num_documents,
        "tokens": tokens.num_tokens,
        "bytes": tokens.num_bytes,
        "tokens_per_document": tokens.num_tokens / max(1, tokens.num_documents),
        "bytes_per_token": tokens.num_bytes / max(1, tokens.num_tokens),
        "figures": figures,
        "tokens_per_second": read / seconds,
        "flops_per_token": flops,
        "flops_per_byte": flops * (tokens.num_tokens + 2 * len(store.lengths)) / max(1, tokens.num_bytes),
    }


def _flops(model: PreTrainedModel, length: float, asked: float) -> float:
    """Of one token's way forward: the layers, and the share of tokens that are asked for through the vocabulary."""
    from acclimate.models.finding import family_of

    family = family_of(model.config)
    return family.flops(model, round(length)) + asked * 2 * family.vocabulary(model)[0].numel()
