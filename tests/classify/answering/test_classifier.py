"""What an answer takes from the store: little for the vote, whole references for what it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pytest

from classify.answering.classifier import Classifier
from classify.answering.modes import MetricName, Mode
from classify.answering.options import QueryOptions
from holotype.references import Neighbour, Reference, Vectors
from holotype.store.port import VectorStore
from tests.classify.conftest import ColourGallery, picture, publish_head


@dataclass
class Interrupted:
    """A real store in which something happens between the search and what follows it."""

    store: VectorStore
    happens: Callable[[list[Neighbour]], object]
    read: list[list[str]] = field(default_factory=list)
    """Ids of every call of `get`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def neighbours(self, vectors: Vectors, **options: Any) -> list[list[Neighbour]]:
        """Search, then let it happen to what the first query found."""
        found = self.store.neighbours(vectors, **options)
        self.happens(found[0])
        return found

    def get(self, ids: Sequence[str]) -> list[Reference]:
        """Whole references, and a note of which."""
        self.read.append(list(ids))
        return self.store.get(ids)


@pytest.fixture
def store(own_gallery: ColourGallery) -> Iterator[VectorStore]:
    """Eighteen references, open for changing."""
    with own_gallery.open() as opened:
        yield opened


@pytest.fixture
def query(own_gallery: ColourGallery) -> Vectors:
    """(1, D) a red query."""
    return own_gallery.embed(picture("red", 77))[None]


def classifier_of(interrupted: Interrupted) -> Classifier:
    """One that works on this store."""
    return Classifier(cast("VectorStore", interrupted))


@pytest.mark.parametrize("mode", [Mode.KNN, Mode.AUTO])
def test_removed_meanwhile__the_answer_stands(
    store: VectorStore, query: Vectors, mode: Mode
) -> None:
    """References that are gone when they are to be shown have voted, and are not named."""
    publish_head(store, "red", "green", "blue")
    options = QueryOptions(mode=mode, k=6, metric=MetricName.COSINE)
    (whole,) = Classifier(store).classify(query, options)
    gone = [n.id for n in whole.neighbours[:2]]

    interrupted = Interrupted(store, lambda found: store.remove(ids=[n.id for n in found[:2]]))
    (answer,) = classifier_of(interrupted).classify(query, options)

    assert store.existing(gone) == {}
    assert answer.scores == whole.scores
    assert answer.voted == whole.voted == 6
    assert answer.neighbours == whole.neighbours[2:]


def test_all_removed_meanwhile__an_answer_without_evidence(
    store: VectorStore, query: Vectors
) -> None:
    """Even where nothing is left to show, what was found is answered."""
    interrupted = Interrupted(store, lambda found: store.remove(ids=[n.id for n in found]))
    (answer,) = classifier_of(interrupted).classify(query, QueryOptions(k=3))
    assert answer.label == "red"
    assert answer.neighbours == ()


def test_relabelled_meanwhile__evidence_is_shown_as_it_voted(
    store: VectorStore, query: Vectors
) -> None:
    """Evidence and answer speak of the same labels."""
    interrupted = Interrupted(store, lambda found: store.relabel("ruby", ids=[n.id for n in found]))
    (answer,) = classifier_of(interrupted).classify(query, QueryOptions(k=3))
    assert answer.label == "red"
    assert [n.label for n in answer.neighbours] == ["red"] * 3
    assert store.counts()["ruby"] == 3


def test_new_label_meanwhile__is_answered(store: VectorStore, query: Vectors) -> None:
    """A label that nobody carried when labels were counted is voted for all the same."""

    class Late(Interrupted):
        def neighbours(self, vectors: Vectors, **options: Any) -> list[list[Neighbour]]:
            self.store.relabel("ruby", ids=[r.id for r in red])
            return self.store.neighbours(vectors, **options)

    red = [r for r in store.list_references().references if r.label == "red"]
    (answer,) = classifier_of(Late(store, lambda _: None)).classify(query, QueryOptions(k=3))
    assert answer.label == "ruby"


def test_whole_references__only_those_shown_are_read(
    own_gallery: ColourGallery, store: VectorStore
) -> None:
    """Once for all queries, each once, with the queries' own; nothing where nothing is shown."""
    data = picture("red", 0)  # it is in the gallery
    own = own_gallery.reference(data, "?").reference.id
    queries = np.stack([own_gallery.embed(data)] * 2)
    interrupted = Interrupted(store, lambda _: None)
    classifier = classifier_of(interrupted)

    answers = classifier.classify(queries, QueryOptions(k=6, evidence=2), own_ids=[own, None])

    assert [len(answer.neighbours) for answer in answers] == [2, 2]
    assert [answer.known_as for answer in answers] == ["red", None]
    [read] = interrupted.read
    assert len(read) == len(set(read)) == 2
    assert own in read
    classifier.classify(queries, QueryOptions(k=6, evidence=0))
    assert len(interrupted.read) == 1
