"""`ingest.adding.add` on the real embedded store with a counting encoder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from holotype.errors import FingerprintMismatch, StoreUnavailable
from holotype.history import Action
from holotype.images.square import Pixels
from holotype.intake.folders import Folders
from holotype.intake.incoming import Incoming
from holotype.outcomes import OnConflict, Outcome
from holotype.references import EmbeddedReference, Vectors, Where
from holotype.store.port import VectorStore
from ingest.adding import add
from tests.fakes import ColourEncoder
from tests.image_files import make_tree, picture
from tests.ingest.conftest import Worker

ADDED, PRESENT = Outcome.ADDED, Outcome.ALREADY_PRESENT


def test_add__every_picture_is_found_under_its_label(worker: Worker, images: Path) -> None:
    """Folders become labels, and every picture is in the gallery, in the order of the files."""
    make_tree(images, {"bee": [*range(30)], "wasp": [*range(100, 120)]})
    run = worker.add(Folders([images]))
    assert worker.store.counts() == {"bee": 30, "wasp": 20}
    assert run.outcomes == [ADDED] * 50
    assert [Path(said.source).name for said in run.said][:2] == ["00000.png", "00001.png"]
    assert run.summary.exit_code == 0


def test_add__stores_what_is_known_of_a_picture(worker: Worker, images: Path) -> None:
    """A reference has its size, source, group, metadata, thumbnail, and its own vector."""
    make_tree(images, {"bee": [*range(20)]})
    group = lambda path, _root: path.stem[-1]  # noqa: E731
    run = worker.add(Folders([images], group=group, meta={"site": "roof"}))
    [reference] = worker.store.get([run.said[7].id or ""])
    assert (reference.width, reference.height) == (24, 24)
    assert reference.source == str(images / "bee" / "00007.png")
    assert reference.group == "7"
    assert reference.meta == {"site": "roof"}
    assert worker.store.thumbnails([reference.id])[reference.id].startswith(b"\xff\xd8")
    [batch] = list(worker.store.export())
    vectors = dict(zip(batch.ids, batch.vectors, strict=True))
    alone = Worker(worker.store).encoder.encode([_pixels(picture(7), worker.encoder)])[0]
    np.testing.assert_allclose(vectors[reference.id], alone, atol=1e-6)


def test_add__again_embeds_nothing_and_loads_no_encoder(worker: Worker, images: Path) -> None:
    """A known folder is only hashed: the encoder is not called, not even loaded."""
    make_tree(images, {"bee": [*range(30)]})
    worker.add(Folders([images]))
    calls = worker.encoder.calls
    run = worker.add(Folders([images]))
    assert run.outcomes == [PRESENT] * 30
    assert (worker.encoder.calls, worker.loaded) == (calls, 1)


def test_add__a_new_class_costs_its_own_images_only(worker: Worker, images: Path) -> None:
    """Of a grown folder only the new pictures are embedded."""
    make_tree(images, {"bee": [*range(30)]})
    worker.add(Folders([images]))
    make_tree(images, {"ant": [*range(50, 55)]})
    run = worker.add(Folders([images]))
    assert worker.encoder.images_encoded == 35
    assert run.outcomes == [ADDED] * 5 + [PRESENT] * 30


def test_add__the_same_bytes_twice_are_embedded_once(worker: Worker, images: Path) -> None:
    """A copy within the run is already present, wherever it lies."""
    make_tree(images, {"bee": [1, 2, 3]})
    for n in range(200):
        (images / "bee" / f"copy{n:03}.png").write_bytes(picture(1))
    run = worker.add(Folders([images]))
    assert run.outcomes == [ADDED] * 3 + [PRESENT] * 200
    assert worker.encoder.images_encoded == 3


def test_add__the_same_bytes_under_two_labels_conflict(worker: Worker, images: Path) -> None:
    """The first label counts; the second file is a failure that names both."""
    make_tree(images, {"bee": [1, 2], "wasp": [2, 3]})
    run = worker.add(Folders([images]))
    assert run.outcomes == [ADDED, ADDED, Outcome.LABEL_CONFLICT, ADDED]
    assert run.reasons(Outcome.LABEL_CONFLICT) == [
        "the same picture is in the gallery as 'bee': use --on-conflict keep or replace; "
        f"duplicate of {images / 'bee' / '00002.png'}"
    ]
    assert worker.store.counts() == {"bee": 2, "wasp": 1}
    assert run.summary.exit_code == 3


@pytest.mark.parametrize("known_before", [False, True], ids=["in one run", "in two runs"])
def test_add__replace_gives_the_last_label(
    worker: Worker, images: Path, *, known_before: bool
) -> None:
    """With `replace` the files are followed in order, within a run and across runs."""
    make_tree(images, {"a": [1], "b": [1], "c": [1], "d": [1]})
    if known_before:
        worker.add(Folders([images / "a"], label="a"))
    run = worker.add(Folders([images]), on_conflict=OnConflict.REPLACE)
    first = PRESENT if known_before else ADDED
    assert run.outcomes == [first, *[Outcome.RELABELLED] * 3]
    assert run.reasons(Outcome.RELABELLED) == ["was 'a'", "was 'b'", "was 'c'"]
    assert worker.store.counts() == {"d": 1}
    assert worker.encoder.images_encoded == 1


def test_add__keep_leaves_the_label(worker: Worker, images: Path) -> None:
    """With `keep` the gallery wins, and the file is no failure."""
    make_tree(images, {"a": [1], "b": [1]})
    run = worker.add(Folders([images]), on_conflict=OnConflict.KEEP)
    assert run.outcomes == [ADDED, Outcome.KEPT]
    assert run.reasons(Outcome.KEPT) == ["present as 'a', which was kept"]
    assert worker.store.counts() == {"a": 1}
    assert run.summary.exit_code == 0


def test_add__a_broken_picture_and_its_copies_are_named(worker: Worker, images: Path) -> None:
    """Broken files fail one by one with a reason; their neighbours are added."""
    make_tree(images, {"bee": [1, 2, 3]})
    for name in ("00002b.png", "00002c.png"):
        (images / "bee" / name).write_bytes(picture(9)[:-40])
    run = worker.add(Folders([images]))
    assert run.outcomes == [ADDED, ADDED, Outcome.BROKEN, Outcome.BROKEN, ADDED]
    assert {reason.split(":")[0] for reason in run.reasons(Outcome.BROKEN)} == {"truncated PNG"}
    assert run.summary.exit_code == 3


def test_add__a_file_that_cannot_be_read_is_broken(worker: Worker, images: Path) -> None:
    """A link to nothing has no bytes, and still has its line."""
    make_tree(images, {"bee": [1]})
    (images / "bee" / "gone.png").symlink_to(images / "nowhere.png")
    run = worker.add(Folders([images]))
    assert run.outcomes == [ADDED, Outcome.BROKEN]
    assert (run.said[1].id, run.said[1].reason) == (None, "a link to nothing")


def test_add__only_broken_pictures_is_nothing_useful(worker: Worker, images: Path) -> None:
    """Where every file failed the exit code is 1."""
    (images / "bee").mkdir()
    (images / "bee" / "x.png").write_bytes(b"no picture")
    assert worker.add(Folders([images])).summary.exit_code == 1


@pytest.mark.parametrize(("allowed", "reported"), [(0, 1), (2, 3), (5, 5)])
def test_add__gives_up_after_too_many_failures(
    worker: Worker, images: Path, allowed: int, reported: int
) -> None:
    """One failure more than allowed ends the run; what was added before it stays."""
    make_tree(images, {"bee": [*range(20)]})
    for n in range(5):
        (images / "bee" / f"00010{n}.png").write_bytes(b"no picture")
    run = worker.add(Folders([images]), max_failures=allowed)
    assert run.outcomes.count(Outcome.BROKEN) == reported
    gave_up = reported > allowed
    assert (run.summary.stopped is not None) == gave_up
    assert run.summary.exit_code == (1 if gave_up else 3)
    assert run.outcomes[:11] == [ADDED] * 11
    if gave_up:
        assert run.summary.stopped == f"more than {allowed} files failed (--max-failures)"


def test_add__another_space_is_refused_before_anything_is_embedded(
    worker: Worker, images: Path
) -> None:
    """An encoder with other weights is refused with both fingerprints."""
    make_tree(images, {"bee": [1, 2, 3]})
    worker.encoder = ColourEncoder(weights="another")
    with pytest.raises(FingerprintMismatch, match="weights_sha256: stored 'c0103e'"):
        worker.add(Folders([images]))
    assert worker.encoder.calls == 0
    assert worker.store.count() == 0


def test_add__a_vector_that_is_refused_fails_its_own_file_only(
    worker: Worker, images: Path
) -> None:
    """Where the encoder makes one bad vector, the batch around it is still added."""

    class Faulty(ColourEncoder):
        def encode(self, pixels: Sequence[Pixels]) -> Vectors:
            vectors = super().encode(pixels)
            vectors[[p.mean() == bad.mean() for p in pixels]] = np.nan
            return vectors

    make_tree(images, {"bee": [*range(6)]})
    bad = _pixels(picture(4), worker.encoder)
    worker.encoder = Faulty()
    run = worker.add(Folders([images]))
    assert run.outcomes == [ADDED] * 4 + [Outcome.FAILED, ADDED]
    [reason] = run.reasons(Outcome.FAILED)
    assert "its vector has length nan, not 1" in reason
    assert worker.store.count() == 5


def test_add__a_store_that_fails_ends_the_run_and_loses_nothing(
    worker: Worker, images: Path
) -> None:
    """The error comes out, everything said to be added is there, the next run finishes."""
    make_tree(images, {"bee": [*range(100)]})
    worker.store = Failing(worker.store, after=3)
    said: list[str] = []
    with pytest.raises(StoreUnavailable, match="the server is gone"):
        add(
            Folders([images]),
            worker.backend(),
            listen=lambda outcome: said.append(outcome.id or ""),
        )
    assert 0 < len(said) < 100
    assert set(worker.store.existing(said)) == set(said)
    run = worker.add(Folders([images]))
    assert worker.store.counts() == {"bee": 100}
    assert run.outcomes.count(PRESENT) >= len(said)


def test_add__an_encoder_that_fails_ends_the_run_and_every_thread(
    worker: Worker, images: Path
) -> None:
    """A bug in a stage is raised to the caller, and no thread is left behind."""

    class Crashing(ColourEncoder):
        def encode(self, pixels: Sequence[Pixels]) -> Vectors:
            if self.calls == 3:
                raise ValueError("a bug")
            return super().encode(pixels)

    make_tree(images, {"bee": [*range(200)]})
    worker.encoder = Crashing()
    before = threading.active_count()
    with pytest.raises(ValueError, match="a bug"):
        worker.add(Folders([images]))
    assert threading.active_count() == before


def test_add__an_interruption_reports_nothing_that_is_not_stored(
    worker: Worker, images: Path
) -> None:
    """After Ctrl-C everything that was said to be added is in the gallery, and threads end."""
    make_tree(images, {"bee": [*range(200)]})
    said: list[str] = []

    def interrupt(outcome: object) -> None:
        said.append(getattr(outcome, "id", ""))
        if len(said) == 40:
            raise KeyboardInterrupt

    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        add(Folders([images]), worker.backend(), listen=interrupt)
    assert set(worker.store.existing(said)) == set(said)
    assert worker.store.count() < 200
    assert threading.active_count() == before


def test_add__runs_at_most_a_few_chunks_ahead(worker: Worker) -> None:
    """Where nobody takes outcomes, files stop being read: memory is bounded by the chunk."""
    taken = 0

    def endless() -> Iterator[Incoming]:
        nonlocal taken
        while True:
            taken += 1
            yield Incoming(source=f"{taken}", label="bee", data=picture(taken))

    class EnoughError(Exception):
        """The reader has seen enough."""

    def stop(_outcome: object) -> None:
        raise EnoughError

    with pytest.raises(EnoughError):
        add(endless(), worker.backend(), workers=1, listen=stop)
    assert taken <= 64 * 6


def test_add__what_another_process_added_meanwhile_is_not_overwritten(
    worker: Worker, images: Path
) -> None:
    """Between asking and writing somebody else adds the picture under another label."""
    make_tree(images, {"bee": [1, 2]})

    class Busy(ColourEncoder):
        def encode(self, pixels: Sequence[Pixels]) -> Vectors:
            other = Worker(worker.store)
            other.add([Incoming(source="theirs", label="wasp", data=picture(2))])
            return super().encode(pixels)

    worker.encoder = Busy()
    run = worker.add(Folders([images]))
    assert run.outcomes == [ADDED, Outcome.LABEL_CONFLICT]
    assert worker.store.counts() == {"bee": 1, "wasp": 1}


class Failing:
    """A store whose `add` fails once, after some calls."""

    def __init__(self, store: VectorStore, *, after: int) -> None:
        self._store = store
        self._left = after

    def __getattr__(self, name: str) -> Callable[..., object]:
        found: Callable[..., object] = getattr(self._store, name)
        return found

    def add(self, references: Sequence[EmbeddedReference], **options: Action | None) -> None:
        self._left -= 1
        if self._left == 0:
            raise StoreUnavailable("the server is gone")
        self._store.add(references, **options)


def _pixels(data: bytes, encoder: ColourEncoder) -> Pixels:
    from holotype.images.picture import read_picture

    return read_picture(data, encoder.recipe).pixels


def test_add__again_into_a_gallery_of_an_earlier_version(worker: Worker, images: Path) -> None:
    """A label that was stored with other white space is no conflict; who replaces, respells it."""
    make_tree(images, {"Apis mellifera": [1, 2]})
    worker.add(Folders([images]))
    worker.store.relabel("Apis\u00a0mellifera", where=Where.equal("label", "Apis mellifera"))
    assert worker.add(Folders([images])).outcomes == [Outcome.ALREADY_PRESENT] * 2
    assert worker.store.counts() == {"Apis\u00a0mellifera": 2}
    again = worker.add(Folders([images]), on_conflict=OnConflict.REPLACE)
    assert again.outcomes == [Outcome.RELABELLED] * 2
    assert worker.store.counts() == {"Apis mellifera": 2}


def test_add__a_conflict_of_labels_that_look_the_same_says_what_differs(
    worker: Worker, images: Path
) -> None:
    """Two spellings of one word in two alphabets are two classes, and that is seen."""
    make_tree(images, {"bee": [1]})
    worker.add(Folders([images]))
    (images / "bee").rename(images / "b\u0435e")
    (reason,) = worker.add(Folders([images])).reasons(Outcome.LABEL_CONFLICT)
    assert reason.endswith(
        "(they look the same, but character 2 is U+0435 (CYRILLIC SMALL LETTER IE) in the one and "
        "U+0065 (LATIN SMALL LETTER E) in the other)"
    )
