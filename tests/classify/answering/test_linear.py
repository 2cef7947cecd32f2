"""The linear mode: the head's word, kept to the labels that exist now."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from classify.answering.classifier import Classifier
from classify.answering.modes import Mode
from classify.answering.options import QueryOptions
from head.versions import registry
from holotype.errors import NoActiveHead
from holotype.references import Where
from holotype.store.port import VectorStore
from tests.classify.conftest import ColourGallery, Run, picture, publish_head

LINEAR = QueryOptions(mode=Mode.LINEAR)


@pytest.fixture
def store(own_gallery: ColourGallery) -> VectorStore:
    """Red, green and blue, with a head trained on all three."""
    with own_gallery.open() as opened:
        publish_head(opened, "red", "green", "blue")
        yield opened


def test_linear__answers_from_the_command(
    own_gallery: ColourGallery, run: Run, tmp_path: Path
) -> None:
    """Label, probability and the head's version; no neighbours, since none were asked."""
    with own_gallery.open() as store:
        head = publish_head(store, "red", "green", "blue")
    path = tmp_path / "query.png"
    path.write_bytes(picture("blue", 70))
    (answer,) = run("query", path, "--mode", "linear", "--json").lines
    assert (answer["mode"], answer["label"]) == ("linear", "blue")
    assert answer["head"] == head.version
    assert answer["neighbours"] == []
    scores = [answer["score"], *(r["score"] for r in answer["runners_up"])]
    assert sum(scores) == pytest.approx(1)
    assert scores == sorted(scores, reverse=True)
    table = run("query", path, "--mode", "linear")
    assert f"(linear, head {head.version}, not calibrated)" in table.out
    assert "because of" not in table.out


def test_scores__are_the_head_s_probabilities(
    own_gallery: ColourGallery, store: VectorStore
) -> None:
    """Nothing is added to what the head says where all of its labels exist."""
    head = registry.active(store)
    assert head is not None
    vectors = np.stack([own_gallery.embed(picture("green", 80 + i)) for i in range(4)])
    for answer, row in zip(
        Classifier(store).classify(vectors, LINEAR), head.probabilities(vectors), strict=True
    ):
        said = {s.label: s.score for s in answer.scores}
        assert said == pytest.approx(dict(zip(head.labels, row, strict=True)))


def test_newer_class__is_named_in_a_notice(
    own_gallery: ColourGallery, run: Run, tmp_path: Path
) -> None:
    """A class that the head never saw cannot be answered by it, and a notice says so."""
    with own_gallery.open() as store:
        publish_head(store, "red", "green")
    path = tmp_path / "query.png"
    path.write_bytes(picture("red", 70))
    ran = run("query", path, path, "--mode", "linear")
    assert ran.code == 0
    assert ran.err.count("does not know 'blue', added since it was trained: run `retrain`") == 1


def test_removed_class__is_no_longer_answered(
    own_gallery: ColourGallery, store: VectorStore
) -> None:
    """Once its references are gone, a label is not answered, whatever the head remembers."""
    query = own_gallery.embed(picture("red", 70))[None]
    classifier = Classifier(store)
    assert classifier.classify(query, LINEAR)[0].label == "red"
    store.remove(where=Where.equal("label", "red"))
    (answer,) = classifier.classify(query, LINEAR)
    assert answer.label in {"green", "blue"}
    assert sum(s.score for s in answer.scores) == pytest.approx(1)


def test_where__narrows_the_labels(own_gallery: ColourGallery, store: VectorStore) -> None:
    """Under a filter, only labels that some reference under it carries are answered."""
    query = own_gallery.embed(picture("red", 70))[None]
    options = QueryOptions(mode=Mode.LINEAR, where=Where.parse(["label!=red"]))
    (answer,) = Classifier(store).classify(query, options)
    assert {s.label for s in answer.scores} == {"green", "blue"}


def test_promotion__is_seen_by_the_next_query(
    own_gallery: ColourGallery, store: VectorStore
) -> None:
    """A classifier that lives on answers with the head that is active now."""
    query = own_gallery.embed(picture("red", 70))[None]
    classifier = Classifier(store)
    before = classifier.classify(query, LINEAR)[0].head
    newer = publish_head(store, "red", "green", version="20260202-000000-bbbb").version
    assert classifier.classify(query, LINEAR)[0].head == newer != before


def test_head__of_other_labels_altogether(own_gallery: ColourGallery, store: VectorStore) -> None:
    """A head that knows no label of today's gallery says to retrain, with the labels."""
    query = own_gallery.embed(picture("red", 70))[None]
    for label in ("red", "green", "blue"):
        store.relabel(f"{label}-renamed", where=Where.equal("label", label))
    with pytest.raises(NoActiveHead, match=r"'blue-renamed', 'green-renamed'.*run `retrain`"):
        Classifier(store).classify(query, LINEAR)
