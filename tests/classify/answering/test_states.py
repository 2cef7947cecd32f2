"""The three states of an answer: answered, unsure, unknown. Gaussian clouds, a real retrain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from classify.answering.answers import Answer, LabelScore, QueryResult, answer_from
from classify.answering.class_scores import ClassScores
from classify.answering.classifier import Classifier
from classify.answering.modes import Mode
from classify.answering.options import QueryOptions
from classify.answering.trust import assess
from classify.render import Renderer
from classify.service.models.answers import EXAMPLES
from head.job import retrain
from holotype.references import Vectors, Where
from tests.classify.conftest import calibration_of_margins
from tests.classify.shelves import Shelf, shelf

SIZES = {"ant": 60, "bee": 60, "wasp": 60}


@pytest.fixture(scope="module")
def drawer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """180 ants, bees and wasps, with a head. For reading only."""
    with shelf("edge", tmp_path_factory.mktemp("drawer"), trained=False) as made:
        for label, count in SIZES.items():
            made.store.add(made.references(label, count))
        retrain(made.store)
        yield made


def _ask(shelf: Shelf, vectors: Vectors, **options: object) -> list[Answer]:
    return Classifier(shelf.store).classify(vectors, QueryOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", list(Mode))
def test_stranger__is_unknown_in_every_mode(drawer: Shelf, mode: Mode) -> None:
    """Moths among ants and bees are named by nobody, without an option; the reason says how far."""
    answers = _ask(drawer, drawer.queries("moth", 20), mode=mode, coverage=0.9)
    unknown = [answer for answer in answers if answer.state == "unknown"]
    assert len(unknown) >= 15
    for answer in unknown:
        assert answer.label is None
        assert answer.label_set is None
        assert answer.best in SIZES
        assert answer.runners_up == answer.scores
        assert "of the gallery's own references" in str(answer.why)


def test_known__is_hardly_ever_unknown(drawer: Shelf) -> None:
    """New ants and bees are answered; at most a few of a hundred are called unknown."""
    answers = _ask(drawer, drawer.queries("ant", 200))
    assert sum(answer.state == "unknown" for answer in answers) <= 10
    assert all(answer.label is not None for answer in answers if answer.state != "unknown")


def test_unknown_at__one_is_never(drawer: Shelf) -> None:
    """Who wants a label for everything gets one, with the share that it is stranger than."""
    moths = drawer.queries("moth", 20)
    assert all(answer.state != "unknown" for answer in _ask(drawer, moths, unknown_at=1))
    (answer, *_) = _ask(drawer, moths, unknown_at=1)
    assert answer.novelty is not None
    assert answer.novelty.stranger_than >= 0.99


def test_own_picture__is_never_unknown(drawer: Shelf) -> None:
    """What is in the gallery is no stranger to it, unless it is to be left out."""
    odd = drawer.queries("moth", 1)
    (reference,) = drawer.references("ant", 1)

    def ask(**options: bool) -> Answer:
        (answer,) = Classifier(drawer.store).classify(
            odd, QueryOptions(**options), own_ids=[reference.reference.id]
        )
        return answer

    assert ask().state != "unknown"
    assert ask(exclude_self=True).state == "unknown"


def test_newer_class__is_answered_at_once(tmp_path: Path) -> None:
    """Strangers are none any more once three of their kind are in the gallery."""
    with shelf("edge", tmp_path, trained=False) as made:
        for label, count in SIZES.items():
            made.store.add(made.references(label, count))
        retrain(made.store)
        moths = made.queries("moth", 10)
        classifier = Classifier(made.store)
        before = classifier.classify(moths, QueryOptions())
        made.store.add(made.references("moth", 3))
        after = classifier.classify(moths, QueryOptions())
    assert any(answer.state == "unknown" for answer in before)
    newcomers = [answer for answer in after if answer.best == "moth"]
    assert newcomers
    assert all(answer.state != "unknown" for answer in newcomers)


def test_newer_class__novelty_has_no_say(drawer: Shelf) -> None:
    """What is strange to the head is not called unknown under a label that the head never saw."""
    head = Classifier(drawer.store).snapshot().head
    vectors = drawer.queries("moth", 5)
    scores = ClassScores.by_score(Mode.KNN, ("ant", "moth"), np.tile([0.1, 0.9], (5, 1)))

    def states(newer: set[str]) -> set[str]:
        alone = [False] * len(vectors)
        told = assess(scores, vectors, head, QueryOptions(), newer=newer, in_gallery=alone)
        return {one.state for one in told}

    assert states(set()) == {"unknown"}
    assert states({"ant"}) == {"unknown"}
    assert states({"moth"}) == {"answered"}


def test_few_references__nothing_is_unknown_and_that_is_said(tmp_path: Path) -> None:
    """Eight ants and eight bees cannot tell what 99 of 100 are like: a notice has the number."""
    with shelf("edge", tmp_path, trained=False) as made:
        made.store.remove(where=Where.equal("label", "wasp"))
        retrain(made.store)
        answers = _ask(made, made.queries("moth", 10))
        assert all(answer.state != "unknown" for answer in answers)
        (said,) = [n for n in answers[0].notices if n.startswith("no query is called unknown")]
        assert "stranger than 99% of the references, 99 of them" in said
        assert not any(
            "unknown" in n for n in _ask(made, made.queries("moth", 1), unknown_at=1)[0].notices
        )


def test_no_head__everything_is_answered(tmp_path: Path) -> None:
    """Shares of a vote are no probabilities, and nothing has learned what is usual."""
    with shelf("edge", tmp_path, trained=False) as made:
        answers = _ask(made, made.queries("moth", 10))
    assert {answer.state for answer in answers} == {"answered"}


def test_unsure__below_one_half() -> None:
    """A calibrated score of 0.49 is unsure, one of 0.51 is answered; uncalibrated ones always."""
    scores = np.array([[0.49, 0.30, 0.21], [0.51, 0.30, 0.19]])
    calibrated = ClassScores.by_score(
        Mode.LINEAR, ("ant", "bee", "wasp"), scores, calibration=calibration_of_margins(1.0)
    )

    def states(scores: ClassScores) -> list[str]:
        vectors = np.eye(2, dtype=np.float32)
        told = assess(scores, vectors, None, QueryOptions(), newer=(), in_gallery=[False] * 2)
        return [one.state for one in told]

    assert states(calibrated) == ["unsure", "answered"]
    assert states(replace(calibrated, calibration=None)) == ["answered", "answered"]


def test_nothing_to_compare_with__is_unknown(tmp_path: Path) -> None:
    """Of a gallery of one picture, that picture left out: no label, and the reason."""
    with shelf("edge", tmp_path, trained=False) as made:
        made.store.remove(where=Where.parse(["label!=none"]))
        (only,) = made.references("ant", 1, first=77)
        made.store.add([only])
        (answer,) = Classifier(made.store).classify(
            only.vector[None], QueryOptions(exclude_self=True), own_ids=[only.reference.id]
        )
    assert (answer.state, answer.label, answer.score) == ("unknown", None, None)
    assert answer.why == "there is nothing to compare it with"


EXAMPLE = answer_from({**EXAMPLES["Answer"], "neighbours": []})


def _shown(capsys: pytest.CaptureFixture[str], **changes: object) -> list[str]:
    Renderer().show(QueryResult("a.png", replace(EXAMPLE, **changes)))  # type: ignore[arg-type]
    return capsys.readouterr().out.splitlines()


SCORES = (LabelScore("wasp", 0.41), LabelScore("bee", 0.30), LabelScore("ant", 0.2))


def test_output__unsure_names_the_first_labels(capsys: pytest.CaptureFixture[str]) -> None:
    """Three with their probabilities after "perhaps", then why; the rest are runners-up."""
    first, *rest = _shown(
        capsys,
        state="unsure",
        score=0.41,
        why="its probability is below 0.5",
        runners_up=(*SCORES[1:], LabelScore("fly", 0.08), LabelScore("moth", 0.009)),
    )
    assert first.startswith("a.png  unsure, perhaps wasp 0.410, bee 0.300, ant 0.200  (")
    assert rest == ["  because     its probability is below 0.5", "  runners-up  fly 0.080"]


def test_output__unknown_names_what_it_looks_like_and_no_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No probability, no set, nobody's opinion: they are about known classes."""
    first, *rest = _shown(
        capsys, state="unknown", label=None, why="strange", runners_up=SCORES, disagrees=True
    )
    assert first.startswith("a.png  unknown, looks most like wasp  (")
    assert rest == ["  because     strange"]


def test_output__runners_up_below_one_per_cent_are_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The JSON has them all; people read those that matter."""
    few = (LabelScore("bee", 0.06), LabelScore("ant", 0.009))
    assert _shown(capsys, runners_up=few)[1:] == ["  runners-up  bee 0.060"]
    assert len(_shown(capsys, runners_up=few[1:])) == 1
