"""Who may enter: keys, scopes, hosts, origins, and how large a body may be."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator

import pytest
from PIL import Image
from starlette.types import Message

from classify.service.access_control import AccessControl
from classify.service.keys import Keyring
from holotype.errors import ServiceError
from tests.classify.conftest import picture
from tests.classify.service.conftest import Serve, colour_images, images
from tests.running import Running

READ, WRITE = "r" * 32, "w" * 32
KEYS = f"read:{READ},write:{WRITE}"


@pytest.fixture
def locked(serve_shared: Serve) -> Running:
    """A service with a read key and a write key."""
    return serve_shared(keys=KEYS)


def bearer(key: str) -> dict[str, str]:
    """The header that carries a key."""
    return {"Authorization": f"Bearer {key}"}


def test_keys__none_given(locked: Running) -> None:
    """401 with what to do; the answer names no gallery."""
    response = locked.http.get("/v1/gallery")
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["www-authenticate"] == "Bearer"
    assert "Authorization: Bearer KEY" in response.json()["detail"]


def test_keys__unknown_key(locked: Running) -> None:
    """401, and the key is not repeated."""
    response = locked.http.get("/v1/gallery", headers=bearer("x" * 32))
    assert response.status_code == 401
    assert response.json()["detail"] == "this key is not one of this service's"


@pytest.mark.parametrize(
    "headers",
    [bearer(READ), {"X-API-Key": READ}],
    ids=["bearer", "x-api-key"],
)
def test_keys__two_ways_to_send_one(locked: Running, headers: dict[str, str]) -> None:
    """A read key opens what is read, classification included."""
    assert locked.http.get("/v1/gallery", headers=headers).status_code == 200
    answer = locked.http.post("/v1/classify", headers=headers, files=colour_images())
    assert answer.status_code == 200


def test_keys__read_key_changes_nothing(serve: Serve) -> None:
    """Every operation that changes something takes the write scope."""
    locked = serve(keys=KEYS)
    http, id_ = locked.http, "0" * 8 + "-0000-5000-8000-" + "0" * 12
    refused = [
        http.post("/v1/references", headers=bearer(READ), files=colour_images()),
        http.patch(f"/v1/references/{id_}", headers=bearer(READ), json={"label": "x"}),
        http.delete(f"/v1/references/{id_}", headers=bearer(READ)),
        http.post("/v1/references/relabel", headers=bearer(READ), json={}),
        http.post("/v1/references/remove", headers=bearer(READ), json={}),
        http.patch("/v1/classes/red", headers=bearer(READ), json={"label": "x"}),
        http.delete("/v1/classes/red", headers=bearer(READ)),
        http.post("/v1/heads/rollback", headers=bearer(READ)),
        http.post("/v1/heads/v/promote", headers=bearer(READ)),
        http.post("/v1/retrain", headers=bearer(READ)),
        http.delete("/v1/retrain", headers=bearer(READ)),
        http.post("/v1/review", headers=bearer(READ), json={}),
        http.post("/v1/review/x", headers=bearer(READ), json={}),
        http.delete("/v1/review/x", headers=bearer(READ)),
    ]
    assert {response.status_code for response in refused} == {403}
    assert refused[0].json()["detail"] == "this takes a key with the scope 'write'"
    allowed = http.patch("/v1/classes/red", headers=bearer(WRITE), json={"label": "rot"})
    assert allowed.json() == {"label": "rot", "changed": 6, "merged": False}


def test_keys__every_operation_that_changes_is_in_the_test_above(locked: Running) -> None:
    """A new route without a scope would be found here."""
    for path, operations in locked.http.get("/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            if path not in {"/healthz", "/readyz"}:
                assert operation.get("security"), f"{method} {path} takes no key"


def test_keys__health_needs_none(locked: Running) -> None:
    """Probes carry no key; metrics do."""
    assert locked.http.get("/healthz").status_code == 200
    assert locked.http.get("/readyz").status_code == 200
    assert locked.http.get("/metrics").status_code == 401
    assert locked.http.get("/metrics", headers=bearer(READ)).status_code == 200


def test_keys__refused_before_the_body_is_read() -> None:
    """Strangers cannot make the service take in an upload: nothing is asked of the connection."""

    async def app(*_: object) -> None:
        raise AssertionError("a stranger got in")

    async def receive() -> Message:
        raise AssertionError("a stranger's body was read")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/v1/classify", "method": "POST", "headers": []}
    gate = AccessControl(app, keyring=Keyring.parse(KEYS), hosts=None)
    asyncio.run(gate(scope, receive, send))
    assert sent[0]["status"] == 401


def test_client__says_which_setting_is_missing(locked: Running) -> None:
    """The message names the environment variable."""
    with locked.client() as client, pytest.raises(ServiceError, match="HOLOTYPE_API_KEY") as caught:
        client.counts()
    assert caught.value.status == 401


def test_host__other_names_are_refused_without_keys(reading: Running) -> None:
    """A page elsewhere cannot reach the service under a name of its own (DNS rebinding)."""
    response = reading.http.get("/v1/gallery", headers={"Host": "evil.example:8000"})
    assert response.status_code == 403
    assert "not under 'evil.example'" in response.json()["detail"]
    for name in ("localhost", "127.0.0.1:9", "[::1]:9"):
        assert reading.http.get("/healthz", headers={"Host": name}).status_code == 200


def test_origin__other_pages_change_nothing(service: Running) -> None:
    """A form on another site cannot make a browser change the gallery."""
    response = service.http.post("/v1/retrain", headers={"Origin": "https://evil.example"})
    assert response.status_code == 403
    assert "https://evil.example" in response.json()["detail"]
    own = service.http.patch(
        "/v1/classes/red", headers={"Origin": service.url}, json={"label": "rot"}
    )
    assert own.status_code == 200


def test_origin__does_not_matter_where_keys_do(locked: Running) -> None:
    """A key is never sent by accident: a cookie, which browsers send to every port, is none."""
    elsewhere = {"Origin": "https://evil.example"}
    with_header = locked.http.post("/v1/heads/rollback", headers=elsewhere | bearer(WRITE))
    assert with_header.status_code == 409
    cookie = {"Cookie": f"holotype_key={WRITE}"}
    assert locked.http.post("/v1/heads/rollback", headers=cookie).status_code == 401
    assert locked.http.get("/v1/gallery", headers=cookie).status_code == 401


@pytest.mark.parametrize("host", ["[", "[::1", "a:b", "]"])
def test_host__that_is_none(reading: Running, locked: Running, host: str) -> None:
    """400, with keys and without: it is no name at all."""
    for service in (reading, locked):
        for path in ("/healthz", "/v1/gallery", "/v1/classes/"):
            response = service.http.get(path, headers={"Host": host})
            assert response.status_code == 400, response.text
            assert response.json()["detail"] == f"{host!r} is no host that a request can be for"


@pytest.mark.parametrize("origin", ["http://[evil", "null", "", "https://localhost:x", "//"])
def test_origin__that_is_none(service: Running, origin: str) -> None:
    """What names no site is not a page of this service."""
    response = service.http.post("/v1/heads/rollback", headers={"Origin": origin})
    assert response.status_code == 403
    assert "are not accepted" in response.json()["detail"]


def test_origin__behind_a_proxy_that_keeps_the_host(serve: Serve) -> None:
    """The port that goes without saying may be said; another scheme's port is another site."""
    named = serve(public_url="https://holotype.example.org/below")
    for host, origin, status in [
        ("holotype.example.org", "https://holotype.example.org", 409),
        ("holotype.example.org:443", "https://holotype.example.org", 409),
        ("holotype.example.org:80", "http://holotype.example.org", 409),
        ("holotype.example.org", "https://holotype.example.org:8443", 403),
        ("localhost:8000", "https://holotype.example.org", 409),
        ("localhost:8000", "http://holotype.example.org", 403),
        ("localhost:8000", "http://localhost:8000", 409),
        ("evil.example", "https://holotype.example.org", 403),
    ]:
        headers = {"Host": host, "Origin": origin}
        answer = named.http.post("/v1/heads/rollback", headers=headers)
        assert answer.status_code == status, (host, origin, answer.text)


def test_origin__refusal_names_both_sides_and_the_setting(service: Running) -> None:
    """Who runs the proxy reads which two names differ, and what to set."""
    response = service.http.post(
        "/v1/heads/rollback",
        headers={"Origin": "https://holotype.example.org", "Host": "localhost:8000"},
    )
    detail = response.json()["detail"]
    assert "pages of https://holotype.example.org" in detail
    assert "'localhost:8000' (Host)" in detail
    assert "HOLOTYPE_PUBLIC_URL=https://holotype.example.org" in detail


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/references/relabel", r'{"where": ["label=\ud800"], "label": "x"}'),
        ("/v1/references/remove", r'{"where": ["\ud800=x"]}'),
        ("/v1/references/remove", r'{"\ud800": ["x"]}'),
        ("/v1/references/known", r'{"ids": ["\ud800"]}'),
        ("/v1/review", r'{"ids": ["\ud800"], "label": "x"}'),
    ],
)
def test_text__half_of_a_character(service: Running, path: str, body: str) -> None:
    """JSON can spell half a character; no text holds one, and the service goes on."""
    sent = {"content": body, "headers": {"Content-Type": "application/json"}}
    response = service.http.post(path, **sent)
    assert response.status_code in {404, 422}
    assert response.headers["content-type"] == "application/problem+json"
    assert "\\ud800" in response.text or "unicode" in response.text
    assert service.http.get("/readyz").status_code == 200


def test_body__too_large_by_its_length(serve_shared: Serve) -> None:
    """413 before anything is read, with the limit."""
    small = serve_shared(max_body_mb=1)
    response = small.http.post("/v1/classify", files=images(b"x" * (2 << 20)))
    assert response.status_code == 413
    assert response.json()["type"] == "urn:holotype:problem:too-large"
    assert "larger than 1 MiB" in response.json()["detail"]


def test_body__too_large_without_a_length(serve_shared: Serve) -> None:
    """A body that does not say its length is counted as it comes."""
    small = serve_shared(max_body_mb=1)
    boundary = b'--b\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'

    def body() -> Iterator[bytes]:
        yield boundary
        for _ in range(40):
            yield b"x" * 65536
        yield b"\r\n--b--\r\n"

    response = small.http.post(
        "/v1/classify",
        content=body(),
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"


def test_body__json_is_bounded_too(reading: Running) -> None:
    """Only requests with images may be large."""
    response = reading.http.post("/v1/references/known", json={"ids": ["x" * (2 << 20)]})
    assert response.status_code == 413


def test_body__too_many_images(serve_shared: Serve) -> None:
    """The number of images in one request is bounded."""
    small = serve_shared(max_images=2)
    response = small.http.post("/v1/classify", files=colour_images())
    assert response.status_code == 400
    assert "more than 2 images come in one request" in response.json()["detail"]


def test_body__pixels_are_bounded(reading: Running) -> None:
    """A small file that unfolds to a huge picture is broken, and its neighbour is answered."""
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, "PNG")
    response = reading.http.post("/v1/classify", files=images(bomb.getvalue(), picture("red", 100)))
    broken, fine = response.json()["results"]
    assert broken["error"]["detail"].startswith("too costly: 20000 x 20000 pixels")
    assert fine["answer"]["label"] == "red"
