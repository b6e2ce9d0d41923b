"""The sides of answering: this package's engine, the pipeline of Transformers, ONNX Runtime, sentence-transformers.

Each gets texts and gives arrays, tokenisation included, with the same weights: a BERT classifier of two classes. Speed
does not depend on what weights say, so they are random, but for a head that is scaled until answers differ.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from acclimate.artifacts import durable
from acclimate.models.building import Labels
from acclimate.models.families.bert import Bert
from acclimate.models.family import Vocabulary
from acclimate.serve.export import export_onnx
from acclimate.serve.limits import Limits
from acclimate.tokenizer.loading import load_tokenizer
from machine import Clock
from session import Session
from text import VOCABULARY, Labelled, read, sst2, tokenizer_folder

Answer = Callable[[Sequence[str]], NDArray[Any]]


def sentences(data: Path) -> Labelled:
    """SST-2's whole sentences with their labels: the development part and then the labelled test part."""
    rows = [line.rpartition("\t") for line in read(data / "sst2/test_labeled.tsv.gz").split("\n")[1:] if line]
    development = sst2(data, "test")
    texts = [*development.texts, *(text.strip() for text, _, _ in rows)]
    labels = [*development.labels.tolist(), *(int(label) for _, _, label in rows)]
    return Labelled(texts, np.array(labels, np.int64))


def texts_file(data: Path, scratch: Path) -> Path:
    """The sentences as a JSON file, for other processes."""
    path = durable.new_folder(scratch) / "sentences.json"
    durable.write_json(path, sentences(data).texts)
    return path


def fresh_classifier(size: str, tokenizer: Any) -> Any:
    """With random weights and as many rows as BERT's vocabulary has."""
    return Bert(size=size).build(
        vocabulary=Vocabulary(VOCABULARY, int(tokenizer.pad_token_id)),
        seed=17,
        kind="classification",
        labels=Labels(("negative", "positive")),
    )


def model_folder(size: str, data: Path, scratch: Path) -> Path:
    """A classifier with random weights and its tokenizer, made where it is missing."""
    source = tokenizer_folder(data, scratch)
    folder = scratch / f"classifier-{size}-{source.name.removeprefix('tokenizer-')}"

    def fill(draft: Path) -> None:
        tokenizer = load_tokenizer(source)
        model = fresh_classifier(size, tokenizer)
        with torch.no_grad():
            model.classifier.weight.mul_(30)
        model.save_pretrained(draft)
        tokenizer.save_pretrained(draft)

    if not folder.is_dir():
        durable.replace_folder(folder, fill)
    return folder


def onnx_folder(model: Path, precision: str) -> Path:
    """The model as ONNX, made by `acclimate export` where it is missing."""
    folder = model.with_name(f"{model.name}-{precision}")
    if not folder.is_dir():
        export_onnx(model, folder, precision=precision)  # type: ignore[arg-type]
    return folder


def pipeline(specification: dict[str, Any]) -> Answer:
    """`transformers.pipeline`, every text given at once as one batch."""
    import transformers

    pipe = transformers.pipeline(
        "text-classification",
        model=specification["model"],
        device="cpu",
        dtype={"fp32": torch.float32, "bf16": torch.bfloat16}[specification["precision"]],
    )

    def answer(texts: Sequence[str]) -> NDArray[Any]:
        found = pipe(list(texts), batch_size=specification.get("batch", len(texts)), top_k=None)
        return np.array(
            [[row["score"] for row in sorted(one, key=lambda row: row["label"])] for one in found]
        )

    return answer


def onnx(specification: dict[str, Any]) -> Answer:
    """A bare ONNX Runtime session behind the tokenizer's Rust core: no Transformers in the way."""
    from onnxruntime import InferenceSession, SessionOptions
    from tokenizers import Tokenizer

    folder = Path(specification["onnx"])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(128)
    options = SessionOptions()
    options.intra_op_num_threads = specification["threads"]
    session = InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])

    def answer(texts: Sequence[str]) -> NDArray[Any]:
        encoded = tokenizer.encode_batch_fast(list(texts))
        shape = len(encoded), max(len(one.ids) for one in encoded)
        ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, one in enumerate(encoded):
            ids[row, : len(one.ids)] = one.ids
            mask[row, : len(one.ids)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros(shape, np.int64)}
        logits = session.run(None, inputs)[0]
        powers = np.exp(logits - logits.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)

    return answer


def engine(specification: dict[str, Any]) -> Answer:
    """The lane that the server runs a request's texts through."""
    from acclimate.serve.answers import Query
    from acclimate.serve.engine import load
    from acclimate.serve.layout import find_models

    models = load(find_models(specification["model"]), "cpu", precision=specification["precision"])
    (lane,) = models.classify.values()

    def answer(texts: Sequence[str]) -> NDArray[Any]:
        results = lane.run(lane.encode([Query(text) for text in texts]))
        return np.stack([one.probabilities for one in results])

    return answer


def predictor(specification: dict[str, Any]) -> Answer:
    """The same lane for a file of texts, in passes as large as the server's."""
    answer, size = engine(specification), Limits().max_batch_texts

    def whole(texts: Sequence[str]) -> NDArray[Any]:
        return np.concatenate([answer(texts[first : first + size]) for first in range(0, len(texts), size)])

    return whole


def evaluation(specification: dict[str, Any]) -> Answer:
    """`transfer.classifying`, which judges a task's test examples."""
    from acclimate.models.loading import load_model
    from acclimate.pipeline.setup_torch import prepare
    from acclimate.recipe.sections import Hardware
    from acclimate.transfer.classes.classifying import Classifying
    from acclimate.transfer.examples.preparing import Examples

    machine = prepare(Hardware(threads=specification["threads"], precision=specification["precision"]))
    tokenizer = load_tokenizer(specification["model"])
    model = load_model(specification["model"], "classification")

    at_work = Classifying(tokenizer, num_classes=2, sequence_length=128)

    def answer(texts: Sequence[str]) -> NDArray[Any]:
        asked = Examples([""] * len(texts), list(texts), None, np.zeros(len(texts), np.int64))
        told = at_work.answers(model, asked, precision=machine.precision, device=machine.device)
        return torch.from_numpy(told["scores"]).softmax(-1).numpy()

    return answer


def embedder(specification: dict[str, Any]) -> Answer:
    """The lane behind `/v1/embed`: the mean of the last layer."""
    from acclimate.serve.answers import Query
    from acclimate.serve.engine import load
    from acclimate.serve.layout import find_models

    lane = load(find_models(specification["model"]), "cpu", precision=specification["precision"]).embed
    size = specification["batch"]

    def answer(texts: Sequence[str]) -> NDArray[Any]:
        vectors = []
        for first in range(0, len(texts), size):
            queries = [Query(text) for text in texts[first : first + size]]
            vectors += [one.vector for one in lane.run(lane.encode(queries))]
        return np.stack(vectors)

    return answer


def sentence_transformers(specification: dict[str, Any]) -> Answer:
    """`SentenceTransformer.encode` with mean pooling; it sorts the texts by length itself."""
    from sentence_transformers import SentenceTransformer, models

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[specification["precision"]]
    body = models.Transformer(specification["model"], max_seq_length=128, model_args={"dtype": dtype})
    encoder = SentenceTransformer(
        modules=[body, models.Pooling(body.get_word_embedding_dimension())], device="cpu"
    )

    def answer(texts: Sequence[str]) -> NDArray[Any]:
        found = encoder.encode(list(texts), batch_size=specification["batch"], show_progress_bar=False)
        return np.asarray(found, np.float32)

    return answer


_SIDES = (pipeline, onnx, engine, predictor, evaluation, embedder, sentence_transformers)
SIDES = {one.__name__: one for one in _SIDES}


def candidate(specification: dict[str, Any], session: Session) -> None:
    """specification: side, precision, texts (a JSON file, of which only the first `most` are taken), threads, and what
    the side needs: model, onnx, batch, sort.

    Commands: {"batch": b, "seconds": s} answers batches of b texts, or all of them where b is null, for about s
    seconds; {"answers": n, "batch": b, "to": file} saves the answers to the first n texts as an array.
    """
    torch.set_num_threads(specification["threads"])
    texts = json.loads(Path(specification["texts"]).read_text("utf-8"))[: specification.get("most")]
    answer = SIDES[specification["side"]](specification)
    for _ in range(3):
        answer(texts[:32])
        answer(texts[:1])
    session.answer(ready=True)
    place = 0
    while True:
        order = session.command()
        size = order["batch"] or len(texts)
        if "answers" in order:
            some = texts[: order["answers"]]
            found = [answer(some[first : first + size]) for first in range(0, len(some), size)]
            np.save(order["to"], np.concatenate(found))
            session.answer(saved=True)
            continue
        for _ in range(2):  # not timed: caches still hold what the candidate before left
            answer(texts[: min(size, 64)])
        latencies: list[float] = []
        began = Clock.now()
        while not latencies or sum(latencies) < order["seconds"]:
            part = texts[place : place + size]
            place = place + size if place + 2 * size <= len(texts) else 0
            before = time.perf_counter()
            answer(part)
            latencies.append(time.perf_counter() - before)
        times = Clock.now().since(began)
        p50, p99 = np.percentile(latencies, [50, 99]) * 1000
        session.answer(texts=len(latencies) * size, p50=p50, p99=p99, **times)
