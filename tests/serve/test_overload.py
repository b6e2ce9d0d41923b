"""A real server with too much to do, and at its end."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from acclimate.errors import UserError
from acclimate.serve.app import serve

LONG = "court " * 60


def _embed(server: Any, number: int = 1) -> httpx.Response:
    with httpx.Client(base_url=server.url, timeout=20, trust_env=False, verify=False) as client:
        return client.post("/v1/embed", json={"texts": [LONG] * number})


def test_a_full_queue_answers_429_and_says_when_to_come_back(
    running: Callable[..., Any], run_folder: Path
) -> None:
    # The worker waits half a second for company, so twelve requests of two texts surely meet in a queue of four.
    with (
        running(run_folder / "model", max_queue=4, max_texts=4, wait_milliseconds=500) as server,
        ThreadPoolExecutor(12) as pool,
    ):
        answers = list(pool.map(lambda _: _embed(server, 2), range(12)))
        counts = Counter(answer.status_code for answer in answers)
        assert set(counts) == {200, 429}
        assert counts[200] >= 2
        for answer in answers:
            if answer.status_code == 429:
                assert int(answer.headers["Retry-After"]) >= 1
                assert answer.json()["error"] == "queue_full"
        assert server.counted("acclimate_requests_total", status="429") == counts[429]
        assert _embed(server).status_code == 200, "the queue has room again"


def test_past_the_deadline_the_answer_is_504_and_the_work_is_dropped(
    running: Callable[..., Any], run_folder: Path
) -> None:
    with running(run_folder / "model", deadline_seconds=0.2, wait_milliseconds=800) as server:
        start = time.monotonic()
        answer = _embed(server, 3)
        assert answer.status_code == 504
        assert answer.json()["error"] == "deadline"
        assert 0.2 <= time.monotonic() - start < 0.8
        assert server.counted("acclimate_dropped_texts_total", reason="deadline") == 3
        assert server.counted("acclimate_queue_texts") == 0
        time.sleep(1)
        assert server.counted("acclimate_batch_texts_count") == 0, "the dropped work ran all the same"


def test_a_client_that_leaves_frees_its_place(running: Callable[..., Any], run_folder: Path) -> None:
    with running(run_folder / "model", wait_milliseconds=3000) as server:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                server.url + "/v1/embed",
                json={"texts": ["a", "b"]},
                timeout=0.3,
                trust_env=False,
                verify=False,
            )
        end = time.monotonic() + 2
        while server.counted("acclimate_dropped_texts_total", reason="client_left") < 2:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert server.counted("acclimate_queue_texts") == 0
        assert server.counted("acclimate_requests_total", status="499") == 1


def test_a_body_that_does_not_come_is_given_up(running: Callable[..., Any], run_folder: Path) -> None:
    with running(run_folder / "model", body_seconds=0.3) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(
                b"POST /v1/embed HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                b"Content-Length: 100\r\n\r\n{"
            )
            assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_on_sigterm_every_accepted_request_is_answered_and_the_exit_code_is_0(
    process: Callable[..., Any], run_folder: Path
) -> None:
    num = 16
    with (
        process(run_folder / "model", wait_milliseconds=1500, max_queue=1000) as server,
        ThreadPoolExecutor(num + 4) as pool,
    ):
        waiting = [pool.submit(_embed, server, 2) for _ in range(num)]
        end = time.monotonic() + 5
        while server.counted("acclimate_queue_texts") < 2 * num:
            assert time.monotonic() < end
        server.process.send_signal(signal.SIGTERM)
        assert not any(one.done() for one in waiting), "nothing was under way when the signal came"
        # On a connection that is open already the refusal can be seen; new ones may find nobody listening.
        while (state := server.client.get("/readyz")).status_code == 200:
            pass
        assert state.json() == {"status": "stopping"}
        assert server.client.post("/v1/embed", json={"texts": ["late"]}).json()["error"] == "stopping"
        late = [pool.submit(_late, server) for _ in range(4)]
        answers = [one.result() for one in waiting]
        assert Counter(answer.status_code for answer in answers) == {200: num}
        assert all(len(answer.json()["embeddings"]) == 2 for answer in answers)
        assert {one.result() for one in late} <= {503, "refused"}
        assert server.process.wait(10) == 0
        assert server.process.stderr.read() == ""


def _late(server: Any) -> int | str:
    try:
        return _embed(server).status_code
    except (httpx.ConnectError, httpx.RemoteProtocolError, httpx.ReadError):
        return "refused"


def test_on_ctrl_c_an_idle_server_with_an_open_connection_ends_soon(
    process: Callable[..., Any], run_folder: Path
) -> None:
    with process(run_folder / "model") as server:
        assert server.client.get("/livez").status_code == 200
        start = time.monotonic()
        assert server.stop(signal.SIGINT) == 0
        assert time.monotonic() - start < 5


def test_before_the_models_are_there_requests_get_503(run_folder: Path) -> None:
    # In this process, with the loading thread held at its start, so that the moment is not a matter of luck.
    from fastapi.testclient import TestClient

    from acclimate.serve.app import create_app
    from acclimate.serve.layout import find_models
    from acclimate.serve.limits import Limits
    from acclimate.serve.service import Service

    held = threading.Event()

    class Held(Service):
        def _load(self) -> None:
            assert held.wait(10)
            super()._load()

    service = Held(find_models(run_folder), Limits(), device="cpu")
    with TestClient(create_app(service), base_url="http://127.0.0.1") as client:
        assert client.get("/livez").status_code == 200
        assert (client.get("/readyz").status_code, client.get("/readyz").json()) == (
            503,
            {"status": "loading"},
        )
        answer = client.post("/v1/embed", json={"texts": ["a"]})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        held.set()
        end = time.monotonic() + 30
        while client.get("/readyz").status_code != 200:
            assert time.monotonic() < end
            time.sleep(0.02)
        assert client.post("/v1/embed", json={"texts": ["a"]}).status_code == 200
        service.refuse_new()
        assert client.get("/readyz").json() == {"status": "stopping"}
        assert client.post("/v1/embed", json={"texts": ["a"]}).status_code == 503


def test_models_that_cannot_be_loaded_end_the_server_with_their_message(make: Any, tmp_path: Path) -> None:
    folder = make(tmp_path / "model", "encoder")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_size": 48, "num_attention_heads": 5}))
    with pytest.raises(UserError, match=f"{folder}: the model cannot be loaded"):
        serve(folder, port=0)
