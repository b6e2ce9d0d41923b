"""Tiny real models in Hugging Face layout, and a real server in a process of its own."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

torch.set_num_threads(1)

SENTENCES = [
    "The court dismissed the appeal of the tenant.",
    "A new vaccine lowers the risk of infection in children.",
    "The striker scored twice before half time.",
    "Interest rates rose again as the central bank fought inflation.",
    "法院驳回了租户的上诉。",
    "央行再次加息以抑制通货膨胀。",
    "新疫苗降低了儿童感染的风险。",
    "前锋在半场结束前两次破门。",
] * 4
LABELS = ["law", "health", "sport", "经济"]


def _tokenizer(folder: Path, *, max_length: int, segments: bool, spaced_mask: bool) -> Any:
    from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(
        SENTENCES, trainers.WordPieceTrainer(vocab_size=300, special_tokens=special)
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=max_length,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token=AddedToken("[MASK]", special=True, normalized=False, lstrip=spaced_mask),
        model_input_names=["input_ids", *(["token_type_ids"] if segments else []), "attention_mask"],
    )
    fast.save_pretrained(folder)
    return fast


def make_model(
    folder: Path,
    kind: str,
    *,
    labels: list[str] | None = None,
    multi_label: bool = False,
    max_length: int = 64,
    segments: bool = True,
    spaced_mask: bool = False,
) -> Path:
    """A small BERT with random weights large enough that its answers differ between texts."""
    from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification, BertModel

    tokenizer = _tokenizer(folder, max_length=max_length, segments=segments, spaced_mask=spaced_mask)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=max_length,
        initializer_range=0.5,
    )
    if labels:
        config.id2label = dict(enumerate(labels))
        config.label2id = {name: number for number, name in enumerate(labels)}
        config.problem_type = "multi_label_classification" if multi_label else "single_label_classification"
    classes = {"mlm": BertForMaskedLM, "classification": BertForSequenceClassification, "encoder": BertModel}
    with torch.random.fork_rng():
        torch.manual_seed(7)
        classes[kind](config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a masked language model, a task and a task with several labels at once."""
    root = tmp_path_factory.mktemp("runs") / "news" / "20260101-000000-0123abcd"
    make_model(root / "model", "mlm")
    make_model(root / "tasks" / "topic" / "model", "classification", labels=LABELS)
    make_model(root / "tasks" / "tags" / "model", "classification", labels=LABELS, multi_label=True)
    return root


@pytest.fixture
def make() -> Callable[..., Path]:
    return make_model


@dataclass
class Server:
    """A server under test and a client of it."""

    url: str
    client: httpx.Client

    def counted(self, name: str, **labels: str) -> float:
        """Sum of a counter's values with these labels, from /metrics."""
        total = 0.0
        for line in self.client.get("/metrics").text.splitlines():
            if line.startswith(name) and all(f'{k}="{v}"' in line for k, v in labels.items()):
                total += float(line.rsplit(" ", 1)[1])
        return total


@dataclass
class Process(Server):
    """A server in a process of its own, for what signals do."""

    process: subprocess.Popen[str]

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@contextmanager
def running(folder: Path, *, key: str | None = None, **limits: Any) -> Iterator[Server]:
    """A server on a free port, in a thread of this process, warmed up."""
    from acclimate.serve.app import create_app
    from acclimate.serve.layout import find_models
    from acclimate.serve.limits import Limits
    from acclimate.serve.server import GracefulServer, bind, url
    from acclimate.serve.service import Service

    service = Service(find_models(folder), Limits(**limits), device="cpu")
    ready = threading.Event()
    service.on_change = lambda _: ready.set()
    server = GracefulServer(create_app(service, key=key), service)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with bind("127.0.0.1", 0) as bound:
        address = url(bound)
        thread = threading.Thread(target=server.run_until_signal, args=(bound,))
        thread.start()
        try:
            assert ready.wait(30)
            assert service.error is None
            with httpx.Client(
                base_url=address, timeout=20, headers=headers, trust_env=False, verify=False
            ) as client:
                yield Server(address, client)
        finally:
            server.stop()
            thread.join(30)
            assert not thread.is_alive()


_PROGRAM = """
import sys, json
from acclimate.serve.app import serve
from acclimate.serve.limits import Limits
limits = Limits(**json.loads(sys.argv[2]))
serve(sys.argv[1], port=0, device="cpu", limits=limits, tell=lambda line: print(line, flush=True))
"""


@contextmanager
def process(folder: Path, **limits: Any) -> Iterator[Process]:
    """A server on a free port, in a process of its own, warmed up."""
    command = [sys.executable, "-c", _PROGRAM, str(folder), json.dumps(limits)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as started:
        try:
            match = re.match(r"(http://\S+)", _line(started))
            assert match
            with httpx.Client(base_url=match[1], timeout=20, trust_env=False, verify=False) as client:
                assert re.search(r"ready, in (fp32|bf16|int8)$", _line(started).rstrip())
                yield Process(match[1], client, started)
        finally:
            if started.poll() is None:
                started.kill()


def _line(process: subprocess.Popen[str]) -> str:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if select.select([process.stdout], [], [], 0.2)[0]:
            assert process.stdout is not None
            line = process.stdout.readline()
            if line:
                return line
        if process.poll() is not None:
            assert process.stderr is not None
            raise AssertionError(f"the server ended with {process.returncode}: {process.stderr.read()}")
    raise AssertionError("the server said nothing for 60 s")


@pytest.fixture(name="running", scope="session")
def _running() -> Callable[..., Any]:
    return running


@pytest.fixture(name="process", scope="session")
def _process() -> Callable[..., Any]:
    return process


@pytest.fixture(scope="session")
def server(run_folder: Path) -> Iterator[Server]:
    """One server for all tests that do not end it."""
    with running(run_folder, max_texts=32, max_characters=3000, max_body_bytes=200_000) as found:
        yield found
