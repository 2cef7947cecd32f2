"""`ServiceClient` against a real service: a store's words, a store's errors."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from holotype import transport
from holotype.access import connect, find_service, open_gallery
from holotype.client import Outgoing, ServiceClient
from holotype.errors import (
    EmptyGallery,
    GalleryMissing,
    ServiceError,
    UsageError,
)
from holotype.outcomes import OnConflict, Outcome
from holotype.references import Where
from holotype.settings import Settings
from holotype.store.factory import open_store
from tests.classify.conftest import COLOURS, ColourGallery, picture
from tests.running import PATIENCE_S, Running


@pytest.fixture
def client(reading: Running) -> Iterator[ServiceClient]:
    """A client of the shared service: for what changes nothing."""
    with reading.client() as opened:
        yield opened


def test_gallery__what_it_says_of_itself(client: ServiceClient, reading: Running) -> None:
    """Name, space and limits are the service's own."""
    assert client.gallery == "default"
    assert client.fingerprint == reading.service.store.fingerprint
    assert (client.limits.images, client.limits.body_bytes) == (64, 64 << 20)


def test_reading__the_same_as_the_store(client: ServiceClient, reading: Running) -> None:
    """Counts, listings and labels are what the store itself gives."""
    store = reading.service.store
    where = Where.parse(["site=A", "label!=red"])
    assert client.counts() == store.counts()
    assert client.counts(where=where) == store.counts(where=where)
    assert client.count() == 18
    ids = [r.id for r in store.list_references().references]
    assert client.existing([*ids, "0" * 8 + "-0000-5000-8000-" + "0" * 12]) == store.existing(ids)
    page = client.list_references(where=where, limit=4)
    own = store.list_references(where=where, limit=4)
    assert (page.references, page.next_after) == (own.references, own.next_after)
    rest = client.list_references(where=where, limit=4, after=page.next_after)
    assert rest.next_after is None
    assert len(page.references) + len(rest.references) == 6


def test_changing__as_the_store_would(service: Running) -> None:
    """Relabelling and removing, by ids and by filter."""
    with service.client() as client:
        red = [r.id for r in client.list_references(where=Where.equal("label", "red")).references]
        assert client.relabel("ruby", ids=red[:2]) == 2
        assert client.remove(where=Where.equal("label", "ruby")) == 2
        assert client.counts()["red"] == 4
        with pytest.raises(UsageError, match="either ids or where"):
            client.remove()


def test_add__outcomes_of_the_service(service: Running) -> None:
    """One outcome each, in order; doing it again changes nothing."""
    images = [
        Outgoing("a/ü.png", picture("red", 800), "red", "g", {"site": "Z"}),
        Outgoing("b.png", b"junk", "red"),
    ]
    with service.client() as client:
        first = client.add(images, on_conflict=OnConflict.ERROR)
        again = client.add(images, on_conflict=OnConflict.ERROR)
        assert [o.outcome for o in first] == [Outcome.ADDED, Outcome.BROKEN]
        assert [o.outcome for o in again] == [Outcome.ALREADY_PRESENT, Outcome.BROKEN]
        (stored,) = client.list_references(where=Where.parse(["site=Z"])).references
        assert (stored.source, stored.group, stored.label) == ("a/ü.png", "g", "red")


def test_errors__of_the_same_class(client: ServiceClient) -> None:
    """What a store or a classifier raises is raised here."""
    image = Outgoing("q.png", picture("red", 801))
    with pytest.raises(EmptyGallery, match="none of the 18 references"):
        client.classify([image], {"where": ["site=Q"]})
    with pytest.raises(UsageError, match="unknown filter key"):
        client.classify([image], {"where": ["lens=1"]})
    with pytest.raises(UsageError, match="at least one neighbour has to vote"):
        client.classify([image], {"k": "0"})
    with pytest.raises(UsageError, match="cannot read filter"):
        client.classify([image], {"where": ["x"]})


class _Elsewhere(BaseHTTPRequestHandler):
    """A web server that is no Holotype service."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/v1/gallery" else 404)
        self.end_headers()
        self.wfile.write(b"<html>hello</html>")

    def log_message(self, *_: object) -> None:
        """Quiet."""


def test_elsewhere__another_web_server(tmp_path: Path) -> None:
    """An address that answers, but not as a service does, is named as that."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        with ServiceClient(url) as client:
            with pytest.raises(ServiceError, match="is this the address of a Holotype service"):
                client.counts()
            with pytest.raises(ServiceError, match="is this the address of a Holotype service"):
                _ = client.gallery
        server.shutdown()
        thread.join()


class _Odd(BaseHTTPRequestHandler):
    """Answers 200 with a JSON that no service would send; which one, the path's last part says."""

    answers: ClassVar = {"classes": b"null", "heads": b'{"heads": null}', "gallery": b"[1]"}

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.answers[self.path.split("?")[0].rpartition("/")[2]])

    def log_message(self, *_: object) -> None:
        """Quiet."""


def test_elsewhere__answers_without_a_result() -> None:
    """Null, or something else than was asked for, is named as what it is."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Odd) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with ServiceClient(f"http://127.0.0.1:{server.server_port}") as client:
            for ask in (client.counts, client.heads, client.about):
                with pytest.raises(ServiceError, match=r"answered 200 OK, but not as a service"):
                    ask()
        server.shutdown()
        thread.join()


class _Busy(BaseHTTPRequestHandler):
    """Busy twice, each time until a moment that has passed; then it answers."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(503 if self.asked < 3 else 200)
        self.send_header("Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT")
        self.end_headers()
        self.wfile.write(b'{"classes": []}')

    def log_message(self, *_: object) -> None:
        """Quiet."""


def test_busy__until_a_date() -> None:
    """A proxy may write the pause as a date: that is a time to wait, not an error."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Busy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with ServiceClient(f"http://127.0.0.1:{server.server_port}") as client:
            assert client.counts() == {}
        server.shutdown()
        thread.join()
    assert _Busy.asked == 3


def test_frozen__says_whom_it_waits_for_and_gives_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A service that takes requests and answers none is named while it is waited for, and after."""
    monkeypatch.setattr(transport, "SILENCE_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        url = f"http://127.0.0.1:{frozen.getsockname()[1]}"
        with ServiceClient(url, answer_s=0.5) as client:
            for _ in range(2):
                with pytest.raises(ServiceError, match=r"not answered for 0\.5 s") as refused:
                    client.counts()
    assert "HOLOTYPE_SERVER_TIMEOUT" in str(refused.value)
    (told,) = caplog.messages
    assert told.startswith(f"waiting for the service at {url}: no answer for 0.05 s, giving up")


def test_find__the_owner_of_the_gallery(own_gallery: ColourGallery) -> None:
    """A named server comes first, then the owner's address, then nothing; a Qdrant URL ends it."""
    settings = Settings.load(home=own_gallery.home)
    assert find_service(settings) is None
    url = "http://127.0.0.1:4711"
    with open_store(settings, fingerprint=None, command="classify serve", url=url):
        assert find_service(settings) == url
        elsewhere = Settings.load(home=own_gallery.home, server="http://other:1")
        assert find_service(elsewhere) == "http://other:1"
        qdrant = Settings.load(home=own_gallery.home, qdrant_url="http://q:6333")
        assert find_service(qdrant) is None
    assert find_service(settings) is None
    assert connect(settings) is None


def test_open__the_store_where_no_service_runs(own_gallery: ColourGallery, tmp_path: Path) -> None:
    """The same words either way; a gallery that is not there is said."""
    with open_gallery(Settings.load(home=own_gallery.home), command="a test") as gallery:
        assert gallery.counts() == dict.fromkeys(sorted(COLOURS), 6)
    missing = open_gallery(Settings.load(home=tmp_path / "none"), command="a test")
    with pytest.raises(GalleryMissing, match="does not exist yet"), missing:
        pass


def test_connections__many_threads_keep_theirs() -> None:
    """None is closed between two requests: another thread may be about to write to it."""
    clients = 30
    opened: list[object] = []
    together = threading.Barrier(clients)

    class Heads(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            opened.append(self)
            super().setup()

        def do_GET(self) -> None:
            together.wait(PATIENCE_S)  # every thread has a connection of its own
            self.send_response(200)
            self.send_header("content-length", "12")
            self.end_headers()
            self.wfile.write(b'{"heads":[]}')

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        request_queue_size = clients

    with Server(("127.0.0.1", 0), Heads) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with (
            ServiceClient(f"http://127.0.0.1:{server.server_port}") as client,
            ThreadPoolExecutor(clients) as pool,
        ):
            for _ in range(3):
                assert list(pool.map(lambda _: client.heads(), range(clients))) == [[]] * clients
        server.shutdown()
    assert len(opened) == clients


def test_changing__the_same_as_the_store(service: Running) -> None:
    """Groups and marks go through, and come back with their reference and in an export."""
    store = service.service.store
    first, second = [one.id for one in store.list_references(limit=2).references]
    with service.client() as client:
        assert client.regroup("tray 7", ids=[second, first]) == 2
        assert client.dismiss({first: "green .9"}) == 1
        assert client.dismiss({first: "green .9"}) == client.dismiss({}) == 0
        assert client.regroup("tray 8", ids=[]) == 0
        found = client.get([second, "0" * 8 + "-0000-5000-8000-" + "0" * 12, first])
        exported = {i.reference.id: i.reference for some in client.export_whole() for i in some}
    assert found == store.get([second, first])
    assert [(one.group, one.dismissed) for one in found] == [
        ("tray 7", None),
        ("tray 7", "green .9"),
    ]
    assert exported[first].dismissed == "green .9"
