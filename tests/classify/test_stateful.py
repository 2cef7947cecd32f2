"""The classifier against a model of its gallery: any order of changes, every mode, both engines.

`HOLOTYPE_TEST_EXAMPLES` sets how many orders are tried on each engine.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from classify.answering.answers import Answer
from classify.answering.classifier import Classifier
from classify.answering.modes import MetricName, Mode
from classify.answering.options import QueryOptions
from head.job import retrain
from head.options import RetrainOptions
from head.versions import registry
from holotype.errors import EmptyGallery, NoActiveHead
from holotype.references import Where
from tests.classify.shelves import SHELVES, Shelf, shelf, trained_head
from tests.head.conftest import SIZES
from tests.references import picture_id

EXAMPLES = int(os.environ.get("HOLOTYPE_TEST_EXAMPLES", "5"))
STEPS = 20
PHASES = [Phase.generate] if EXAMPLES < 100 else list(Phase)
"""Without making a failing order shorter, which takes minutes, where few are tried."""

CLOUDS = ("ant", "bee", "wasp", "moth")
"""Where references lie; at first each is labelled with its cloud's name."""
LABELS = (*CLOUDS, "queen", "fly")

clouds = st.sampled_from(CLOUDS)
labels = st.sampled_from(LABELS)


class Gallery(RuleBasedStateMachine):
    """A gallery, and what must be in it. `engine` is set by each test."""

    engine: str

    def __init__(self) -> None:
        super().__init__()
        self.opened = ExitStack()
        folder = Path(self.opened.enter_context(TemporaryDirectory()))
        self.shelf: Shelf = self.opened.enter_context(shelf(self.engine, folder))
        self.store = self.shelf.store
        self.classifier = Classifier(self.store)
        self.model = {
            picture_id(f"{cloud}-{n}"): cloud for cloud, size in SIZES.items() for n in range(size)
        }
        """Label of each reference."""
        self.heads = [trained_head().record.version]
        """Versions that were active, the one that is last."""
        self.trained = False

    def teardown(self) -> None:
        """Let go of the gallery."""
        self.opened.close()

    # -- changes -------------------------------------------------------------------------

    @rule(cloud=clouds, label=labels, first=st.integers(0, 14), count=st.integers(1, 6))
    def add(self, cloud: str, label: str, first: int, count: int) -> None:
        """New references, and such as are there already under another label."""
        vectors = self.shelf.clouds.of(cloud, count, first=first)
        added = [
            self.shelf.pictures.embedded(f"{cloud}-{first + n}", label, vector=vector)
            for n, vector in enumerate(vectors)
        ]
        self.store.add(added)
        self.model |= {one.reference.id: label for one in added}

    @rule(old=labels, new=labels)
    def rename_or_merge(self, old: str, new: str) -> None:
        """A whole class."""
        wanted = [id_ for id_, label in self.model.items() if label == old != new]
        assert self.store.relabel(new, where=Where.equal("label", old)) == len(wanted)
        self.model |= dict.fromkeys(wanted, new)

    @rule(label=labels, data=st.data())
    def relabel_some(self, label: str, data: st.DataObject) -> None:
        """Any few references."""
        some = self._some(data)
        self.store.relabel(label, ids=some)
        self.model |= dict.fromkeys(some, label)

    @rule(label=labels)
    def remove_class(self, label: str) -> None:
        """All of a class."""
        gone = [id_ for id_, of in self.model.items() if of == label]
        assert self.store.remove(where=Where.equal("label", label)) == len(gone)
        for id_ in gone:
            del self.model[id_]

    @rule(data=st.data())
    def remove_some(self, data: st.DataObject) -> None:
        """Any few references."""
        some = self._some(data)
        assert self.store.remove(ids=some) == len(some)
        for id_ in some:
            del self.model[id_]

    @rule(data=st.data())
    def promote(self, data: st.DataObject) -> None:
        """Any head that there is."""
        version = data.draw(st.sampled_from([record.version for record in self.store.heads()]))
        registry.promote(self.store, version)
        if version != self.heads[-1]:
            self.heads.append(version)

    @precondition(lambda self: len(self.heads) > 1)
    @rule()
    def rollback(self) -> None:
        """To the head before."""
        registry.rollback(self.store)
        self.heads.pop()

    @precondition(lambda self: not self.trained and len(self.sizes) > 1)
    @precondition(lambda self: min(self.sizes.values(), default=0) > 5)
    @rule()
    def train(self) -> None:
        """On the gallery as it is, whatever it was trained on before; once, as it takes long."""
        self.trained = True
        done = retrain(self.store, RetrainOptions(force=True))
        active = self.store.active_head()
        assert active is not None
        if active.version != self.heads[-1]:
            assert active.version == done.version
            self.heads.append(active.version)

    # -- what must hold ------------------------------------------------------------------

    @rule(cloud=clouds, mode=st.sampled_from(Mode), metric=st.sampled_from([None, *MetricName]))
    def ask(self, cloud: str, mode: Mode, metric: MetricName | None) -> None:
        """An answer is about the classes that there are, from the head that is active."""
        self._check(cloud, QueryOptions(mode=mode, metric=metric, top=100), self.model)

    @rule(cloud=clouds, mode=st.sampled_from(Mode), label=labels)
    def ask_under_a_filter(self, cloud: str, mode: Mode, label: str) -> None:
        """Nothing else is named."""
        left = {id_: of for id_, of in self.model.items() if of != label}
        where = Where.parse([f"label!={label}"])
        self._check(cloud, QueryOptions(mode=mode, where=where, top=100), left)

    @invariant()
    def classes_are_known(self) -> None:
        """What answers are given from is what there is, whoever counts."""
        snapshot = self.classifier.snapshot()
        assert snapshot.classes is not None
        assert snapshot.classes.counts == self.store.counts() == dict(self.sizes)
        assert snapshot.head is not None
        assert snapshot.head.version == self.heads[-1]

    @property
    def sizes(self) -> Counter[str]:
        """References of each class."""
        return Counter(self.model.values())

    def _some(self, data: st.DataObject) -> list[str]:
        there = sorted(self.model)
        return data.draw(st.lists(st.sampled_from(there), max_size=5, unique=True)) if there else []

    def _check(self, cloud: str, options: QueryOptions, left: dict[str, str]) -> None:
        query = self.shelf.queries(cloud, 1)
        try:
            (answer,) = self.classifier.classify(query, options)
        except EmptyGallery:
            assert not left
            return
        except NoActiveHead:
            # Of a head that was trained on nothing that is left there is nothing to be had.
            assert options.mode is Mode.LINEAR or options.metric is MetricName.LEARNED
            assert self.classifier.snapshot().head is not None
            return
        assert {score.label for score in answer.scores} <= set(left.values())
        assert answer.scores, "something is nearest"
        self._check_evidence(answer, left)

    def _check_evidence(self, answer: Answer, left: dict[str, str]) -> None:
        if answer.head is not None:
            assert answer.head == self.heads[-1]
        shown = {found.id: found.label for found in answer.neighbours}
        assert shown.items() <= left.items()
        if answer.mode is Mode.KNN:
            assert answer.scores[0].label in shown.values() or len(left) > len(shown)


@pytest.mark.parametrize("engine", SHELVES)
def test_any_order_of_changes(engine: str) -> None:
    """After every change, answers in every mode are those of the gallery as it is."""
    machine = type("Gallery", (Gallery,), {"engine": engine})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            phases=PHASES,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
