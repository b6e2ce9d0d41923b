"""The endpoints: check the question, ask the service, put the answer into its typed form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from acclimate.serve import page
from acclimate.serve.answers import Classified, Embedded, Filled, Query
from acclimate.serve.layout import unknown_task
from acclimate.serve.refusals import Refusal, unprocessable
from acclimate.serve.schemas import (
    Candidate,
    Embedding,
    EmbedRequest,
    EmbedResponse,
    FillMaskRequest,
    FillMaskResponse,
    Mask,
    ModelsResponse,
    Prediction,
    PredictRequest,
    PredictResponse,
    Problem,
    State,
    TaskInfo,
    TextPair,
)
from acclimate.serve.service import Service

_REASONS = {
    401: "The key is missing or wrong.",
    404: "No such task, or nothing here that answers this.",
    408: "The body did not arrive in time.",
    413: "The body, the number of texts or a text is too large.",
    422: "The request is not as it should be.",
    429: "The queue is full; Retry-After says when to try again.",
    503: "The models are being loaded, or the server is stopping.",
    504: "No answer within the deadline.",
}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": words} for status, words in _REASONS.items()
}


def model_routes(service: Service) -> APIRouter:
    """What needs the models: /v1."""
    routes = APIRouter(prefix="/v1", responses=_PROBLEMS)

    @routes.get("/models")
    async def models() -> ModelsResponse:
        """What this server can do."""
        held = service.models
        return ModelsResponse(
            name=service.layout.name,
            tasks=[
                TaskInfo(name=task.name, labels=list(task.labels), multi_label=task.multi_label)
                for task in service.layout.tasks
            ],
            mask_token=held.fill_mask.mask_token if held.fill_mask else None,
            embeddings=True,
            precision=held.embed.loaded.inference.precision,
        )

    @routes.post("/predict")
    async def predict(body: PredictRequest, request: Request) -> PredictResponse:
        """Classify texts."""
        lanes = service.models.classify
        name = _task(body.task, list(lanes), service.layout.others)
        source = lanes[name].loaded.source
        queries = [
            Query(one.text, one.pair) if isinstance(one, TextPair) else Query(one) for one in body.texts
        ]
        results: list[Classified] = await service.ask(lanes[name], queries, request)
        return PredictResponse(
            task=name,
            multi_label=source.multi_label,
            predictions=[_prediction(one, source.labels, source.multi_label, body.scores) for one in results],
        )

    @routes.post("/fill-mask")
    async def fill_mask(body: FillMaskRequest, request: Request) -> FillMaskResponse:
        """Propose tokens for each mask in a text."""
        lane = service.models.fill_mask
        if lane is None:
            raise Refusal(404, "no_model", "no masked language model is served here")
        if body.top > service.limits.max_top:
            raise unprocessable(
                f"top: at most {service.limits.max_top} proposals are given, {body.top} were asked"
            )
        result: Filled = (await service.ask(lane, [Query(body.text, top=body.top)], request))[0]
        masks = [
            Mask(start=start, candidates=[Candidate(**one._asdict()) for one in proposals])
            for (_, start), proposals in zip(result.item.masks, result.proposals, strict=True)
        ]
        return FillMaskResponse(masks=masks, tokens=result.item.num_tokens, truncated=result.item.truncated)

    @routes.post("/embed")
    async def embed(body: EmbedRequest, request: Request) -> EmbedResponse:
        """Turn texts into vectors."""
        results: list[Embedded] = await service.ask(
            service.models.embed, [Query(text) for text in body.texts], request
        )
        embeddings = [
            Embedding(
                vector=_scaled(one.vector, body.normalize),
                tokens=one.item.num_tokens,
                truncated=one.item.truncated,
            )
            for one in results
        ]
        return EmbedResponse(dimension=len(embeddings[0].vector), embeddings=embeddings)

    return routes


def life_routes(service: Service) -> APIRouter:
    """Life signs, the description of the metrics, and the page."""
    routes = APIRouter()

    @routes.get("/livez")
    async def live() -> State:
        """Whether the process is alive."""
        return State(status="ok")

    @routes.get("/readyz", responses={503: {"model": State, "description": "Loading, stopping or failed."}})
    async def ready() -> Response:
        """Whether requests are answered now."""
        status = service.status
        return JSONResponse(State(status=status).model_dump(), status_code=200 if status == "ready" else 503)

    @routes.get("/metrics", response_class=Response, responses={401: _PROBLEMS[401]})
    async def metrics() -> Response:
        """Counters for Prometheus."""
        return Response(service.metrics.render(), media_type=service.metrics.content_type)

    @routes.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def front() -> Response:
        return HTMLResponse(page.html(), headers=page.headers())

    return routes


def _task(asked: str | None, names: Sequence[str], others: Mapping[str, str]) -> str:
    """The task that is meant. others: those that are not served → what they do instead."""
    if asked is not None and asked in others:
        served = f"served: {', '.join(sorted(names))}" if names else "no task is served here"
        raise Refusal(
            404, "task_not_served", f"the task {asked!r} {others[asked]}, and is not served; {served}"
        )
    if not names:
        raise Refusal(404, "no_model", "no task is served here")
    if asked is None:
        if len(names) > 1:
            raise unprocessable(f"task: several are served, name one of: {', '.join(sorted(names))}")
        return names[0]
    if asked not in names:
        raise Refusal(404, "unknown_task", unknown_task(asked, names))
    return asked


def _prediction(result: Classified, labels: Sequence[str], multi_label: bool, scores: bool) -> Prediction:
    order = np.argsort(-result.probabilities, kind="stable")
    ranked = {labels[i]: float(result.probabilities[i]) for i in order}
    best = labels[order[0]]
    return Prediction(
        label=best,
        probability=ranked[best],
        labels=[label for label, p in ranked.items() if p >= 0.5] if multi_label else None,
        scores=ranked if scores else None,
        tokens=result.item.num_tokens,
        truncated=result.item.truncated,
    )


def _scaled(vector: Any, normalize: bool) -> list[float]:
    if normalize:
        vector = vector / max(float(np.linalg.norm(vector.astype(np.float64))), 1e-12)
    return [float(x) for x in vector]
