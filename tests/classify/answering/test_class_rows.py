"""The second row of evidence: the answer's own class, where none of it is among the neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from classify.answering.answers import Answer
from classify.answering.classifier import Classifier
from classify.answering.modes import Mode
from classify.answering.options import QueryOptions
from head.versions import registry
from holotype.references import Vectors, Where
from holotype.store.port import VectorStore
from tests.classify.conftest import ColourGallery, Run, picture, publish_head


@pytest.fixture
def swapped(own_gallery: ColourGallery) -> Iterator[VectorStore]:
    """Six references of each colour, and a head that is sure that what is red is green."""
    with own_gallery.open() as store:
        head = publish_head(store, "red", "green", "blue")
        labels, version = ("green", "red", "blue"), "20260101-000001-bbbb"
        record = replace(head.record, version=version, labels=labels)
        wrong = replace(head, record=record, labels=labels, weights=head.weights * 50)
        store.save_head(replace(wrong, bias=head.bias * 50).to_stored())
        registry.promote(store, version)
        yield store


@pytest.fixture
def query(own_gallery: ColourGallery) -> Vectors:
    """(1, D) a red query."""
    return own_gallery.embed(picture("red", 77))[None]


def _ask(store: VectorStore, vectors: Vectors, **options: object) -> Answer:
    asked = QueryOptions(**{"mode": Mode.AUTO, "k": 4, **options})  # type: ignore[arg-type]
    (answer,) = Classifier(store).classify(vectors, asked)
    return answer


def test_class_row__is_of_the_answer_that_no_neighbour_carries(
    own_gallery: ColourGallery, swapped: VectorStore, query: Vectors
) -> None:
    """All neighbours are red, the answer is green: the nearest green ones come beside them."""
    answer = _ask(swapped, query)
    assert (answer.label, {n.label for n in answer.neighbours}) == ("green", {"red"})
    row = answer.class_neighbours
    assert [n.label for n in row] == ["green"] * 4
    assert [n.similarity for n in row] == sorted((n.similarity for n in row), reverse=True)
    assert {n.weight for n in row} == {0.0}
    nearest = swapped.neighbours(query, k=4, where=Where.equal("label", "green"))[0]
    assert [n.id for n in row] == [n.id for n in nearest]
    assert all(n.source for n in row)


def test_class_row__keeps_to_the_filter_and_to_what_was_asked(
    swapped: VectorStore, query: Vectors
) -> None:
    """References that the filter leaves out are no evidence; of few neighbours a few suffice."""
    answer = _ask(swapped, query, where=Where.parse(["site=A"]), evidence=2)
    assert answer.label == "green"
    assert [n.meta["site"] for n in answer.class_neighbours] == ["A", "A"]
    assert _ask(swapped, query, evidence=0).class_neighbours == ()


class Counting:
    """A store that counts searches."""

    def __init__(self, store: VectorStore) -> None:
        self._store, self.searches = store, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def neighbours(self, *args: object, **kwargs: object) -> object:
        self.searches += 1
        return self._store.neighbours(*args, **kwargs)  # type: ignore[arg-type]


def test_class_row__costs_nothing_where_the_class_is_shown(
    own_gallery: ColourGallery, swapped: VectorStore, query: Vectors
) -> None:
    """One search for all queries; a second one only for those that lack their class."""
    store = Counting(swapped)
    classifier = Classifier(store)  # type: ignore[arg-type]
    green = own_gallery.embed(picture("blue", 78))[None]
    asked = QueryOptions(mode=Mode.AUTO, k=4)
    (shown,) = classifier.classify(green, asked)
    assert (shown.class_neighbours, store.searches) == ((), 1)
    classifier.classify(np.vstack([query, green, query]), asked)
    assert store.searches == 3


def test_class_row__leaves_the_query_itself_out(
    own_gallery: ColourGallery, swapped: VectorStore
) -> None:
    """Where a reference is not to speak for itself, it is not shown as evidence either."""
    with_red = swapped.neighbours(own_gallery.embed(picture("green", 1))[None], k=1)[0][0]
    query = own_gallery.embed(picture("red", 77))[None]
    (answer,) = Classifier(swapped).classify(
        query, QueryOptions(mode=Mode.AUTO, k=4, exclude_self=True), own_ids=[with_red.id]
    )
    assert answer.class_neighbours
    assert with_red.id not in {n.id for n in answer.class_neighbours}


def test_output__the_row_has_its_own_heading(
    own_gallery: ColourGallery, swapped: VectorStore, run: Run
) -> None:
    """Headings say how many neighbours are of the class, and which are the nearest that are."""
    swapped.close()
    ran = run("query", "-", "--mode", "auto", "--k", "4", stdin=picture("red", 77))
    lines = ran.out.splitlines()
    because = lines.index("  because of  0 of the 4 nearest references are green")
    assert all(line.split()[0] == "red" for line in lines[because + 1 : because + 5])
    assert lines[because + 5] == "  beside it   the nearest references of green"
    assert all(line.split()[0] == "green" for line in lines[because + 6 :])
