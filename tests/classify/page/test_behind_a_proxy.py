"""The page below a path of somebody's proxy, which sends a name of its own as `Host`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from playwright.sync_api import expect

from holotype.store.port import VectorStore
from tests.classify.conftest import picture
from tests.classify.page.browsing import REFUSED
from tests.classify.page.conftest import Serve, Visit
from tests.classify.page.test_classifying import is_shown
from tests.classify.page.test_keys import WRITE, give

PREFIX = "/lab/holotype"
OF_ONE_HOP = {"connection", "host", "transfer-encoding", "content-length", "date", "server"}


class Proxy(ThreadingHTTPServer):
    """What nginx does with `proxy_pass http://SERVICE/;` below a path, and nothing more."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.url = f"http://127.0.0.1:{self.server_port}{PREFIX}"
        self.service = httpx.Client(trust_env=False)


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.path.startswith(PREFIX):
            self.send_error(404, f"{self.path} is not below {PREFIX}")
            return
        headers = [(k, v) for k, v in self.headers.items() if k.lower() not in OF_ONE_HOP]
        answer = self.server.service.request(
            self.command, self.path.removeprefix(PREFIX), headers=headers, content=body
        )
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name not in OF_ONE_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_GET = do_POST = do_PATCH = do_DELETE = _pass  # noqa: N815  as the base class has them

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def _listening(proxy: Proxy) -> Iterator[Proxy]:
    thread = threading.Thread(target=proxy.serve_forever)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        thread.join()
        proxy.service.close()
        proxy.server_close()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy that has no service behind it yet."""
    with _listening(Proxy()) as proxy:
        yield proxy


@dataclass(frozen=True)
class Behind:
    """Where `look` finds the page."""

    url: str


def test_page__below_a_path(
    look: Visit, serve: Serve, proxy: Proxy, own_store: VectorStore
) -> None:
    """Everything of it comes from below that path, and it may change the gallery."""
    proxy.service.base_url = serve(public_url=proxy.url).url
    visitor = look(at=Behind(proxy.url))
    strays: list[str] = []
    visitor.page.on(
        "request",
        lambda request: (
            strays.append(request.url) if not request.url.startswith((proxy.url, "blob:")) else None
        ),
    )
    visitor.choose(("0031.png", picture("red", 100)))
    card = visitor.card("0031.png")
    expect(card.get_by_role("heading", level=2)).to_contain_text("red")
    assert is_shown(card.locator(".evidence img").first)
    card.get_by_role("button", name="Correct: add as red").click()
    expect(card).to_contain_text("In the gallery as red")
    assert own_store.counts()["red"] == 7
    for page in ("gallery", "gallery/red", "review", "heads"):
        visitor.go(page)
    assert strays == []


def test_page__with_a_key_needs_no_public_name(look: Visit, serve: Serve, proxy: Proxy) -> None:
    """A key is sent by nobody but the page: it is enough, whatever the proxy calls the service."""
    proxy.service.base_url = serve(keys=f"write:{WRITE}").url
    visitor = look(at=Behind(proxy.url))
    visitor.expected.append(REFUSED)
    give(visitor, WRITE)
    visitor.choose(("0031.png", picture("red", 100)))
    expect(visitor.card("0031.png").get_by_role("heading", level=2)).to_contain_text("red")


def test_page__that_is_refused_says_what_to_set(look: Visit, serve: Serve, proxy: Proxy) -> None:
    """Without key and public name, the card says which names differ, and the setting."""
    service = serve()
    proxy.service.base_url = service.url
    visitor = look(at=Behind(proxy.url))
    visitor.expected.append(REFUSED)
    visitor.choose(("0031.png", picture("red", 100)))
    card = visitor.card("0031.png")
    origin = proxy.url.removesuffix(PREFIX)
    expect(card).to_contain_text(f"the request is for '{service.url.removeprefix('http://')}'")
    expect(card).to_contain_text(f"start it with HOLOTYPE_PUBLIC_URL={origin}")
