"""The application, and the function behind `acclimate serve`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI, Security
from fastapi.security import HTTPBearer

from acclimate.errors import UserError
from acclimate.serve.body import BoundedBody
from acclimate.serve.integrity import check_digests
from acclimate.serve.layout import Layout, find_models
from acclimate.serve.limits import Limits
from acclimate.serve.metrics import Counted
from acclimate.serve.responses import add_handlers
from acclimate.serve.routes import life_routes, model_routes
from acclimate.serve.security import Access, check_exposure
from acclimate.serve.server import GracefulServer, bind, url
from acclimate.serve.service import Service

if TYPE_CHECKING:
    from acclimate.models.inference import Wanted


def create_app(
    models: Layout | Service,
    limits: Limits | None = None,
    *,
    key: str | None = None,
    device: str | None = None,
    precision: Wanted = "auto",
) -> FastAPI:
    """The ASGI application. The models are loaded in the background when it starts, and `/readyz` tells when.

    A request passes: counting → who asks → bounded body → endpoint.
    """
    limits = models.limits if isinstance(models, Service) else limits or Limits()
    service = (
        models if isinstance(models, Service) else Service(models, limits, device=device, precision=precision)
    )

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await asyncio.to_thread(service.close)

    # The usual documentation pages load scripts from elsewhere; /openapi.json and the page at / do not.
    app = FastAPI(
        title=f"Acclimate: {service.layout.name}",
        version=metadata.version("acclimate"),
        docs_url=None,
        redoc_url=None,
        lifespan=life,
        generate_unique_id_function=lambda route: route.name,
    )
    guard = [Security(HTTPBearer(auto_error=False))] if key is not None else []
    app.include_router(model_routes(service), dependencies=guard)
    app.include_router(life_routes(service))
    add_handlers(app)
    app.add_middleware(BoundedBody, max_bytes=limits.max_body_bytes, seconds=limits.body_seconds)
    app.add_middleware(Access, key=key)
    app.add_middleware(Counted, metrics=service.metrics)
    app.state.service = service
    return app


def serve(
    folder: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    key: str | None = None,
    limits: Limits | None = None,
    device: str | None = None,
    precision: Wanted = "auto",
    tell: Callable[[str], None] | None = None,
) -> None:
    """Serve a run folder or a model folder until SIGTERM or Ctrl-C; then finish what is queued and return.

    Port 0 takes a free one. `tell` gets a line when the address is known and one when the models are ready.
    Raises UserError, before anything is bound, for a folder that cannot be served or a host that others reach
    without a key; later, for models that cannot be loaded.
    """
    say = tell or (lambda line: None)
    check_exposure(host, key)
    layout = find_models(folder)
    check_digests(layout)
    service = Service(layout, limits or Limits(), device=device, precision=precision)
    server = GracefulServer(create_app(service, key=key), service)
    with bind(host, port) as socket:
        address = url(socket)
        say(f"{address} · loading {layout.name}")
        if layout.others:
            say(f"not served: {layout.not_served}; of tasks, those that classify texts are")
        service.on_change = lambda changed: (
            say(f"{address} · ready, in {changed.models.embed.loaded.inference.precision}")
            if changed.status == "ready"
            else server.stop()
        )
        server.run_until_signal(socket)
    if isinstance(service.error, UserError):
        raise service.error
    if service.error is not None:
        raise RuntimeError(f"{layout.root}: the models could not be loaded") from service.error
