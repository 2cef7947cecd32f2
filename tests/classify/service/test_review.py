"""The review queue: what is kept, how it is labelled, and what never leaves a trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from classify.service.problems import NotFound
from classify.service.review import ReviewQueue
from holotype.store.port import VectorStore
from tests.classify.conftest import COLOURS, picture, publish_head
from tests.classify.service.conftest import Serve, images
from tests.running import Running


@pytest.fixture
def doubting(serve: Serve, own_store: VectorStore, tmp_path: Path) -> Running:
    """A service that keeps three queries, with a head that takes red for green."""
    head = publish_head(own_store, *COLOURS)
    from dataclasses import replace

    swapped = ("green", "red", "blue")
    record = replace(head.record, version="20260101-000001-bbbb", labels=swapped)
    own_store.save_head(replace(head, labels=swapped, record=record).to_stored())
    from head import registry

    registry.promote(own_store, record.version)
    return serve(keep_queries=3, home=tmp_path / "home")


def kept(running: Running) -> list[dict[str, object]]:
    """What waits for review."""
    items: list[dict[str, object]] = running.http.get("/v1/review").json()["items"]
    return items


def test_review__a_disagreement_is_kept_and_agreement_is_not(doubting: Running) -> None:
    """Where k-NN and the head name different classes, a person is asked; both are shown."""
    files = images(picture("red", 500), picture("blue", 500))
    assert doubting.http.post("/v1/classify", files=files).status_code == 200
    (item,) = kept(doubting)
    assert (item["query"], item["reason"]) == ("0.png", "modes disagree")
    answers = item["answers"]
    assert isinstance(answers, dict)
    assert answers["knn"][0]["label"] == "red"
    assert answers["linear"][0]["label"] == "green"
    thumbnail = doubting.http.get(f"/v1/review/{item['id']}/thumbnail")
    assert thumbnail.headers["content-type"] == "image/jpeg"


def test_review__label_one(doubting: Running) -> None:
    """It is added under the label that a person gave, and leaves the queue."""
    doubting.http.post("/v1/classify", files=images(picture("red", 501)))
    (item,) = kept(doubting)
    response = doubting.http.post(f"/v1/review/{item['id']}", json={"label": "ruby"})
    assert response.json()["outcomes"][0]["outcome"] == "added"
    assert kept(doubting) == []
    classes = {c["label"] for c in doubting.http.get("/v1/classes").json()["classes"]}
    assert "ruby" in classes


def test_review__label_several(doubting: Running) -> None:
    """One label for several; one that is not kept any more stops nothing halfway."""
    doubting.http.post("/v1/classify", files=images(*(picture("red", n) for n in (502, 503))))
    ids = [item["id"] for item in kept(doubting)]
    missing = doubting.http.post("/v1/review", json={"ids": [*ids, "0" * 64], "label": "red"})
    assert missing.status_code == 404
    assert len(kept(doubting)) == 2
    response = doubting.http.post("/v1/review", json={"ids": ids, "label": "red"})
    assert [o["outcome"] for o in response.json()["outcomes"]] == ["added", "added"]
    assert kept(doubting) == []


def test_review__dismiss(doubting: Running) -> None:
    """It goes without being added; what is not there is said."""
    doubting.http.post("/v1/classify", files=images(picture("red", 504)))
    (item,) = kept(doubting)
    assert doubting.http.delete(f"/v1/review/{item['id']}").status_code == 204
    assert kept(doubting) == []
    assert doubting.http.delete(f"/v1/review/{item['id']}").status_code == 404
    assert doubting.http.delete("/v1/review/..%2Fgallery").status_code == 404


def test_review__the_newest_few(doubting: Running) -> None:
    """No more than the setting says, and the oldest go first."""
    for seed in range(505, 510):
        doubting.http.post(
            "/v1/classify", files=[("images", (f"{seed}.png", picture("red", seed)))]
        )
    assert [item["query"] for item in kept(doubting)] == ["509.png", "508.png", "507.png"]
    folder = doubting.service.settings.home / "default" / "review"
    assert len(list(folder.iterdir())) == 6


def test_review__nothing_is_kept_unless_allowed(
    serve: Serve, own_store: VectorStore, tmp_path: Path
) -> None:
    """By default no query leaves a trace on disk."""
    publish_head(own_store, "red", "green")
    running = serve(home=tmp_path / "elsewhere")
    running.http.post("/v1/classify", files=images(picture("blue", 511)))
    listed = running.http.get("/v1/review").json()
    assert (listed["keeps_queries"], listed["items"]) == (False, [])
    assert not (tmp_path / "elsewhere" / "default" / "review").exists()


def test_queue__the_same_picture_is_kept_once(tmp_path: Path) -> None:
    """Asking again about a picture replaces what was known of it."""
    queue = ReviewQueue(tmp_path / "review", limit=5)
    for name in ("a.png", "b.png"):
        queue.keep(b"bytes", query=name, reason="abstained", answers={})
    (only,) = queue.all()
    assert only.query == "b.png"
    assert queue.get(only.id)[1] == b"bytes"


def test_queue__survives_a_restart_and_knows_what_it_lacks(tmp_path: Path) -> None:
    """It is files; an id that is no hash reaches no file."""
    ReviewQueue(tmp_path / "review", limit=5).keep(
        b"bytes", query="a.png", reason="abstained", answers={}
    )
    queue = ReviewQueue(tmp_path / "review", limit=5)
    (item,) = queue.all()
    assert item.reason == "abstained"
    for id_ in ("0" * 64, "../../etc/passwd", ""):
        with pytest.raises(NotFound, match="kept for review"):
            queue.get(id_)
