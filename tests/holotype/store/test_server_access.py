"""Getting to a Qdrant server: address, key, TLS, protocol, version, and what is told when not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from holotype.errors import StoreError, StoreUnavailable, UsageError
from holotype.fingerprint import Fingerprint
from holotype.settings import Settings
from holotype.store.factory import open_store
from holotype.store.port import VectorStore
from holotype.store.server import ServerStore
from holotype.store.server.connect import connect
from holotype.store.server.errors import shown_url
from tests.holotype.store.qdrant_grpc import QdrantGrpc
from tests.holotype.store.qdrant_http import QdrantHttp
from tests.holotype.store.server_engines import AT_ONCE
from tests.references import Pictures

KEY = "a-key-of-this-test"
CERTIFICATE = Path(__file__).parent / "loopback.pem"

Open = Callable[[Settings], VectorStore]


@pytest.fixture
def open_at(fingerprint: Fingerprint) -> Open:
    """Opens the gallery that settings name."""
    return lambda settings: ServerStore.open(
        settings, fingerprint=fingerprint, create=True, policy=AT_ONCE
    )


def _url_with(server: QdrantHttp, scheme: str) -> str:
    return f"{scheme}://127.0.0.1:{server.port}"


# -- the factory ------------------------------------------------------------------------


def test_open_store__url_chooses_server(qdrant_http: QdrantHttp, fingerprint: Fingerprint) -> None:
    """A URL in the settings opens the gallery on that server instead of the embedded store."""
    settings = Settings.load(qdrant_url=qdrant_http.url)

    with open_store(settings, fingerprint=fingerprint, command="test", create=True) as store:
        assert isinstance(store, ServerStore)
    with open_store(settings, fingerprint=None, command="test") as store:
        assert store.fingerprint == fingerprint


def test_open_store__from_environment(
    qdrant_http: QdrantHttp, fingerprint: Fingerprint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HOLOTYPE_QDRANT_URL is enough."""
    monkeypatch.setenv("HOLOTYPE_QDRANT_URL", qdrant_http.url)

    open_store(Settings.load(), fingerprint=fingerprint, command="test", create=True).close()

    assert qdrant_http.engine.collection_exists("default")


# -- the key ----------------------------------------------------------------------------


def test_api_key__is_sent(
    qdrant_http: QdrantHttp, open_at: Open, recwarn: pytest.WarningsRecorder
) -> None:
    """The key goes with every request, and plain http causes no warning at each start."""
    qdrant_http.api_key = KEY

    with open_at(Settings.load(qdrant_url=qdrant_http.url, qdrant_api_key=KEY)) as store:
        assert store.counts() == {}

    assert {request.headers.get("api-key") for request in qdrant_http.requests} == {KEY}
    assert not recwarn.list


@pytest.mark.parametrize("key", ["a-wrong-key", None])
def test_api_key__refused(key: str | None, qdrant_http: QdrantHttp, open_at: Open) -> None:
    """A wrong or missing key is told with the setting to change, after one try, unshown."""
    qdrant_http.api_key = KEY

    with pytest.raises(
        StoreUnavailable, match=r"refuses the API key .*HOLOTYPE_QDRANT_API_KEY"
    ) as e:
        open_at(Settings.load(qdrant_url=qdrant_http.url, qdrant_api_key=key))

    assert [request.operation for request in qdrant_http.requests] == ["version", "exists"]
    assert "a-wrong-key" not in str(e.value)


# -- the address ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "https://name:secret@example.org:6333/qdrant?token=secret",
            "https://example.org:6333/qdrant",
        ),
        ("http://localhost:6333", "http://localhost:6333"),
        ("localhost:6333", "localhost:6333"),
    ],
)
def test_shown_url__without_credentials(url: str, shown: str) -> None:
    """Messages show where the server is, never what opens it."""
    assert shown_url(url) == shown


@pytest.mark.parametrize(
    ("url", "reached"),
    [
        ("http://localhost", "http://localhost:6333"),
        ("localhost:7000", "http://localhost:7000"),
        ("https://example.org", "https://example.org:6333"),
        ("https://example.org:443/qdrant", "https://example.org:443/qdrant"),
    ],
)
def test_url__ways_to_write_it(url: str, reached: str) -> None:
    """Scheme and port may be left out; https and a path are kept."""
    client = connect(Settings.load(qdrant_url=url))
    assert client.http.client.host == reached
    client.close()


def test_url__malformed() -> None:
    """An address that is none is wrong usage, with an example."""
    with pytest.raises(
        UsageError, match=r"cannot read HOLOTYPE_QDRANT_URL 'ftp://.*http://host:6333"
    ):
        connect(Settings.load(qdrant_url="ftp://example.org"))


def test_timeout__fractions_of_a_second(qdrant_http: QdrantHttp) -> None:
    """HOLOTYPE_QDRANT_TIMEOUT holds as it is set, though the client rounds up to seconds."""
    client = connect(Settings.load(qdrant_url=qdrant_http.url, qdrant_timeout=0.25))
    seen: list[dict[str, float]] = []

    def spy(request: httpx.Request, send: Callable[[httpx.Request], httpx.Response]) -> Any:
        response = send(request)
        seen.append(request.extensions["timeout"])
        return response

    client.http.client.add_middleware(spy)
    client.info()
    client.close()

    assert seen == [dict.fromkeys(("connect", "read", "write", "pool"), 0.25)]


# -- TLS --------------------------------------------------------------------------------


def test_tls__own_authority(
    open_at: Open, monkeypatch: pytest.MonkeyPatch, pictures: Pictures
) -> None:
    """Over https the store works, with the authority's certificate named by SSL_CERT_FILE."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with QdrantHttp(certificate=CERTIFICATE) as server:
        with open_at(Settings.load(qdrant_url=server.url)) as store:
            store.add(pictures.many("wasp", 2))
            assert store.counts() == {"wasp": 2}

        assert server.url.startswith("https://")


def test_tls__unknown_authority(open_at: Open) -> None:
    """A certificate that nobody vouches for is refused, with the way to vouch for it."""
    with (
        QdrantHttp(certificate=CERTIFICATE) as server,
        pytest.raises(StoreUnavailable, match=r"no TLS connection .*SSL_CERT_FILE"),
    ):
        open_at(Settings.load(qdrant_url=server.url))


def test_tls__server_without(qdrant_http: QdrantHttp, open_at: Open) -> None:
    """Asking for https at a server that speaks http is told so, not retried."""
    with pytest.raises(StoreUnavailable, match=r"no TLS connection .*write http:// for a server"):
        open_at(Settings.load(qdrant_url=_url_with(qdrant_http, "https")))


# -- gRPC -------------------------------------------------------------------------------


def _grpc_settings(server: QdrantGrpc, key: str | None = None) -> Settings:
    return Settings.load(
        qdrant_url="http://127.0.0.1:1",  # nothing listens there: gRPC must do it all
        qdrant_grpc=True,
        qdrant_grpc_port=server.port,
        qdrant_api_key=key,
    )


def test_grpc__key_is_sent(open_at: Open) -> None:
    """Over gRPC the key goes with every call."""
    with QdrantGrpc(api_key=KEY) as server:
        with open_at(_grpc_settings(server, KEY)) as store:
            assert store.counts() == {}

        assert {call.metadata.get("api-key") for call in server.calls} == {KEY}


def test_grpc__key_refused(open_at: Open) -> None:
    """Over gRPC a wrong key is told as over REST."""
    with (
        QdrantGrpc(api_key=KEY) as server,
        pytest.raises(StoreUnavailable, match=r"refuses the API key .*HOLOTYPE_QDRANT_API_KEY"),
    ):
        open_at(_grpc_settings(server, "wrong"))


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.INTERNAL,
    ],
)
def test_grpc__passing_failure(code: grpc.StatusCode, open_at: Open, pictures: Pictures) -> None:
    """A gRPC failure that passes is outlasted."""
    with QdrantGrpc() as server, open_at(_grpc_settings(server)) as store:
        server.failing["Upsert"] = [code, code]

        store.add(pictures.many("wasp", 2))

        assert store.counts() == {"wasp": 2}
        assert server.count("Upsert") == 4  # a step of the history, and a batch


def test_grpc__lasting_failure(open_at: Open, pictures: Pictures) -> None:
    """One that stays ends, bounded, with the address and what to check."""
    with QdrantGrpc() as server, open_at(_grpc_settings(server)) as store:
        server.failing["Upsert"] = [grpc.StatusCode.UNAVAILABLE] * 100

        with pytest.raises(StoreUnavailable, match=r"HOLOTYPE_QDRANT_GRPC_PORT .*Tried 4 times"):
            store.add(pictures.many("wasp", 2))

        assert server.count("Upsert") == AT_ONCE.attempts


def test_grpc__refused_call_is_not_repeated(open_at: Open, pictures: Pictures) -> None:
    """A call that the server refuses for good is made once."""
    with QdrantGrpc() as server, open_at(_grpc_settings(server)) as store:
        server.failing["Upsert"] = [grpc.StatusCode.INVALID_ARGUMENT] * 100

        with pytest.raises(StoreError, match="made to fail"):
            store.add(pictures.many("wasp", 2))

        assert server.count("Upsert") == 1


# -- the version ------------------------------------------------------------------------


def test_version__too_old(open_at: Open) -> None:
    """A server that would silently ignore conditional writes is refused, with both versions."""
    with (
        QdrantHttp(version="1.15.5") as server,
        pytest.raises(StoreError, match=r"has version 1\.15\.5: Holotype needs 1\.16 or newer"),
    ):
        open_at(Settings.load(qdrant_url=server.url))


@pytest.mark.parametrize("version", ["1.16.0", "v2.0.1", "1.19.0-dev", "some build"])
def test_version__new_enough_or_unknown(version: str, open_at: Open) -> None:
    """Newer servers are used, and so are those whose version cannot be read."""
    with QdrantHttp(version=version) as server:
        open_at(Settings.load(qdrant_url=server.url)).close()


# -- proxies ----------------------------------------------------------------------------

PROXIES = (
    {"ALL_PROXY": "socks5://127.0.0.1:1"},
    {"NO_PROXY": "localhost,127.0.0.1,::1,[::1]"},
    {"HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1"},
)


@pytest.mark.parametrize("proxies", PROXIES, ids=str)
def test_proxies__are_not_asked(
    proxies: dict[str, str],
    qdrant_http: QdrantHttp,
    open_at: Open,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server is asked directly, whatever the environment says of proxies."""
    for name, value in proxies.items():
        monkeypatch.setenv(name, value)
    with open_at(Settings.load(qdrant_url=qdrant_http.url)) as store:
        assert store.count() == 0


def test_proxies__are_not_asked_by_grpc(
    open_at: Open, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor for calls by gRPC."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with QdrantGrpc() as app:
        settings = Settings.load(
            qdrant_url="http://127.0.0.1:1", qdrant_grpc=True, qdrant_grpc_port=app.port
        )
        with open_at(settings) as store:
            store.add(pictures.many("wasp", 2))
            assert store.count() == 2


def test_proxies__asked_on_request(
    qdrant_http: QdrantHttp, open_at: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With HOLOTYPE_QDRANT_PROXY they are; one that is not there is an answer that never comes."""
    monkeypatch.setenv("HOLOTYPE_QDRANT_PROXY", "true")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        open_at(Settings.load(qdrant_url=qdrant_http.url))


@pytest.mark.parametrize("proxies", PROXIES[:2], ids=str)
def test_proxies__that_cannot_be_used(
    proxies: dict[str, str], qdrant_http: QdrantHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence that names the variables and the way without."""
    for name, value in proxies.items():
        monkeypatch.setenv(name, value)
    settings = Settings.load(qdrant_url=qdrant_http.url, qdrant_proxy=True)
    with pytest.raises(UsageError, match=r"cannot use the proxies of .*\(ALL_PROXY, .*Leave HOLO"):
        connect(settings)
