"""`classify eval --leave-one-out`: references classified from the others, nothing read."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from classify.answering.classifier import Classifier
from classify.answering.options import QueryOptions
from holotype.references import Where
from tests.classify.conftest import ColourGallery, Run, picture
from tests.fakes import ColourEncoder


def test_leave_one_out__agrees_with_the_query_command(
    gallery: ColourGallery, run: Run, encoder: ColourEncoder
) -> None:
    """Each reference, queried with --exclude-self one by one, gives the same accuracy."""
    ran = run(
        "eval",
        "--leave-one-out",
        "--metric",
        "cosine",
        "--near-duplicate",
        "1",
        "--k",
        "5",
        "--json",
    )
    (report,) = ran.lines
    with gallery.open() as store:
        right = []
        for batch in store.export():
            answers = Classifier(store).classify(
                batch.vectors, QueryOptions(k=5, exclude_self=True), own_ids=batch.ids
            )
            right += [a.label == label for a, label in zip(answers, batch.labels, strict=True)]
    assert ran.code == 0
    assert report["modes"]["knn"]["accuracy"]["value"] == pytest.approx(np.mean(right))
    assert report["queries"] == report["modes"]["knn"]["queries"] == 18
    assert encoder.calls == 0


def test_leave_one_out__own_group_does_not_vote(empty_gallery: ColourGallery, run: Run) -> None:
    """A mislabelled pair in one group would confirm each other; left out, both are mistakes."""
    odd = [picture("red", seed) for seed in (40, 41)]
    empty_gallery.fill(
        *(empty_gallery.reference(data, "green", group="slide 7") for data in odd),
        *(empty_gallery.reference(picture("red", s), "red") for s in range(5)),
        *(empty_gallery.reference(picture("green", s), "green") for s in range(5)),
    )
    arguments = (
        "eval",
        "--leave-one-out",
        "--metric",
        "cosine",
        "--near-duplicate",
        "1",
        "--k",
        "1",
        "--json",
    )
    (report,) = run(*arguments).lines
    knn = report["modes"]["knn"]
    assert knn["queries"] == 12
    assert {(m["truth"], m["answered"]) for m in report["mistakes"]["knn"]} >= {("green", "red")}
    wrong = [m for m in report["mistakes"]["knn"] if m["truth"] == "green"]
    assert len(wrong) == 2
    sources = {
        f"drawer/green/{empty_gallery.reference(d, 'green').reference.sha256[:6]}.png" for d in odd
    }
    assert {m["name"] for m in wrong} == sources
    assert {m["id"] for m in wrong} == {
        empty_gallery.reference(d, "green").reference.id for d in odd
    }
    assert all(n["source"] not in sources for m in wrong for n in m["neighbours"])


def test_leave_one_out__near_duplicates_do_not_vote(empty_gallery: ColourGallery, run: Run) -> None:
    """Two shots of one thing under a wrong label do not confirm each other; a notice says so."""
    rng = np.random.default_rng(4)
    twin = picture("red", 40)
    shot = np.asarray(Image.open(io.BytesIO(twin))).astype(int)
    again = np.clip(shot + rng.integers(-1, 2, shot.shape), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(again).save(file, "PNG")
    empty_gallery.fill(
        *(empty_gallery.reference(data, "green") for data in (twin, file.getvalue())),
        *(empty_gallery.reference(picture("red", s), "red") for s in range(5)),
        *(empty_gallery.reference(picture("green", s), "green") for s in range(5)),
    )
    arguments = ("eval", "--leave-one-out", "--metric", "cosine", "--k", "1", "--json")
    ran = run(*arguments)
    assert "none of them voted for each other" in ran.err
    assert [m["answered"] for m in ran.lines[0]["mistakes"]["knn"]] == ["red", "red"]
    (all_of_them,) = run(*arguments, "--near-duplicate", "1").lines
    assert all_of_them["modes"]["knn"]["accuracy"]["value"] == 1


def test_leave_one_out__every_mode_out_of_fold(
    gallery: ColourGallery, run: Run, encoder: ColourEncoder
) -> None:
    """Without --metric cosine the metric and the head are learned fold by fold, and pooled."""
    ran = run("eval", "--leave-one-out", "--near-duplicate", "1", "--json")
    (report,) = ran.lines
    assert ran.code == 0
    assert list(report["modes"]) == ["knn", "linear", "auto"]
    for figures in report["modes"].values():
        assert figures["queries"] == 18
        assert figures["accuracy"]["value"] > 0.9
    assert encoder.calls == 0


def test_leave_one_out__a_lone_reference_is_of_an_absent_class(
    empty_gallery: ColourGallery, run: Run
) -> None:
    """Left out, its class is gone: it cannot be answered, so it is not held against anyone."""
    empty_gallery.fill(
        empty_gallery.reference(picture("blue", 1), "blue"),
        *(empty_gallery.reference(picture("red", s), "red") for s in range(3)),
        *(empty_gallery.reference(picture("green", s), "green") for s in range(3)),
    )
    ran = run("eval", "--leave-one-out", "--metric", "cosine", "--near-duplicate", "1", "--json")
    (report,) = ran.lines
    assert report["absent_classes"] == {"blue": 1}
    assert report["modes"]["knn"]["queries"] == 6
    assert "1 queries are of classes that cannot be answered (blue)" in ran.err


def test_leave_one_out__filtered(gallery: ColourGallery, run: Run) -> None:
    """Under --where, only references that match are classified, from each other."""
    (report,) = run(
        "eval", "--leave-one-out", "--metric", "cosine", "--where", "site=A",
        "--near-duplicate", "1", "--json",
    ).lines  # fmt: skip
    assert report["queries"] == 9
    assert report["subject"]["references"] == 9
    with gallery.open() as store:
        assert store.count(where=Where.equal("meta.site", "A")) == 9
