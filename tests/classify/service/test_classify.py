"""`POST /v1/classify`: answers, options, and images that cannot be answered."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from classify.answering.answers import answer_from
from classify.answering.classifier import Classifier
from classify.answering.options import QueryOptions
from classify.service.models.answers import ClassifyForm
from holotype.store.port import VectorStore
from tests.classify.conftest import COLOURS, ColourGallery, picture, publish_head
from tests.classify.service.conftest import Serve, colour_images, images
from tests.holotype.images.make import encoded
from tests.running import Running


def test_classify__answers_with_evidence(reading: Running) -> None:
    """One result per image, in order, each with the neighbours that voted."""
    response = reading.http.post("/v1/classify", files=colour_images(), data={"k": "4"})
    assert response.status_code == 200
    results = response.json()["results"]
    assert [r["query"] for r in results] == ["0.png", "1.png", "2.png"]
    assert [r["answer"]["label"] for r in results] == list(COLOURS)
    neighbours = results[0]["answer"]["neighbours"]
    assert len(neighbours) == 4
    similarities = [n["similarity"] for n in neighbours]
    assert similarities == sorted(similarities, reverse=True)
    thumbnail = reading.http.get(f"/v1/references/{neighbours[0]['id']}/thumbnail")
    assert thumbnail.headers["content-type"] == "image/jpeg"
    assert thumbnail.content.startswith(b"\xff\xd8")


def test_classify__the_same_answer_as_the_command(
    service: Running, own_gallery: ColourGallery, own_store: VectorStore
) -> None:
    """Over HTTP and in the process, an answer is the same in every field."""
    data = picture("blue", 7)
    vectors = own_gallery.embed(data)[None]
    (expected,) = Classifier(own_store).classify(vectors, QueryOptions(k=5))
    response = service.http.post("/v1/classify", files=images(data), data={"k": "5"})
    assert answer_from(response.json()["results"][0]["answer"]) == expected


def test_classify__form_keeps_up_with_options() -> None:
    """What the classifier can be asked is all in the API."""
    asked = ClassifyForm.model_fields.keys() - {"images", "thumbnails"}
    assert asked == QueryOptions.__dataclass_fields__.keys()


@pytest.mark.parametrize("kind", ["TIFF", "HEIF"])
def test_classify__thumbnails_of_what_browsers_cannot_show(reading: Running, kind: str) -> None:
    """Where they are asked for: a small JPEG of each picture that could be read, upright."""
    drawn = encoded(Image.new("RGB", (1200, 600), COLOURS["red"]), kind)
    files = images(drawn, b"not a picture")

    plain = reading.http.post("/v1/classify", files=files).json()["results"]
    asked = reading.http.post("/v1/classify", files=files, data={"thumbnails": "true"})

    seen, broken = asked.json()["results"]
    with Image.open(io.BytesIO(base64.b64decode(seen["thumbnail"]))) as shown:
        assert (shown.format, shown.size) == ("JPEG", (512, 256))
        assert np.abs(np.array(shown, int) - COLOURS["red"]).max() < 12
    assert broken["thumbnail"] is None
    assert plain == [seen | {"thumbnail": None}, broken]


def test_classify__broken_images_leave_their_neighbours_alone(reading: Running) -> None:
    """A file that is no picture is a result with its problem, in its place."""
    files = images(picture("red", 50), b"not a picture", picture("green", 50))
    response = reading.http.post("/v1/classify", files=files)
    assert response.status_code == 200
    first, broken, last = response.json()["results"]
    assert first["answer"]["label"] == "red"
    assert last["answer"]["label"] == "green"
    assert broken["answer"] is None
    assert broken["error"]["type"] == "urn:holotype:problem:broken-image"
    assert broken["error"]["detail"].startswith("not a picture in a supported format")


def test_classify__only_broken_images(reading: Running) -> None:
    """Nothing to answer is still one result per image."""
    response = reading.http.post("/v1/classify", files=images(b"", b"x"))
    assert [r["answer"] for r in response.json()["results"]] == [None, None]


def test_classify__a_query_that_is_a_reference_is_known(reading: Running) -> None:
    """The very same bytes are recognised, and can be left out."""
    data = picture("red", 0)
    (known,) = reading.http.post("/v1/classify", files=images(data)).json()["results"]
    assert known["answer"]["known_as"] == "red"
    assert known["answer"]["neighbours"][0]["similarity"] == pytest.approx(1, abs=1e-4)
    options = {"exclude_self": "true"}
    (left_out,) = reading.http.post("/v1/classify", files=images(data), data=options).json()[
        "results"
    ]
    ids = [n["id"] for n in left_out["answer"]["neighbours"]]
    assert known["answer"]["neighbours"][0]["id"] not in ids


def test_classify__filters_apply(reading: Running) -> None:
    """`where` is repeatable and selects the references that may vote."""
    data = {"where": ["site=A", "label!=red"], "k": "20"}
    (result,) = reading.http.post(
        "/v1/classify", files=images(picture("red", 60)), data=data
    ).json()["results"]
    neighbours = result["answer"]["neighbours"]
    assert {n["meta"]["site"] for n in neighbours} == {"A"}
    assert {n["label"] for n in neighbours} == {"green", "blue"}


@pytest.mark.parametrize(
    ("data", "status", "kind", "said"),
    [
        ({"where": "site"}, 422, "usage-error", "write key=value"),
        ({"where": "colour=x"}, 422, "unknown-filter-key", "filtered by"),
        ({"where": "site=Z"}, 409, "empty-gallery", "none of the 18 references"),
        ({"mode": "linear"}, 409, "no-active-head", "run `retrain`"),
        ({"k": "0"}, 422, "malformed-request", "k = 0: at least one neighbour has to vote"),
        ({"coverage": "0.3"}, 422, "malformed-request", "set = 0.3: label sets cover from 0.5"),
        ({"top": "1001"}, 422, "malformed-request", "top = 1001: a service is asked for 1000"),
        ({"k": "many"}, 422, "malformed-request", "valid integer"),
        ({"kay": "1"}, 422, "malformed-request", "no such field"),
    ],
)
def test_classify__options_that_cannot_be_followed(
    reading: Running, data: dict[str, str], status: int, kind: str, said: str
) -> None:
    """A problem that says what is wrong and what would be right."""
    response = reading.http.post("/v1/classify", files=colour_images(), data=data)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"] == f"urn:holotype:problem:{kind}"
    assert said in response.json()["detail"]


def test_classify__no_image(reading: Running) -> None:
    """The missing field is named."""
    response = reading.http.post("/v1/classify", files={"k": (None, "3")})
    assert response.status_code == 422
    assert response.json()["errors"] == [{"field": "body.images", "message": "it is missing"}]


def test_classify__other_options_do_not_share_an_answer(serve_shared: Serve) -> None:
    """Requests that wait together are answered each by its own options."""
    from concurrent.futures import ThreadPoolExecutor

    running = serve_shared(batch_window_ms=50)
    data = picture("red", 61)

    def ask(k: int) -> int:
        response = running.http.post("/v1/classify", files=images(data), data={"k": str(k)})
        return len(response.json()["results"][0]["answer"]["neighbours"])

    with ThreadPoolExecutor(8) as clients:
        assert list(clients.map(ask, range(1, 9))) == list(range(1, 9))


def test_classify__linear_by_the_active_head(service: Running, own_store: VectorStore) -> None:
    """A head that is published while the service runs answers the next request."""
    publish_head(own_store, *COLOURS, version="20260101-000000-aaaa")
    response = service.http.post("/v1/classify", files=colour_images(), data={"mode": "linear"})
    answers = [r["answer"] for r in response.json()["results"]]
    assert [a["label"] for a in answers] == list(COLOURS)
    assert {a["head"] for a in answers} == {"20260101-000000-aaaa"}
