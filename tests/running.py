"""A real service on a real port of this machine, inside the test's process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import uvicorn

from classify.service.app import create_app
from classify.service.command import bind, url_of
from classify.service.connections import make_server
from classify.service.keys import Keyring
from classify.service.retraining import Job
from classify.service.service import Service
from classify.service.training import TrainingProcess
from classify.service.watched_job import Check
from curate.apart import curate_apart
from curate.view import read_gallery
from curate.work import WORK
from head.job import retrain
from head.options import RetrainOptions
from holotype.client import ServiceClient
from holotype.settings import Settings
from tests.fakes import ColourEncoder

if TYPE_CHECKING:
    from head.steps import Tell
    from holotype.encoder.protocol import Encoder
    from holotype.store.port import VectorStore

PATIENCE_S = 30.0


class TrainingHere:
    """The retrain job without its process: quick, and the same job."""

    def __init__(self, store: VectorStore) -> None:
        self._store = store

    def run(self, options: RetrainOptions, tell: Tell, check: Check) -> Mapping[str, Any]:
        """Train in this thread."""
        return retrain(self._store, options, tell=tell, check=check).to_dict()

    def stop(self) -> None:
        """It cannot be ended early."""


def curate_here(
    store: VectorStore, kind: str, options: Mapping[str, Any], *, tell: Tell, look: Check
) -> Mapping[str, Any]:
    """Curation without its process: quick, and the same work."""
    look()
    return WORK[kind](read_gallery(store), options, tell)


@dataclass(frozen=True)
class Running:
    """A service that answers."""

    url: str
    service: Service
    http: httpx.Client
    """Speaks to it as any program would."""
    server: uvicorn.Server
    thread: threading.Thread

    def client(self, api_key: str | None = None) -> ServiceClient:
        """The client of this project."""
        return ServiceClient(self.url, api_key=api_key, patience_s=PATIENCE_S)

    def end(self) -> None:
        """Do what a signal does, and wait for it."""
        self.server.should_exit = True
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive(), "the server did not end"


@contextmanager
def running(
    store: VectorStore,
    *,
    encoder: Encoder | None = None,
    keys: str = "",
    job: Job | None = None,
    in_process: bool = False,
    listener: socket.socket | None = None,
    **settings: Any,
) -> Iterator[Running]:
    """Serve `store` on a free port until the block ends.

    Args:
        store: open; stays open.
        encoder: a `ColourEncoder` unless given; none where vectors come from elsewhere.
        keys: as in `HOLOTYPE_API_KEYS`.
        job: the retrain job.
        in_process: jobs in processes of their own, as a service has them.
        listener: where to serve, from `bind`; a free port of this machine unless given.
        settings: of the service.
    """
    job = job or (TrainingProcess(store) if in_process else TrainingHere(store))
    chosen = Settings.load(**settings)
    if store.fingerprint.space is None:
        encoder = encoder or ColourEncoder()
    curate = partial(curate_apart if in_process else curate_here, store)
    service = Service(store=store, encoder=encoder, settings=chosen, retrain=job, curate=curate)
    app = create_app(service, keyring=Keyring.parse(keys))
    listener = listener or bind("127.0.0.1", 0)
    url = url_of(listener)
    server = make_server(app, chosen)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name="server", daemon=True
    )
    listener.listen(128)  # who connects before the server runs waits for it
    thread.start()
    kept = httpx.Limits(max_keepalive_connections=None, keepalive_expiry=None)
    asking = httpx.Client(base_url=url, timeout=PATIENCE_S, trust_env=False, limits=kept)
    with listener, asking as http:
        assert http.get("/healthz").json()["status"] == "ok"
        here = Running(url, service, http, server, thread)
        try:
            yield here
        finally:
            here.end()
