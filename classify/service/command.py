"""`classify serve`: the composition root of the service.

The port is bound first, so that one that is taken is said before weights load, and
listened on last, so that whoever connects is answered.
"""

from __future__ import annotations

import signal
import socket
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holotype import console
from holotype.console import ENCODER_OPTIONS, SERVING_OPTIONS, STORE_OPTIONS, takes_settings

if TYPE_CHECKING:
    import uvicorn

    from classify.service.keys import Keyring
    from holotype.settings import Settings

# Everything on standard error: standard output is for data.
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": console.LogLine,
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"level": "WARNING", "handlers": ["stderr"]},
}


@takes_settings(*SERVING_OPTIONS, *ENCODER_OPTIONS, *STORE_OPTIONS)
def serve(
    settings: Settings,
    insecure: Annotated[
        bool,
        typer.Option("--insecure", help="Serve on a public address without keys."),
    ] = False,
    create: Annotated[
        bool,
        typer.Option("--create", help="Make the gallery, empty, where it does not exist."),
    ] = False,
) -> None:
    """Serve the gallery over HTTP, with a page at /. Keys: HOLOTYPE_API_KEYS."""
    run(settings, insecure=insecure, create=create)


def run(settings: Settings, *, insecure: bool = False, create: bool = False) -> None:
    """Serve until a signal ends it; what was accepted is finished first.

    Raises:
        UsageError: the address is public and there is no key, or it cannot be listened on.
        GalleryMissing: it does not exist, and was not to be made.
        StoreLocked: another process owns the embedded store.
        HolotypeError: the encoder or the store cannot be had.
    """
    from classify.service.keys import Keyring, require_safe

    secret = settings.api_keys
    keyring = Keyring.parse("" if secret is None else secret.get_secret_value())
    require_safe(settings.host, keyring, insecure=insecure)
    with bind(settings.host, settings.port) as listener:
        _serve(settings, keyring, listener, create=create)


def bind(host: str, port: int) -> socket.socket:
    """A socket on that address, bound and not listening yet.

    Raises:
        UsageError: it is taken, or not one of this machine.
    """
    from holotype.errors import UsageError

    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise UsageError(
            f"cannot listen on {host} port {port}: {error.strerror}. "
            "Choose another --host or --port (0: any free one)"
        ) from error
    return listener


def url_of(listener: socket.socket) -> str:
    """Where programs on this machine reach a bound socket."""
    host, port = listener.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104  compared, not bound
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _serve(settings: Settings, keyring: Keyring, listener: socket.socket, *, create: bool) -> None:
    from logging.config import dictConfig

    from classify.service.linear_algebra import hold_to_one_thread

    hold_to_one_thread()  # first of all: what is imported below brings torch

    from classify.service.app import create_app
    from classify.service.connections import make_server
    from classify.service.service import Service
    from classify.service.training import TrainingProcess
    from curate.apart import curate_apart
    from holotype.access import Access
    from holotype.encoder import quick_start
    from holotype.gallery_encoder import load_for
    from holotype.store.factory import stored_fingerprint

    url = url_of(listener)
    stored = stored_fingerprint(settings)
    if stored is None and not create:
        _say_missing(settings)
    # Before the store is taken: until this process answers, others can work on the gallery.
    encoder = None  # vectors that come from elsewhere have none
    if stored is None or stored.space is None:
        encoder = load_for(settings, stored, quick_start.load_quickly)
    with Access(
        settings,
        command="classify serve",
        load=lambda given: encoder or quick_start.load_quickly(given),
        here=True,
        serves_at=url,
    ) as access:
        store = access.made_store()
        service = Service(
            store=store,
            encoder=None if store.fingerprint.space else access.encoder(),
            settings=settings,
            retrain=TrainingProcess(store, beside=settings.home),
            curate=partial(curate_apart, store, folder=settings.home),
        )
        app = create_app(service, keyring=keyring)
        dictConfig(LOGGING)
        server = make_server(app, settings)
        _end_by_signal(server)
        listener.listen(server.config.backlog)  # whoever connects from now on is waited for
        console.say(f"serving gallery {store.gallery!r} at {url} (Ctrl-C ends it)")
        server.run(sockets=[listener])
    console.say("stopped serving: what was accepted is done")


def _say_missing(settings: Settings) -> None:
    """A name that was mistyped must not become a gallery."""
    from holotype.errors import GalleryMissing
    from holotype.store.factory import open_store

    try:
        open_store(settings, fingerprint=None, command="classify serve").close()
    except GalleryMissing as error:
        raise GalleryMissing(f"{error} (`classify serve --create` makes it, empty)") from error


def _end_by_signal(server: uvicorn.Server) -> None:
    """A signal ends the server gracefully, from now on and to the end.

    The server's own handlers are there only while it runs, and then raise the signal again
    for who was there before: by default that would kill this process before it has closed
    the store.
    """

    def end(_number: int, _frame: object) -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
