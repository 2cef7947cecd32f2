"""The review queue: what is kept, how it is labelled, and what never leaves a trace."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import shutil
import threading
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from classify.answering.answers import Answer, answer_from
from classify.answering.modes import Mode
from classify.answering.options import QueryOptions
from classify.service import review_selection
from classify.service.classification import SearchRequest, Upload
from classify.service.metrics import Metrics
from classify.service.models.answers import EXAMPLES
from classify.service.routes import review as routes
from holotype import review_queue
from holotype.errors import NotFound
from holotype.references import reference_id
from holotype.review_queue import ReviewQueue, ReviewUnusable
from holotype.store.port import VectorStore
from tests.classify.conftest import COLOURS, picture, publish_head
from tests.classify.service.conftest import Serve, images
from tests.running import PATIENCE_S, Running


@pytest.fixture
def doubting(serve: Serve, own_store: VectorStore, tmp_path: Path) -> Running:
    """A service that keeps three queries, with a head that takes red for green."""
    head = publish_head(own_store, *COLOURS)
    swapped = ("green", "red", "blue")
    record = replace(head.record, version="20260101-000001-bbbb", labels=swapped)
    own_store.save_head(replace(head, labels=swapped, record=record).to_stored())
    from head.versions import registry

    registry.promote(own_store, record.version)
    return serve(keep_queries=3, home=tmp_path / "home")


def kept(running: Running) -> list[dict[str, object]]:
    """What waits for review, once all answers so far have been looked at."""
    running.service.review_selection.wait(PATIENCE_S)
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


def test_review__a_list_holds_what_was_answered_just_before(
    doubting: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who looks right after an answer finds its query, although it is kept in the background."""
    monkeypatch.setattr(routes, "SETTLE_S", PATIENCE_S)
    for n in range(3):
        doubting.http.post("/v1/classify", files=images(picture("red", 560 + n)))
        assert doubting.http.get("/v1/review").json()["total"] == n + 1


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
    assert len(list(folder.glob("*.image"))) == 3


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


def test_review__one_that_was_added_elsewhere_is_a_conflict(doubting: Running) -> None:
    """What the gallery says is not overruled unasked: a label needs a choice, and then leaves."""
    data = picture("red", 512)
    doubting.http.post("/v1/classify", files=images(data))
    (item,) = kept(doubting)
    doubting.http.post("/v1/references", files=images(data), data={"label": "garnet"})
    url = f"/v1/review/{item['id']}"

    (refused,) = doubting.http.post(url, json={"label": "ruby"}).json()["outcomes"]
    assert refused["outcome"] == "label_conflict"
    assert "is in the gallery as 'garnet'" in refused["reason"]
    reference = doubting.http.get(f"/v1/references/{refused['id']}").json()
    assert reference["label"] == "garnet"

    chosen = {"label": "ruby", "on_conflict": "replace"}
    (settled,) = doubting.http.post(url, json=chosen).json()["outcomes"]
    assert (settled["outcome"], settled["reason"]) == ("relabelled", "was 'garnet'")
    assert kept(doubting) == []


def test_review__one_that_was_added_elsewhere_leaves(doubting: Running) -> None:
    """A list no longer has it, nor its count; another one stays."""
    pictures = [picture("red", seed) for seed in (513, 514)]
    doubting.http.post("/v1/classify", files=images(*pictures))
    assert len(kept(doubting)) == 2
    doubting.http.post("/v1/references", files=images(pictures[0]), data={"label": "garnet"})
    assert [item["query"] for item in kept(doubting)] == ["1.png"]
    assert doubting.http.get("/v1/review", params={"limit": 1}).json()["total"] == 1


def test_review__one_that_was_in_the_gallery_before_says_so(doubting: Running) -> None:
    """It is in doubt all the same; once somebody relabels it elsewhere it is not."""
    data = picture("red", 515)
    added = doubting.http.post("/v1/references", files=images(data), data={"label": "garnet"})
    doubting.service.review.keep(data, query="a.png", reason="unsure", answers={})
    (item,) = kept(doubting)
    assert item["in_gallery"] == "garnet"
    (outcome,) = added.json()["outcomes"]
    doubting.http.patch(f"/v1/references/{outcome['id']}", json={"label": "ruby"})
    assert kept(doubting) == []


def test_review__candidates_come_with_their_references(doubting: Running) -> None:
    """Each class has its probability and its nearest four; the picture itself is none of them."""
    data = picture("red", 516)
    doubting.http.post("/v1/references", files=images(data), data={"label": "red"})
    doubting.service.review.keep(data, query="a.png", reason="unsure", answers={})
    (item,) = kept(doubting)
    found = doubting.http.get(f"/v1/review/{item['id']}/candidates").json()
    assert {one["label"] for one in found["candidates"]} == set(COLOURS)
    scores = [one["score"] for one in found["candidates"]]
    assert scores == sorted(scores, reverse=True)
    own = reference_id(hashlib.sha256(data).hexdigest())
    for one in found["candidates"]:
        assert [r["label"] for r in one["references"]] == [one["label"]] * 4
        assert own not in [r["id"] for r in one["references"]]
        nearness = [r["similarity"] for r in one["references"]]
        assert nearness == sorted(nearness, reverse=True)
    assert doubting.http.get(f"/v1/review/{'0' * 64}/candidates").status_code == 404
    assert len(kept(doubting)) == 1


def test_review__looked_at_closely(doubting: Running) -> None:
    """The large picture has its own size where that is small."""
    doubting.service.review.keep(picture("red", 517), query="a.png", reason="unsure", answers={})
    (item,) = kept(doubting)
    large = doubting.http.get(f"/v1/review/{item['id']}/image")
    assert large.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(large.content)).size == (48, 40)


def test_review__what_left_is_brought_back_in_its_place(doubting: Running) -> None:
    """What was dropped or added is in doubt again, between those that it was between."""
    files = [(f"{n}.png", picture("red", n)) for n in (518, 519, 520)]
    for name, data in files:
        doubting.service.review.keep(data, query=name, reason="unsure", answers={})
    ids = [item["id"] for item in kept(doubting)]
    doubting.http.delete(f"/v1/review/{ids[1]}")
    assert doubting.http.get(f"/v1/review/{ids[1]}/image").status_code == 200
    (added,) = doubting.http.post(f"/v1/review/{ids[2]}", json={"label": "ruby"}).json()["outcomes"]
    doubting.http.delete(f"/v1/references/{added['id']}")
    for id_ in ids[1:]:
        assert doubting.http.post(f"/v1/review/{id_}/restore").status_code == 204
        assert doubting.http.post(f"/v1/review/{id_}/restore").status_code == 204
    assert [item["id"] for item in kept(doubting)] == ids
    assert doubting.http.get(f"/v1/review/{ids[1]}/thumbnail").status_code == 200
    assert doubting.http.post(f"/v1/review/{'0' * 64}/restore").status_code == 404


def test_review__a_page_at_a_time(doubting: Running) -> None:
    """Pages go on where the last one ended, also when what was on it has left meanwhile."""
    names = [f"{seed}.png" for seed in range(520, 523)]
    for name in names:
        data = picture("red", int(name[:3]))
        doubting.http.post("/v1/classify", files=[("images", (name, data))])
    assert len(kept(doubting)) == 3
    first = doubting.http.get("/v1/review", params={"limit": 2}).json()
    assert ([item["query"] for item in first["items"]], first["total"]) == (names[:0:-1], 3)
    doubting.http.delete(f"/v1/review/{first['items'][1]['id']}")
    after = {"limit": 2, "after": first["next_after"]}
    last = doubting.http.get("/v1/review", params=after).json()
    assert [item["query"] for item in last["items"]] == names[:1]
    assert (last["next_after"], last["total"]) == (None, 2)
    assert doubting.http.get("/v1/review", params={"limit": 0}).status_code == 422


def test_answers__a_disk_without_room_costs_no_answer(
    doubting: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Queries in doubt are answered as before; what is not kept is logged once, and counted."""

    def full(_path: Path, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    for seed in (530, 531):
        response = doubting.http.post("/v1/classify", files=images(picture("red", seed)))
        assert response.status_code == 200
        assert response.json()["results"][0]["answer"]["label"]
    assert kept(doubting) == []
    assert [r.message for r in caplog.records if "No space left" in r.message] == [
        f"queries in doubt are not kept for review: the queries kept for review in "
        f"{doubting.service.settings.home / 'default' / 'review'} cannot be used: [Errno 28] No "
        "space left on device. Make room on that disk, or restart the service, which makes a "
        "damaged index anew"
    ]
    assert 'holotype_doubts_total{outcome="failed"} 2.0' in doubting.http.get("/metrics").text


def test_answers__wait_for_nothing_and_what_is_too_much_is_dropped(
    doubting: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk stands still, answers go on; what would pile up is not kept, and counted."""
    entered, free = threading.Event(), threading.Event()
    keep = ReviewQueue.keep

    def slow(*args: Any, **options: Any) -> None:
        entered.set()
        assert free.wait(PATIENCE_S)
        keep(*args, **options)

    monkeypatch.setattr(ReviewQueue, "keep", slow)
    monkeypatch.setattr(review_selection, "WAITING_REQUESTS", 2)
    try:
        for seed in range(540, 544):
            response = doubting.http.post("/v1/classify", files=images(picture("red", seed)))
            assert response.status_code == 200
            assert entered.wait(PATIENCE_S)
    finally:
        free.set()
    assert len(kept(doubting)) == 2
    assert 'holotype_doubts_total{outcome="dropped"} 2.0' in doubting.http.get("/metrics").text


def test_answers__pictures_that_wait_are_bounded_in_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request beyond the bound is taken, a second one beside it is not."""
    queue, metrics, free = ReviewQueue(tmp_path, limit=5), Metrics(), threading.Event()
    monkeypatch.setattr(review_selection, "WAITING_BYTES", 10)

    def second(_search: SearchRequest) -> Future[list[Answer]]:
        assert free.wait(PATIENCE_S)
        done: Future[list[Answer]] = Future()
        done.set_result([unknown])
        return done

    unknown = replace(answer_from(EXAMPLES["Answer"]), state="unknown", label=None, why="strange")
    examined = review_selection.ReviewSelection(queue, second, metrics)
    search = SearchRequest(np.zeros((1, 2), np.float32), ("id",), QueryOptions(mode=Mode.KNN))
    examined.wait(PATIENCE_S)
    for name in ("first", "second"):
        examined.examine([Upload(name, name.encode() * 3)], search, [unknown])
    free.set()
    examined.close()
    assert [kept.query for kept in queue.page(limit=9).items] == ["first"]
    examined.examine([Upload("late", b"late")], search, [unknown])
    assert len(queue.page(limit=9).items) == 1


def test_queue__the_same_picture_is_kept_once(tmp_path: Path) -> None:
    """Asking again about a picture replaces what was known of it, and makes it the newest."""
    queue = ReviewQueue(tmp_path / "review", limit=5)
    for name, data in (("a.png", b"bytes"), ("other.png", b"other"), ("b.png", b"bytes")):
        queue.keep(data, query=name, reason="abstained", answers={})
    newest, other = queue.page(limit=9).items
    assert (newest.query, other.query) == ("b.png", "other.png")
    assert queue.get(newest.id)[1] == b"bytes"


def test_queue__survives_a_restart_and_knows_what_it_lacks(tmp_path: Path) -> None:
    """It is files; an id that is no hash reaches no file."""
    ReviewQueue(tmp_path / "review", limit=5).keep(
        b"bytes", query="a.png", reason="abstained", answers={"knn": [{"label": "x", "score": 1.0}]}
    )
    queue = ReviewQueue(tmp_path / "review", limit=5)
    queue.settle()
    (item,) = queue.page(limit=9).items
    assert (item.reason, item.answers["knn"][0]["label"]) == ("abstained", "x")
    for id_ in ("0" * 64, "../../etc/passwd", ""):
        with pytest.raises(NotFound, match="kept for review"):
            queue.get(id_)


def test_queue__what_earlier_versions_kept_is_taken_over(tmp_path: Path) -> None:
    """Descriptions that were files of their own become rows, in the order in which they came."""
    for name, at in (("late.png", "2026-11-02"), ("early.png", "2026-11-01")):
        id_ = hashlib.sha256(name.encode()).hexdigest()
        (tmp_path / f"{id_}.image").write_bytes(name.encode())
        old = {"id": id_, "query": name, "kept_at": at, "reason": "abstained", "answers": {}}
        (tmp_path / f"{id_}.json").write_text(json.dumps(old))
    queue = ReviewQueue(tmp_path, limit=5)
    queue.settle()
    queue.settle()
    found = queue.page(limit=9).items
    assert [kept.query for kept in found] == ["late.png", "early.png"]
    assert queue.get(found[0].id)[1] == b"late.png"
    assert not list(tmp_path.glob("*.json"))


def test_queue__a_damaged_index_is_made_anew(tmp_path: Path) -> None:
    """The pictures are still there; what was known of them is not, and that is said."""
    queue = ReviewQueue(tmp_path, limit=5)
    queue.keep(b"bytes", query="a.png", reason="abstained", answers={})
    queue.close()
    (tmp_path / "index.sqlite").write_bytes(b"no database at all, but long enough for one" * 9)
    with pytest.raises(ReviewUnusable, match="file is not a database"):
        queue.page(limit=9)
    queue.settle()
    (item,) = queue.page(limit=9).items
    assert (item.reason, queue.get(item.id)[1]) == ("description lost", b"bytes")
    assert (tmp_path / "index.damaged").exists()


def test_queue__a_folder_that_is_removed_is_begun_anew(tmp_path: Path) -> None:
    """Who deletes all kept queries by hand, under a running service, finds none of them again."""
    queue = ReviewQueue(tmp_path / "review", limit=5)
    queue.keep(b"bytes", query="a.png", reason="abstained", answers={})
    shutil.rmtree(tmp_path / "review")
    assert queue.page(limit=9).total == 0
    queue.keep(b"other", query="b.png", reason="abstained", answers={})
    assert [kept.query for kept in queue.page(limit=9).items] == ["b.png"]


def test_queue__what_left_long_ago_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last few can be brought back until the queue is opened again; no more pictures remain."""
    monkeypatch.setattr(review_queue, "REGRETTED", 2)
    queue = ReviewQueue(tmp_path, limit=5)
    for name in ("a", "b", "c"):
        queue.keep(name.encode(), query=name, reason="unsure", answers={})
    ids = {item.query: item.id for item in queue.page(limit=9).items}
    for name in ("c", "a", "b"):
        queue.forget([ids[name]])
    assert len(list(tmp_path.glob("*.image"))) == 2
    with pytest.raises(NotFound, match="too long ago"):
        queue.bring_back(ids["c"])
    queue.bring_back(ids["a"])
    queue.settle()
    assert [item.query for item in queue.page(limit=9).items] == ["a"]
    assert len(list(tmp_path.glob("*.image"))) == 1
    with pytest.raises(NotFound):
        queue.bring_back(ids["b"])


def test_queue__what_left_takes_no_room_of_what_is_kept(tmp_path: Path) -> None:
    """There are never more pictures than the limit; those that left go first."""
    queue = ReviewQueue(tmp_path, limit=3)
    for name in ("a", "b", "c"):
        queue.keep(name.encode(), query=name, reason="unsure", answers={})
    ids = {item.query: item.id for item in queue.page(limit=9).items}
    queue.forget([ids["b"]])
    queue.keep(b"d", query="d", reason="unsure", answers={})
    assert [item.query for item in queue.page(limit=9).items] == ["d", "c", "a"]
    assert len(list(tmp_path.glob("*.image"))) == 3
    with pytest.raises(NotFound):
        queue.bring_back(ids["b"])


def test_queue__one_that_is_asked_again_after_it_left_keeps_its_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forgetting what left long ago does not touch what is kept anew."""
    monkeypatch.setattr(review_queue, "REGRETTED", 0)
    queue = ReviewQueue(tmp_path, limit=5)
    queue.keep(b"other", query="other", reason="unsure", answers={})
    (other,) = queue.page(limit=9).items
    monkeypatch.setattr(review_queue, "REGRETTED", 1)
    queue.keep(b"bytes", query="a", reason="unsure", answers={})
    first = queue.page(limit=9).items[0]
    queue.forget([first.id])
    queue.keep(b"bytes", query="again", reason="unsure", answers={})
    queue.forget([other.id])
    queue.settle()
    assert queue.get(first.id)[1] == b"bytes"


def test_queue__a_picture_that_is_gone_leaves_the_queue(tmp_path: Path) -> None:
    """A row whose picture somebody removed is no error for ever."""
    queue = ReviewQueue(tmp_path, limit=5)
    queue.keep(b"bytes", query="a.png", reason="abstained", answers={})
    (picture_file,) = tmp_path.glob("*.image")
    picture_file.unlink()
    with pytest.raises(NotFound):
        queue.get(picture_file.stem)
    assert queue.page(limit=9).total == 0
