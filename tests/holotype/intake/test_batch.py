"""Adding a few pictures in one call, as the service does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from holotype.intake.batch import Intake
from holotype.intake.incoming import Incoming
from holotype.outcomes import OnConflict, Outcome
from holotype.store.port import VectorStore
from tests.fakes import ColourEncoder
from tests.image_files import picture


def incoming(number: int, label: str) -> Incoming:
    """The upload of a picture."""
    return Incoming(source=f"upload {number}", label=label, data=picture(number))


def test_intake__every_outcome_of_one_call(store: VectorStore) -> None:
    """New, repeated, conflicting and broken pictures are told apart, in order."""
    intake = Intake(store, ColourEncoder())
    broken = Incoming(source="upload", label="bee", data=b"no picture")
    said = intake.add([incoming(1, "bee"), incoming(1, "bee"), incoming(1, "ant"), broken])
    assert [s.outcome for s in said] == [
        Outcome.ADDED,
        Outcome.ALREADY_PRESENT,
        Outcome.LABEL_CONFLICT,
        Outcome.BROKEN,
    ]
    assert store.counts() == {"bee": 1}
    assert said[3].id is not None


def test_intake__policies(store: VectorStore) -> None:
    """A picture that is present under another label is kept or replaced on request."""
    intake = Intake(store, ColourEncoder())
    intake.add([incoming(1, "bee")])
    [kept] = intake.add([incoming(1, "ant")], on_conflict=OnConflict.KEEP)
    assert (kept.outcome, store.counts()) == (Outcome.KEPT, {"bee": 1})
    [replaced] = intake.add([incoming(1, "ant")], on_conflict=OnConflict.REPLACE)
    assert (replaced.outcome, store.counts()) == (Outcome.RELABELLED, {"ant": 1})


def test_intake__nothing_is_embedded_for_known_pictures(store: VectorStore) -> None:
    """Sending a picture again costs no forward pass."""
    encoder = ColourEncoder()
    intake = Intake(store, encoder)
    intake.add([incoming(n, "bee") for n in range(5)])
    intake.add([incoming(n, "bee") for n in range(5)])
    assert (encoder.calls, encoder.images_encoded) == (1, 5)


def test_intake__callers_at_once_agree_on_one_label(store: VectorStore) -> None:
    """Of many threads that add one picture under different labels exactly one succeeds."""
    intake = Intake(store, ColourEncoder())
    labels = [f"label {n}" for n in range(16)]
    with ThreadPoolExecutor(16) as threads:
        said = [s for [s] in threads.map(lambda text: intake.add([incoming(1, text)]), labels)]
    [winner] = [s.label for s in said if s.outcome is Outcome.ADDED]
    assert store.counts() == {winner: 1}
    assert [s.outcome for s in said].count(Outcome.LABEL_CONFLICT) == 15


def test_intake__no_pictures(store: VectorStore) -> None:
    """An empty call is nothing to do."""
    assert Intake(store, ColourEncoder()).add([]) == []
