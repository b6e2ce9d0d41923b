"""Refusals and errors as responses: always JSON of the form `Problem`."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from acclimate.serve.refusals import Refusal, unprocessable
from acclimate.serve.schemas import TEXT_TAGS

_PLAIN_WORDS = {
    "string_pattern_mismatch": "the text is empty",
    "string_too_short": "the text is empty",
    "string_unicode": "the text holds a lone surrogate and is no valid Unicode",
    "json_invalid": "not valid JSON",
    "extra_forbidden": "unknown key",
    "missing": "this key is needed and missing",
}


def refused(refusal: Refusal) -> JSONResponse:
    """The response for a refusal."""
    return JSONResponse(refusal.problem.model_dump(), status_code=refusal.status, headers=refusal.headers)


def explain(error: RequestValidationError) -> str:
    """All problems of a body in one line, each with its place: `texts.0: …`. The values are not repeated."""
    return "; ".join(f"{_place(one)}: {_words(one)}" for one in error.errors())


def _place(one: dict[str, Any]) -> str:
    if one["type"] == "json_invalid":
        return f"body, character {one['loc'][-1]}"
    parts = [str(part) for part in one["loc"] if part not in TEXT_TAGS]
    return ".".join(parts[1:]) or "body"


def _words(one: dict[str, Any]) -> str:
    kind = str(one["type"])
    if kind in ("model_type", "model_attributes_type"):
        if one["loc"] == ("body",):
            return "expected a JSON object, sent with Content-Type: application/json"
        return "expected a string or an object with the keys text and pair"
    return _PLAIN_WORDS.get(kind, str(one["msg"]))


def add_handlers(app: FastAPI) -> None:
    """Every way in which a request may fail answers as `Problem`."""

    @app.exception_handler(Refusal)
    async def _refusal(_: Request, error: Refusal) -> JSONResponse:
        return refused(error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return refused(unprocessable(explain(error)))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        words = {404: f"there is nothing at {request.url.path}", 400: "the body could not be read as JSON"}
        codes = {404: "not_found", 405: "method_not_allowed", 400: "invalid_body"}
        refusal = Refusal(
            error.status_code,
            codes.get(error.status_code, "error"),
            words.get(error.status_code, str(error.detail)),
            headers=dict(error.headers or {}),
        )
        return refused(refusal)

    @app.exception_handler(Exception)
    async def _bug(_: Request, __: Exception) -> JSONResponse:
        # The traceback goes to the log through the server; the client learns no inner detail.
        return refused(Refusal(500, "internal", "an error of this server; its log says more"))
