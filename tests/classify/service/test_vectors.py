"""Vectors by HTTP: asked and added, in a gallery of vectors from elsewhere and one of pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classify.answering.classifier import Classifier
from classify.answering.modes import Mode
from classify.answering.options import QueryOptions
from classify.remote import classify_vectors_remotely
from classify.service import app
from holotype.client import ServiceClient
from holotype.errors import EmptyGallery, ServiceError, UsageError
from holotype.fingerprint import Fingerprint
from holotype.intake.batch import Intake
from holotype.intake.vectors import incoming_vectors, unit_vectors, vector_records
from holotype.outcomes import OnConflict, Outcome
from holotype.references import Vectors, Where
from holotype.settings import Settings
from holotype.store.factory import open_store
from holotype.store.port import VectorStore
from tests.classify.conftest import publish_head
from tests.classify.service.conftest import Serve, colour_images
from tests.running import Running, running

D = 5
SPACE = Fingerprint.of_space("my-encoder v3", D)
CLASSIFY, ADD = "/v1/classify/vectors", "/v1/references/vectors"
KEYS = "read:look-look-look-look-look-look,write:change-change-change-change"


def rows(n: int, *, seed: int = 0) -> tuple[Vectors, list[str]]:
    """(n, D) float32 of any length, around one axis per label, and their labels."""
    random = np.random.default_rng(seed)
    labels = ["ant", "bee", "cat"]
    axes = 9 * np.eye(D)[np.arange(n) % 3]
    X = (axes + random.normal(size=(n, D))).astype(np.float32)
    return X, [labels[i % 3] for i in range(n)]


@contextmanager
def gallery(home: Path, n: int = 18) -> Iterator[VectorStore]:
    """A gallery of vectors from elsewhere; n of them, in six groups."""
    settings = Settings.load(home=home, gallery="genes")
    with open_store(settings, fingerprint=SPACE, command="a test", create=True) as store:
        if n:
            X, labels = rows(n)
            records = vector_records(X, labels, dimension=D, groups=[f"g{i % 6}" for i in range(n)])
            Intake(store, None).add_vectors(incoming_vectors(records, SPACE))
        yield store


@pytest.fixture(scope="module")
def shared_genes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service of 18 vectors from elsewhere: for what changes nothing."""
    home = tmp_path_factory.mktemp("genes")
    with gallery(home) as store, running(store, home=home, gallery="genes") as service:
        yield service


@pytest.fixture
def genes(shared_genes: Running) -> Running:
    """The same."""
    return shared_genes


@pytest.fixture
def own_genes(tmp_path: Path) -> Iterator[Running]:
    """The same for one test alone."""
    with gallery(tmp_path) as store, running(store, home=tmp_path, gallery="genes") as service:
        yield service


def ask(service: Running, X: Any, **options: Any) -> Any:
    """`POST /v1/classify/vectors`."""
    vectors = X.tolist() if isinstance(X, np.ndarray) else X
    return service.http.post(CLASSIFY, json={"vectors": vectors, **options})


# -- asking -------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"k": 3, "where": ["group!=g1"], "top": 2, "evidence": 1}])
def test_classify__the_classifier_s_answers(genes: Running, options: dict[str, Any]) -> None:
    """Row by row what the classifier says of the same vectors, whatever their length."""
    X, labels = rows(7, seed=1)
    results = ask(genes, X, **options).json()["results"]
    where = Where.parse(options.get("where", []))
    asked = QueryOptions(**{**options, "where": where})
    own = Classifier(genes.service.store).classify(unit_vectors(X, D), asked)
    assert [r["query"] for r in results] == [str(row) for row in range(7)]
    assert [r["answer"]["label"] for r in results] == labels == [a.label for a in own]
    assert [r["answer"]["score"] for r in results] == pytest.approx([a.score for a in own])
    named = [[n["id"] for n in r["answer"]["neighbours"]] for r in results]
    assert named == [[n.id for n in a.neighbours] for a in own]


def test_classify__a_reference_asks_for_itself(genes: Running) -> None:
    """The very vector, twice as long too, is known by its label, and can be left out."""
    X, labels = rows(2)
    answers = [r["answer"] for r in ask(genes, 2 * X, k=1).json()["results"]]
    assert [a["known_as"] for a in answers] == labels
    without = [r["answer"] for r in ask(genes, X, k=1, exclude_self=True).json()["results"]]
    for answer, other in zip(answers, without, strict=True):
        assert answer["neighbours"][0]["similarity"] == pytest.approx(1)
        assert answer["neighbours"][0]["id"] != other["neighbours"][0]["id"]


def test_classify__by_a_head(own_genes: Running) -> None:
    """The linear head answers vectors, too."""
    publish_head(own_genes.service.store, "ant", "bee", "cat")
    X, labels = rows(3, seed=2)
    results = ask(own_genes, X, mode="linear").json()["results"]
    assert [r["answer"]["label"] for r in results] == labels
    assert results[0]["answer"]["head"] == "20260101-000000-aaaa"


def test_classify__in_a_gallery_of_pictures(reading: Running) -> None:
    """Vectors of its own encoder: an export asks for what the pictures would be answered."""
    store = reading.service.store
    (batch,) = store.export()
    results = ask(reading, batch.vectors, k=1).json()["results"]
    assert [r["answer"]["label"] for r in results] == batch.labels


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        ([[1, 2, 3, 4, 5], [1, 2, 3]], "body.vectors.1: it has 3 numbers, the gallery's vectors"),
        ([[0, 0, 0, 0, 0.0]], "body.vectors.0: it is all zeros, which has no direction"),
        ([[1, 2, "3", 4, 5]], "body.vectors.0.2: Input should be a valid number"),
        ([[1, 2, True, 4, 5]], "body.vectors.0.2: Input should be a valid number"),
        ([[1, 2, None, 4, 5]], "body.vectors.0.2: Input should be a valid number"),
        ([[]], "body.vectors.0: it has 0 numbers"),
        ([], "body.vectors: List should have at least 1 item"),
        ([1, 2, 3, 4, 5], "body.vectors.0: Input should be a valid list"),
    ],
)
def test_classify__rows_that_are_no_vectors(genes: Running, vectors: Any, said: str) -> None:
    """Each is named by its row; nothing is answered."""
    refused = ask(genes, vectors)
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["detail"].startswith(said)
    assert refused.json()["errors"][0]["field"] == said.partition(": ")[0]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1e999", "1" + "0" * 400])
def test_classify__numbers_that_are_none(genes: Running, number: str) -> None:
    """What JSON does not have, and what no float holds, is named by row and place."""
    body = f'{{"vectors": [[1, 2, 3, 4, 5], [1, 2, 3, {number}, 5]]}}'
    refused = genes.http.post(CLASSIFY, content=body, headers={"Content-Type": "application/json"})
    assert refused.status_code == 422
    assert "body.vectors.1.3: " in refused.json()["detail"]


def test_classify__numbers_without_measure(genes: Running) -> None:
    """However large or small: only the direction counts."""
    X, labels = rows(6, seed=3)
    for factor in (1e-300, 1e300):
        results = ask(genes, (X.astype(float) * factor).tolist()).json()["results"]
        assert [r["answer"]["label"] for r in results] == labels


def test_classify__options_as_everywhere(genes: Running) -> None:
    """Their bounds, a field that nobody knows, and a filter are said in the same words."""
    X, _ = rows(1)
    for options, said in (
        ({"k": 0}, "body.k: k = 0: at least one neighbour has to vote"),
        ({"k": 1001}, "body.k: k = 1001: a service is asked for 1000 at most"),
        ({"k": "3"}, "body.k: Input should be a valid integer"),
        ({"modus": "knn"}, "body.modus: there is no such field"),
        ({"where": ["x"]}, "cannot read filter 'x'"),
        ({"where": ["lens=1"]}, "unknown filter key"),
    ):
        refused = ask(genes, X, **options)
        assert (refused.status_code, refused.json()["detail"][: len(said)]) == (422, said)
    refused = ask(genes, X, mode="linear")
    assert (refused.status_code, refused.json()["title"]) == (409, "No active head")


def test_bounds__rows_and_bytes(serve_shared: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many vectors as images; a body of vectors has a limit of its own, which is announced."""
    monkeypatch.setattr(app, "VECTORS_BODY", 2 << 20)
    small = serve_shared(max_images=2)
    (batch,) = small.service.store.export()
    refused = ask(small, batch.vectors[:3])
    assert refused.status_code == 400
    assert refused.json()["detail"].startswith("more than 2 vectors come in one request")
    assert ask(small, batch.vectors[:2]).status_code == 200
    refused = ask(small, np.zeros((1, 1 << 20)))
    assert (refused.status_code, refused.json()["title"]) == (413, "Too large")
    assert small.service.places.taken == 0
    about = small.http.get("/v1/gallery").json()
    assert (about["max_images"], about["max_vectors_bytes"]) == (2, 8 << 20)


def test_keys__before_the_body_is_read(tmp_path: Path) -> None:
    """Asking takes a read key, adding a write key: garbage is not even looked at without one."""
    with gallery(tmp_path) as store, running(store, keys=KEYS) as service:
        reads = {"X-API-Key": "look-look-look-look-look-look", "Content-Type": "application/json"}
        post = service.http.post
        assert post(CLASSIFY, content=b"x").status_code == 401
        assert post(CLASSIFY, content=b"x", headers=reads).status_code == 422
        assert post(ADD, content=b"x", headers=reads).status_code == 403


def test_metrics__count_vectors(own_genes: Running) -> None:
    """Answers and outcomes are counted as those of pictures."""
    X, labels = rows(3, seed=4)
    ask(own_genes, X)
    item = {"vector": X[0].tolist(), "label": labels[0]}
    own_genes.http.post(ADD, json={"references": [item]})
    page = own_genes.http.get("/metrics").text
    assert 'holotype_answers_total{mode="knn",state="answered"} 3.0' in page
    assert 'holotype_outcomes_total{outcome="added"} 1.0' in page
    assert f'route="{CLASSIFY}",status="200"' in page


# -- adding -------------------------------------------------------------------------


def test_add__outcomes_and_what_is_stored(own_genes: Running) -> None:
    """Added, present, in conflict: as with pictures; names, groups and metadata are kept."""
    X, _ = rows(2, seed=5)
    first = {"vector": X[0].tolist(), "label": "dog", "id": "gene 7", "group": "g", "source": "s"}
    second = {"vector": X[1].tolist(), "label": "dog", "meta": {"site": "A"}}

    def add(*items: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
        answered = own_genes.http.post(ADD, json={"references": items, **more})
        assert answered.status_code == 200, answered.text
        found: list[dict[str, Any]] = answered.json()["outcomes"]
        return found

    added = add(first, second, space="my-encoder v3")
    assert [o["outcome"] for o in added] == ["added", "added"]
    assert [o["source"] for o in added] == ["s", "row 1"]
    other = {**second, "label": "elk"}
    assert [o["outcome"] for o in add(first, other)] == ["already_present", "label_conflict"]
    assert [o["outcome"] for o in add(other, on_conflict="replace")] == ["relabelled"]
    named = add({**first, "vector": X[1].tolist()})
    assert named[0]["outcome"] == "failed"
    assert "another vector under this id" in named[0]["reason"]
    stored = own_genes.http.get("/v1/references", params={"where": "group=g"}).json()["references"]
    assert [(r["id"], r["label"], r["width"]) for r in stored] == [(added[0]["id"], "dog", 0)]
    assert ask(own_genes, X, k=1).json()["results"][1]["answer"]["label"] == "elk"


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"vector": [1, 2, 3], "label": "x"}, "body.references.1.vector: it has 3 numbers"),
        ({"vector": [0] * D, "label": "x"}, "body.references.1.vector: it is all zeros"),
        ({"vector": [1] * D, "label": "\t"}, "body.references.1.label: "),
        ({"vector": [1] * D}, "body.references.1.label: it is missing"),
        ({"vector": [1] * D, "label": "x", "meta": {"ä b": "1"}}, "body.references.1: metadata"),
        ({"vector": [1] * D, "label": "x", "colour": 1}, "body.references.1.colour: there is no"),
    ],
)
def test_add__rows_that_cannot_be_used(genes: Running, item: dict[str, Any], said: str) -> None:
    """Each is named by its row; nothing is added."""
    sound = {"vector": [1, 0, 0, 0, 0], "label": "new"}
    refused = genes.http.post(ADD, json={"references": [sound, item]})
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith(said)
    assert genes.service.store.count() == 18


def test_add__of_another_space(genes: Running) -> None:
    """Who names the space is told where it is another one."""
    item = {"vector": [1] * D, "label": "x"}
    refused = genes.http.post(ADD, json={"references": [item], "space": "my-encoder v2"})
    assert (refused.status_code, refused.json()["title"]) == (409, "Other space")
    assert "my-encoder v3" in refused.json()["detail"]
    assert "not 'my-encoder v2'" in refused.json()["detail"]


def test_add__to_a_gallery_of_pictures(service: Running) -> None:
    """Only with the fingerprint that says whose vectors they are: numbers alone say nothing."""
    store = service.service.store
    vector = np.arange(1, store.fingerprint.dimension + 1).tolist()
    body = {"references": [{"vector": vector, "label": "red"}]}
    refused = service.http.post(ADD, json=body)
    assert refused.status_code == 409
    detail = refused.json()["detail"]
    assert "holds pictures embedded by 'colour'" in detail
    assert detail.endswith("none was named")
    space = service.http.get("/v1/gallery").json()["fingerprint_id"]
    assert f'"space": "{space}"' in detail
    added = service.http.post(ADD, json={**body, "space": space})
    assert added.json()["outcomes"][0]["outcome"] == "added"
    assert store.counts()["red"] == 7


# -- through the client -------------------------------------------------------------


def test_client__any_number_of_vectors(own_genes: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut by the service's limits, in order: outcomes, answers, the same ids as at the store."""
    sent: list[int] = []
    monkeypatch.setattr(own_genes.service.places, "take", _noted(own_genes, sent))
    X, labels = rows(150, seed=6)
    records = vector_records(X, labels, dimension=D, groups=["g"] * 150)
    with own_genes.client() as client:
        added = client.add_vectors(records, on_conflict=OnConflict.ERROR)
        again = client.add_vectors(records, on_conflict=OnConflict.ERROR)
        options = QueryOptions(k=1, mode=Mode.AUTO, where=Where.parse(["group=g"]))
        answers = classify_vectors_remotely(unit_vectors(X, D), client, options)
        nothing = client.classify_vectors(np.empty((0, D), np.float32), {})
    assert {o.outcome for o in added} == {Outcome.ADDED}
    assert {o.outcome for o in again} == {Outcome.ALREADY_PRESENT}
    assert [o.source for o in added] == [f"row {row}" for row in range(150)]
    own = [item.id for item in incoming_vectors(records, SPACE)]
    assert [o.id for o in added] == own
    assert [answer.neighbours[0].id for answer in answers] == own
    assert [answer.known_as for answer in answers] == labels
    assert nothing == []
    assert [n for n in sent if n > 1] == [64, 64, 22] * 3


def _noted(service: Running, sent: list[int]) -> Any:
    take = service.service.places.take

    def noting(n: int) -> None:
        sent.append(n)
        take(n)

    return noting


def test_client__cut_by_bytes(genes: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request is never larger than the service takes, however long the texts are."""
    sizes: list[int] = []
    monkeypatch.setattr("holotype.uploads.OVERHEAD", 0)
    with genes.client() as client:
        about = dict(client.about())
        client._about = {**about, "max_vectors_bytes": 2000}
        json_of = client._json

        def noting(method: str, path: str, **request: Any) -> Any:
            sizes.append(len(json.dumps(request.get("json"), separators=(",", ":"))))
            return json_of(method, path, **request)

        client._json = noting
        X, _ = rows(40)
        options = {"where": [f"label!={'x' * 90}"]}
        assert len(client.classify_vectors(unit_vectors(X, D), options)) == 40
    assert len(sizes) == 3
    assert max(sizes) <= 2000 + len(json.dumps(options)) + 20


def test_client__errors_of_the_same_class(tmp_path: Path, reading: Running) -> None:
    """What a store or a classifier raises is raised here."""
    one = unit_vectors(rows(1)[0], D)
    with ExitStack() as opened:
        store = opened.enter_context(gallery(tmp_path, n=0))
        service = opened.enter_context(running(store, home=tmp_path))
        client = opened.enter_context(service.client())
        with pytest.raises(EmptyGallery):
            client.classify_vectors(one, {})
    with reading.client() as client, pytest.raises(UsageError, match="it has 5 numbers"):
        client.classify_vectors(one, {})


# -- a gallery without pictures -----------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/classify", "/v1/references"])
@pytest.mark.parametrize("how", ["form", "json", "half a form"])
def test_pictures__are_refused_with_the_way(genes: Running, path: str, how: str) -> None:
    """One problem, before anything is read: which space it is, and where vectors go."""
    request: dict[str, Any] = {
        "form": {"files": colour_images(), "data": {"label": "red"}},
        "json": {"json": {}},
        "half a form": {
            "content": b"--b",
            "headers": {"Content-Type": "multipart/form-data; boundary=b"},
        },
    }[how]
    refused = genes.http.post(path, **request)
    assert (refused.status_code, refused.json()["type"]) == (
        409,
        "urn:holotype:problem:no-pictures",
    )
    assert refused.json()["detail"] == (
        "gallery 'genes' holds vectors of space 'my-encoder v3' with 5 numbers, which no encoder "
        f"of this service makes: ask with POST {CLASSIFY}, add with POST {ADD}"
    )


def test_pictures__everything_else_works(own_genes: Running) -> None:
    """Health, gallery, lists, corrections, heads, the export and the page."""
    http = own_genes.http
    assert http.get("/readyz").json() == {"status": "ok", "encoder": "ok", "store": "ok"}
    about = http.get("/v1/gallery").json()
    assert (about["space"], about["references"], about["classes"]) == ("my-encoder v3", 18, 3)
    with own_genes.client() as client:
        assert client.fingerprint == SPACE
        assert client.relabel("wasp", where=Where.parse(["group=g0"])) == 3
        assert client.counts()["wasp"] == 3
        assert sum(map(len, client.export())) == 18
    first = http.get("/v1/references", params={"limit": 1}).json()["references"][0]
    assert http.get(f"/v1/references/{first['id']}/thumbnail").status_code == 404
    assert http.delete(f"/v1/references/{first['id']}").status_code == 204
    for path in ("/", "/v1/heads", "/v1/retrain", "/v1/review", "/metrics", "/openapi.json"):
        assert http.get(path).status_code == 200, path


def test_pictures__gallery_of_pictures_says_so(reading: Running) -> None:
    """No space there, but a fingerprint."""
    about = reading.http.get("/v1/gallery").json()
    assert about["space"] is None
    assert about["fingerprint"]["backbone"] == "colour"


def test_pictures__through_the_client(genes: Running) -> None:
    """The same sentence."""
    from holotype.client import Outgoing

    with genes.client() as client, pytest.raises(ServiceError, match="my-encoder v3") as refused:
        client.classify([Outgoing("a.png", b"x")], {})
    assert refused.value.status == 409


def test_client__is_the_service_client(genes: Running) -> None:
    """Limits that are announced are those that hold."""
    with ServiceClient(genes.url) as client:
        assert client.limits.vectors_bytes == 8 << 20
