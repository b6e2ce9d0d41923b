"""The endpoints of a real server, in a process of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from acclimate.errors import UserError
from acclimate.serve.app import serve


def _post(server: Any, path: str, **body: Any) -> httpx.Response:
    return server.client.post(path, json=body)  # type: ignore[no-any-return]


def _refused(response: httpx.Response, status: int, *words: str) -> None:
    assert response.status_code == status, response.text
    problem = response.json()
    assert set(problem) == {"error", "message"}
    for word in words:
        assert word in problem["message"]


def test_what_is_served_is_told(server: Any) -> None:
    told = server.client.get("/v1/models").json()
    assert told["name"] == "news"
    assert told["mask_token"] == "[MASK]"
    assert [task["name"] for task in told["tasks"]] == ["tags", "topic"]
    assert told["tasks"][1]["labels"] == ["law", "health", "sport", "经济"]


def test_predictions_come_in_order_with_scores_when_asked(server: Any) -> None:
    texts = ["The court dismissed the appeal.", {"text": "央行", "pair": "rates"}, "上诉 " * 100]
    plain = _post(server, "/v1/predict", task="topic", texts=texts).json()
    full = _post(server, "/v1/predict", task="topic", texts=texts, scores=True).json()
    assert full["task"] == "topic"
    assert [one["truncated"] for one in full["predictions"]] == [False, False, True]
    for short, one in zip(plain["predictions"], full["predictions"], strict=True):
        assert short["scores"] is None
        assert short["label"] == one["label"] == next(iter(one["scores"]))
        assert list(one["scores"].values()) == sorted(one["scores"].values(), reverse=True)
        assert sum(one["scores"].values()) == pytest.approx(1)
        assert one["scores"][one["label"]] == one["probability"] == pytest.approx(short["probability"])


def test_several_labels_may_hold_at_once(server: Any) -> None:
    answer = _post(server, "/v1/predict", task="tags", texts=["The court", "half time"], scores=True).json()
    assert answer["multi_label"]
    for one in answer["predictions"]:
        assert one["labels"] == [label for label, p in one["scores"].items() if p >= 0.5]


def test_masks_are_filled(server: Any) -> None:
    answer = _post(server, "/v1/fill-mask", text="法[MASK]驳回了 the [MASK].", top=3).json()
    assert [mask["start"] for mask in answer["masks"]] == [1, 15]
    assert all(len(mask["candidates"]) == 3 for mask in answer["masks"])


def test_vectors_are_scaled_when_asked(server: Any) -> None:
    plain = _post(server, "/v1/embed", texts=["court", "法院"]).json()
    scaled = _post(server, "/v1/embed", texts=["court", "法院"], normalize=True).json()
    assert plain["dimension"] == len(plain["embeddings"][0]["vector"]) == 32
    for a, b in zip(plain["embeddings"], scaled["embeddings"], strict=True):
        vector = np.array(a["vector"])
        np.testing.assert_allclose(b["vector"], vector / np.linalg.norm(vector), atol=1e-6)


def test_concurrent_answers_equal_those_given_alone(server: Any) -> None:
    texts = [
        f"The {word} {n}" for n in range(10) for word in ("court", "vaccine", "央行加息", "striker scored")
    ]
    alone = [_post(server, "/v1/predict", task="topic", texts=[t]).json()["predictions"][0] for t in texts]
    passes = server.counted("acclimate_batch_texts_count")
    with ThreadPoolExecutor(20) as pool:
        answers = list(
            pool.map(lambda t: _post(server, "/v1/predict", task="topic", texts=[t]).json(), texts)
        )
    for one, answer in zip(alone, answers, strict=True):
        assert answer["predictions"][0]["probability"] == pytest.approx(one["probability"], abs=1e-5)
        assert answer["predictions"][0]["label"] == one["label"]
    assert server.counted("acclimate_batch_texts_count") - passes < len(texts), "no two texts shared a pass"


BAD: dict[str, tuple[str, Any, int, str]] = {
    "unknown task": ("/v1/predict", {"task": "topik", "texts": ["a"]}, 404, "did you mean 'topic'?"),
    "no task named": ("/v1/predict", {"texts": ["a"]}, 422, "name one of: tags, topic"),
    "no texts": ("/v1/predict", {"task": "topic", "texts": []}, 422, "texts: "),
    "missing texts": ("/v1/predict", {"task": "topic"}, 422, "texts: this key is needed"),
    "empty text": (
        "/v1/predict",
        {"task": "topic", "texts": ["a", " \n"]},
        422,
        "texts.1: the text is empty",
    ),
    "not a text": (
        "/v1/predict",
        {"task": "topic", "texts": [5]},
        422,
        "texts.0: expected a string or an object",
    ),
    "bad pair": (
        "/v1/predict",
        {"task": "topic", "texts": [{"text": "a", "pair": 1}]},
        422,
        "texts.0.pair: ",
    ),
    "unknown key": (
        "/v1/predict",
        {"task": "topic", "texts": ["a"], "skores": True},
        422,
        "skores: unknown key",
    ),
    "guessed type": ("/v1/predict", {"task": "topic", "texts": ["a"], "scores": "yes"}, 422, "scores: "),
    "no mask": ("/v1/fill-mask", {"text": "nothing to fill"}, 422, "write [MASK]"),
    "top nought": ("/v1/fill-mask", {"text": "[MASK]", "top": 0}, 422, "top: "),
    "top too large": ("/v1/fill-mask", {"text": "[MASK]", "top": 101}, 422, "at most 100"),
    "too many texts": ("/v1/embed", {"texts": ["a"] * 33}, 413, "33 texts in one request; at most 32"),
    "too long": (
        "/v1/embed",
        {"texts": ["a", "b" * 3001]},
        413,
        "text 1 has 3,001 characters; at most 3,000",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_question_is_told_what_is_wrong(server: Any, name: str) -> None:
    path, body, status, words = BAD[name]
    _refused(server.client.post(path, json=body), status, words)


RAW: dict[str, tuple[bytes, int, str]] = {
    "not json": (b'{"texts": [', 422, "not valid JSON"),
    "nothing": (b"", 422, "body: "),
    "a list": (b"[1]", 422, "expected a JSON object"),
    "bad utf-8": (b'{"task": "topic", "texts": ["\xff"]}', 400, "could not be read"),
    "lone surrogate": (
        b'{"task": "topic", "texts": ["\\ud800"]}',
        422,
        "texts.0: the text holds a lone surrogate",
    ),
    "deep": (b"[" * 100_000, 400, "could not be read"),
    "nan": (b'{"task": "topic", "texts": [NaN]}', 422, "texts.0"),
}


@pytest.mark.parametrize("name", RAW)
def test_a_body_that_is_no_question_is_refused(server: Any, name: str) -> None:
    content, status, words = RAW[name]
    response = server.client.post(
        "/v1/predict", content=content, headers={"Content-Type": "application/json"}
    )
    _refused(response, status, words)


def test_another_content_type_is_refused(server: Any) -> None:
    """So that a page elsewhere cannot post here without asking the browser's leave first."""
    content = json.dumps({"task": "topic", "texts": ["a"]}).encode()
    response = server.client.post("/v1/predict", content=content, headers={"Content-Type": "text/plain"})
    _refused(response, 422, "Content-Type: application/json")


def test_unknown_places_and_methods_are_refused_in_the_same_form(server: Any) -> None:
    _refused(server.client.get("/nowhere"), 404, "/nowhere")
    _refused(server.client.get("/v1/predict"), 405)


def test_a_body_over_the_limit_is_refused_by_its_declared_length(server: Any) -> None:
    _refused(_post(server, "/v1/embed", texts=["a" * 200_000]), 413, "200,000 bytes")


def test_a_body_over_the_limit_is_refused_as_it_streams(server: Any) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 10_000
            yield b" " * 10_000

    _refused(server.client.post("/v1/embed", content=chunks()), 413, "200,000 bytes")
    assert sent > 200_000


def test_a_body_of_just_the_limit_passes(server: Any) -> None:
    body = b'{"texts": ["a"]}'
    content = body + b" " * (200_000 - len(body))
    headers = {"Content-Type": "application/json"}
    assert server.client.post("/v1/embed", content=content, headers=headers).status_code == 200
    _refused(server.client.post("/v1/embed", content=content + b" ", headers=headers), 413)


def test_a_foreign_host_name_is_refused_without_a_key(server: Any) -> None:
    _refused(server.client.get("/v1/models", headers={"Host": "evil.example:80"}), 421, "evil.example")
    for host in ("localhost:9", "127.0.0.1", "[::1]:80"):
        assert server.client.get("/livez", headers={"Host": host}).status_code == 200


def test_the_description_is_typed_and_names_every_refusal(server: Any) -> None:
    told = server.client.get("/openapi.json").json()
    assert {"/v1/predict", "/v1/fill-mask", "/v1/embed", "/livez", "/readyz", "/metrics"} <= set(
        told["paths"]
    )
    predict = told["paths"]["/v1/predict"]["post"]
    assert predict["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/PredictRequest")
    assert predict["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith(
        "/PredictResponse"
    )
    for status in ("404", "413", "422", "429", "503", "504"):
        content = predict["responses"][status]["content"]
        assert content["application/json"]["schema"]["$ref"].endswith("/Problem")
    schemas = told["components"]["schemas"]
    undescribed = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, one in schema.get("properties", {}).items()
        if "description" not in one
    ]
    assert not undescribed


def test_requests_are_counted_by_route_and_status(server: Any) -> None:
    before = server.counted("acclimate_requests_total", route="/v1/embed", status="200")
    tokens = server.counted("acclimate_tokens_total")
    answer = _post(server, "/v1/embed", texts=["court", "法院"]).json()
    server.client.get("/made-up")
    assert server.counted("acclimate_requests_total", route="/v1/embed", status="200") == before + 1
    seen = sum(one["tokens"] for one in answer["embeddings"])
    assert server.counted("acclimate_tokens_total") == tokens + seen
    assert server.counted("acclimate_ready") == 1
    assert server.counted("acclimate_requests_total", route="other") >= 1
    assert "made-up" not in server.client.get("/metrics").text


def test_of_a_task_that_is_not_served_it_is_told_what_it_does(
    running: Callable[..., Any], run_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(run_folder, tmp_path / "run")
    config = tmp_path / "run" / "tasks" / "tags" / "model" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text("utf-8")) | {"problem_type": "regression"}))
    with running(tmp_path / "run") as server:
        words = "the task 'tags' predicts numbers, and is not served; served: topic"
        _refused(_post(server, "/v1/predict", task="tags", texts=["a"]), 404, words)


def test_with_a_key_nobody_else_gets_in(running: Callable[..., Any], run_folder: Path) -> None:
    with running(run_folder / "tasks" / "topic" / "model", key="s3cret-key") as server:
        assert _post(server, "/v1/predict", texts=["a"]).status_code == 200
        _refused(_post(server, "/v1/fill-mask", text="[MASK]"), 404, "no masked language model")
        for wrong in (
            "",
            "Bearer",
            "Bearer wrong",
            "Bearer s3cret-key2",
            "Basic s3cret-key",
            "Bearer s3cret-kéy",
        ):
            headers = {"Authorization": wrong.encode("utf-8")}
            for method, path in (("POST", "/v1/predict"), ("GET", "/v1/models"), ("GET", "/metrics")):
                response = server.client.request(method, path, headers=headers)
                _refused(response, 401, "Authorization: Bearer KEY")
                assert response.headers["WWW-Authenticate"] == "Bearer"
        for path in ("/", "/livez", "/readyz", "/openapi.json"):
            assert httpx.get(server.url + path, trust_env=False, verify=False).status_code == 200
        assert server.client.get("/v1/models", headers={"Host": "models.example"}).status_code == 200
        assert "HTTPBearer" in server.client.get("/openapi.json").text
        assert "s3cret" not in server.client.get("/openapi.json").text


def test_another_interface_without_a_key_is_refused_before_anything_is_loaded(run_folder: Path) -> None:
    with pytest.raises(UserError, match="a key is needed"):
        serve(run_folder, host="0.0.0.0", port=0)


def test_a_taken_port_is_a_user_error(server: Any, run_folder: Path) -> None:
    port = int(server.url.rsplit(":", 1)[1])
    with pytest.raises(UserError, match=f"port {port}: Address already in use.*0 for a free one"):
        serve(run_folder, port=port)
    with pytest.raises(UserError, match="port 70000: expected"):
        serve(run_folder, port=70000)
