"""Why a request is not answered as asked: one exception, one JSON form for all of them."""

from __future__ import annotations

from acclimate.serve.schemas import Problem


class Refusal(Exception):
    """Ends a request with a status and a message for the client."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.problem = Problem(error=code, message=message)
        self.headers = headers or {}


def too_large(message: str) -> Refusal:
    return Refusal(413, "too_large", message)


def unprocessable(message: str) -> Refusal:
    return Refusal(422, "invalid_request", message)


def unavailable(code: str, message: str, *, retry_after: int = 1) -> Refusal:
    return Refusal(503, code, message, headers={"Retry-After": str(retry_after)})


def queue_full(waiting: int, most: int, retry_after: int) -> Refusal:
    return Refusal(
        429,
        "queue_full",
        f"{waiting} texts are waiting and the queue holds {most}; try again in {retry_after} s",
        headers={"Retry-After": str(retry_after)},
    )


def too_late(seconds: float) -> Refusal:
    return Refusal(504, "deadline", f"no answer within {seconds:g} s; what still waited was dropped")
