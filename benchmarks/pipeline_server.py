"""The peer of `acclimate serve`: a plain FastAPI service around a Transformers pipeline, as tutorials write it.

    python pipeline_server.py FOLDER THREADS WAY

WAY is how requests reach the pipeline: `pool` gives each a thread of FastAPI's pool, `queue` lets one in at a time.
The service prints its address and then `ready`.
"""

from __future__ import annotations

import socket
import sys
import threading
from typing import Any

import torch
import transformers
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Request(BaseModel):
    texts: list[str]


def app(folder: str, way: str) -> FastAPI:
    classifier = transformers.pipeline("text-classification", model=folder, device="cpu")
    classifier("warm up")
    turn = threading.Lock()
    service = FastAPI()

    @service.post("/predict")
    def predict(body: Request) -> list[dict[str, Any]]:
        if way == "pool":
            return classifier(body.texts)
        with turn:
            return classifier(body.texts)

    return service


def main() -> None:
    folder, threads, way = sys.argv[1:]
    torch.set_num_threads(int(threads))
    transformers.utils.logging.disable_progress_bar()
    service = app(folder, way)
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        print(f"http://127.0.0.1:{bound.getsockname()[1]}", flush=True)
        print("ready", flush=True)
        uvicorn.Server(uvicorn.Config(service, log_level="warning", access_log=False)).run(sockets=[bound])


if __name__ == "__main__":
    main()
