"""Bodies that cannot be used: what is wrong with them, in words that lead to the right call."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.classify.conftest import picture
from tests.classify.service.conftest import Serve, images
from tests.running import Running

FORM = "multipart/form-data; boundary=b"
RAW = picture("red", 970)


def part(name: str = "images", data: bytes = RAW) -> bytes:
    """A file of a form."""
    said = f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="a.png"\r\n\r\n'
    return said.encode() + data + b"\r\n"


@pytest.mark.parametrize("path", ["/v1/classify", "/v1/references"])
@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("application/json", "not application/json"),
        ("image/png", "not image/png"),
        ("application/x-www-form-urlencoded", "not application/x-www-form-urlencoded"),
        ("multipart/form-data", "with a boundary in its Content-Type"),
        (None, "which has no Content-Type"),
    ],
)
def test_no_form__shows_the_right_call(
    reading: Running, path: str, kind: str | None, named: str
) -> None:
    """415 to JSON, raw pictures and curl's `-d`, with the command that works."""
    headers = {} if kind is None else {"Content-Type": kind}
    response = reading.http.post(path, content=RAW, headers=headers)
    assert response.status_code == 415
    label = " -F label=LABEL" if path.endswith("references") else ""
    assert response.json()["detail"] == (
        f"pictures come as files of a form (multipart/form-data), {named}"
        + (", which HTTP clients write themselves" if "boundary" in named else "")
        + f": curl -F images=@PICTURE.jpg{label} {reading.url}{path}"
    )


def test_no_form__the_call_is_for_the_public_address(serve_shared: Serve) -> None:
    """Behind a proxy, people call another address than the service hears of."""
    named = serve_shared(public_url="https://example.org/holotype/")
    detail = named.http.post("/v1/classify", json={}).json()["detail"]
    assert detail.endswith("curl -F images=@PICTURE.jpg https://example.org/holotype/v1/classify")
    document = named.http.get("/openapi.json").json()
    assert document["servers"] == [{"url": "https://example.org/holotype/"}]


@pytest.mark.parametrize(
    "body",
    [part() + part(data=RAW[:40])[:-2], part(), b"", b"\0", part().replace(b"--b", b"--c")],
    ids=["second cut", "no end", "empty", "garbage", "other boundary"],
)
@pytest.mark.parametrize("path", ["/v1/classify", "/v1/references"])
def test_form__that_breaks_off(service: Running, path: str, body: bytes) -> None:
    """400, and nothing of it is used: the picture that was cut would be left out unseen."""
    response = service.http.post(path, content=body, headers={"Content-Type": FORM})
    assert response.status_code == 400
    assert response.json()["detail"].startswith("the form breaks off before its end")
    assert service.service.store.count() == 18


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"files": {"images": (None, "a.png")}}, "images.0: it is text, not a file: curl -F"),
        ({"files": {"image": ("a.png", RAW)}}, "images: it is missing; body.image: there is no"),
        ({"files": images(RAW), "data": {"modus": "knn"}}, "body.modus: there is no such field"),
        ({"files": images(RAW), "data": {"mode": "x" * 2_000_000}}, "longer than 1024 KiB"),
        ({"files": images(*[RAW] * 3)}, "more than 2 images come in one request"),
        (
            {
                "content": b"--b\r\n\r\nx\r\n--b--\r\n",
                "headers": {"Content-Type": FORM},
            },
            "a part of the form has no name",
        ),
        (
            {
                "content": b"--b \0\r\n\r\nx\r\n--b--\r\n",
                "headers": {"Content-Type": FORM},
            },
            "its parts are not divided by the boundary",
        ),
    ],
    ids=["no @", "other name", "other option", "long", "many", "nameless", "not divided"],
)
def test_form__that_cannot_be_used(serve_shared: Serve, form: dict[str, Any], said: str) -> None:
    """What is wrong with it is said in words of pictures and fields."""
    response = serve_shared(max_images=2).http.post("/v1/classify", **form)
    assert response.status_code in {400, 422}
    assert said in response.json()["detail"]


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b"label=x", "application/x-www-form-urlencoded", "the body is not a JSON object"),
        (b'{"label": "x"}', None, "the body is not a JSON object"),
        (b"[]", "application/json", "the body is not a JSON object"),
        (b"", "application/json", "the body is not a JSON object"),
        (b'{"where": [', "application/json", "the body is not JSON: Expecting value"),
    ],
)
def test_json__shows_the_right_call(
    reading: Running, body: bytes, kind: str | None, said: str
) -> None:
    """A form, no type, a list or half an object: with a call that works, from the examples."""
    headers = {} if kind is None else {"Content-Type": kind}
    response = reading.http.post("/v1/references/relabel", content=body, headers=headers)
    assert response.status_code == 422
    detail = response.json()["detail"]
    assert said in detail
    assert detail.endswith(
        "Send it as curl -X POST -H 'Content-Type: application/json' "
        """-d '{"where": ["label=wasp"], "label": "hornet"}' """
        f"{reading.url}/v1/references/relabel"
    )


def test_json__every_operation_shows_its_call(reading: Running) -> None:
    """Whatever takes JSON says how, with the example of its own document."""
    document = reading.http.get("/openapi.json").json()
    asked = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if "application/json" not in operation.get("requestBody", {}).get("content", {}):
                continue
            asked += 1
            url = re.sub(r"\{\w+\}", "9a7e4f0b-6f1d-5b58-8d0e-0f2f4c1b7a33", path)
            response = reading.http.request(
                method, url, content=b"\0", headers={"Content-Type": "application/json"}
            )
            assert response.status_code == 422, f"{method} {path}: {response.text}"
            call = f"Send it as curl -X {method.upper()} -H 'Content-Type: application/json' -d '{{"
            assert call in response.json()["detail"]
            assert response.json()["detail"].endswith(f"}}' {reading.url}{url}")
    assert asked > 6


def test_json__optional_body(reading: Running) -> None:
    """Where a body may be left out, too."""
    response = reading.http.post("/v1/retrain", content=b"min_new=3")
    assert response.status_code == 422
    assert """-d '{"if_needed": true, "min_new": 20}'""" in response.json()["detail"]


@pytest.mark.parametrize("body", [b'{"label": "\xff"}', b"[" * 100_000], ids=["latin-1", "deep"])
def test_json__that_cannot_be_read(reading: Running, body: bytes) -> None:
    """Other encodings and endless nesting are no fault of the service."""
    response = reading.http.post(
        "/v1/references/relabel", content=body, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 400
    assert response.json()["detail"] == "the body is not JSON in UTF-8, or is nested too deep"


@pytest.mark.parametrize(
    "path",
    ["/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/static/app.css", "/v1/classes"],
)
def test_head__answers_what_get_would(reading: Running, path: str) -> None:
    """Status, type and length, without the body; monitors ask that way."""
    head, get = reading.http.head(path), reading.http.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    if path != "/metrics":  # which counts the requests for it
        assert head.headers["content-length"] == get.headers["content-length"]


def test_head__of_a_thumbnail_and_of_what_is_not_there(reading: Running) -> None:
    """Also where the path has a parameter; and refusals are those of GET."""
    id_ = reading.service.store.list_references(limit=1).references[0].id
    assert reading.http.head(f"/v1/references/{id_}/thumbnail").status_code == 200
    assert reading.http.head(f"/v1/references/{id_}").status_code == 200
    assert reading.http.head("/v1/nothing").status_code == 404
    assert reading.http.head("/v1/classify").status_code == 405


def test_address__with_a_slash_too_many_is_not_redirected(reading: Running) -> None:
    """A redirection would name an address that the proxy does not have."""
    assert reading.http.get("/v1/gallery/").status_code == 404


@pytest.mark.parametrize("path", ["/v1/references", "/v1/classes", "/v1/review"])
def test_query__parameters_that_nobody_knows(reading: Running, path: str) -> None:
    """A filter that is misspelt would otherwise list everything."""
    response = reading.http.get(path, params={"wher": "label=red"})
    assert response.status_code == 422
    assert response.json()["detail"] == "query.wher: there is no such field"
