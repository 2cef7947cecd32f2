"""What is certain without a question to the gallery, and what never is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from holotype.fingerprint import Fingerprint
from holotype.intake.folders import Folders
from holotype.outcomes import FileOutcome, OnConflict, Outcome
from holotype.settings import Settings
from holotype.store.port import VectorStore
from holotype.store.server import ServerStore
from ingest.adding import add
from ingest.backend import Backend
from ingest.local import LocalBackend
from ingest.opening import hash_file, open_backend
from ingest.remote import RemoteBackend
from tests.fakes import ColourEncoder
from tests.holotype.store.qdrant_http import QdrantHttp
from tests.holotype.store.server_engines import AT_ONCE
from tests.image_files import make_tree
from tests.ingest.known_files.test_cache import Settled
from tests.running import running

ADDED, PRESENT, CONFLICT = Outcome.ADDED, Outcome.ALREADY_PRESENT, Outcome.LABEL_CONFLICT


class Asked:
    """A store that counts the pictures it is asked about."""

    def __init__(self, store: VectorStore) -> None:
        self._store = store
        self.ids = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def existing(self, ids: Sequence[str]) -> dict[str, str]:
        self.ids += len(ids)
        return self._store.existing(ids)


@dataclass
class Told:
    """What a run said, and what it cost."""

    said: list[FileOutcome]
    asked: int
    trusted: int

    @property
    def outcomes(self) -> list[Outcome]:
        """In the order of the files."""
        return [outcome.outcome for outcome in self.said]


class Commands:
    """`ingest add`, each time with the gallery and the cache opened anew, as a command does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(
        self, *, policy: OnConflict = OnConflict.ERROR, label: str | None = None, **settings: Any
    ) -> Told:
        """Run once."""
        chosen = Settings.load(**settings)
        load = lambda _settings: ColourEncoder()  # noqa: E731
        with (
            open_backend(chosen, command="ingest add", load=load) as backend,
            Settled(hash_file(chosen)) as hashes,
        ):
            assert isinstance(backend, LocalBackend)
            asked = Asked(backend._store)
            backend._store = asked  # type: ignore[assignment]
            said = run(backend, hashes, Folders([self.folder], label=label), policy)
            return Told(said, asked.ids, hashes.trusted)


def run(
    backend: Backend,
    hashes: Settled,
    found: Folders,
    policy: OnConflict = OnConflict.ERROR,
) -> list[FileOutcome]:
    """What one run says."""
    said: list[FileOutcome] = []
    add(found, backend, on_conflict=policy, workers=2, hashes=hashes, listen=said.append)
    return said


@pytest.fixture
def commands(images: Path) -> Commands:
    """Three bees and two wasps, added."""
    make_tree(images, {"bee": [1, 2, 3], "wasp": [4, 5]})
    commands = Commands(images)
    assert commands.add().outcomes == [ADDED] * 5
    return commands


def test_add__an_unchanged_folder_and_gallery_ask_nothing(commands: Commands) -> None:
    """Right after the first run, no file is read and no picture asked about; ids are reported."""
    first = commands.add()
    assert (first.outcomes, first.asked, first.trusted) == ([PRESENT] * 5, 0, 5)
    again = commands.add()
    assert (again.said, again.asked) == (first.said, 0)
    assert all(outcome.id and outcome.reason is None for outcome in first.said)


def test_add__a_grown_folder_asks_about_what_is_new(commands: Commands) -> None:
    """New pictures are asked about and added; what was known stays certain, now and later."""
    make_tree(commands.folder, {"ant": [10], "bee": [11]})
    told = commands.add()
    assert told.outcomes == [ADDED, PRESENT, PRESENT, PRESENT, ADDED, PRESENT, PRESENT]
    assert told.trusted == 5
    later = commands.add()
    assert (later.outcomes, later.asked) == ([PRESENT] * 7, 0)


def _remove(store: VectorStore, id_: str) -> None:
    store.remove(ids=[id_])


def _relabel(store: VectorStore, id_: str) -> None:
    store.relabel("wasp", ids=[id_])


@pytest.mark.parametrize(("change", "outcome"), [(_remove, ADDED), (_relabel, CONFLICT)])
def test_add__a_changed_gallery_is_asked(
    commands: Commands,
    open_store: Callable[..., VectorStore],
    change: Callable[[VectorStore, str], None],
    outcome: Outcome,
) -> None:
    """What was removed or relabelled since, by whoever it was, is never said to be present."""
    before = commands.add()
    with open_store(create=False) as store:
        change(store, before.said[0].id or "")
    told = commands.add()
    assert (told.outcomes, told.trusted) == ([outcome, *[PRESENT] * 4], 0)


def test_add__two_changes_that_leave_the_counts_are_noticed(
    commands: Commands, open_store: Callable[..., VectorStore]
) -> None:
    """A bee for a wasp and a wasp for a bee: as many of each as before, and not the same."""
    said = commands.add().said
    with open_store(create=False) as store:
        counts = store.counts()
        store.relabel("wasp", ids=[said[0].id or ""])
        store.relabel("bee", ids=[said[4].id or ""])
        assert store.counts() == counts
    assert commands.add().outcomes == [CONFLICT, PRESENT, PRESENT, PRESENT, CONFLICT]


def test_add__what_a_run_added_and_somebody_removed_is_added_again(
    commands: Commands, open_store: Callable[..., VectorStore]
) -> None:
    """Removing exactly the last addition brings the earlier state back, not its knowledge."""
    commands.add()
    make_tree(commands.folder, {"wasp": [6]})
    added = commands.add().said[-1]
    assert added.outcome is ADDED
    with open_store(create=False) as store:
        store.remove(ids=[added.id or ""])
    assert commands.add().outcomes == [*[PRESENT] * 5, ADDED]


def test_add__a_run_that_was_cut_off_leaves_nothing_certain(
    commands: Commands, open_store: Callable[..., VectorStore]
) -> None:
    """Also where what it had added is removed, so that the gallery is as it was before."""
    known = {outcome.id for outcome in commands.add().said}
    make_tree(commands.folder, {"wasp": [6, 7]})

    def stop(outcome: FileOutcome) -> None:
        if outcome.outcome is ADDED:
            raise KeyboardInterrupt

    settings = Settings.load()
    load = lambda _settings: ColourEncoder()  # noqa: E731
    with (
        open_backend(settings, command="ingest add", load=load) as backend,
        Settled(hash_file(settings)) as hashes,
        pytest.raises(KeyboardInterrupt),
    ):
        add(Folders([commands.folder]), backend, workers=2, hashes=hashes, listen=stop)
    with open_store(create=False) as store:
        found = {reference.id for reference in store.list_references().references}
        assert store.remove(ids=found - known) > 0
    told = commands.add()
    assert (told.outcomes, told.trusted) == ([*[PRESENT] * 5, ADDED, ADDED], 0)


def test_add__another_label_than_the_known_one_is_asked(commands: Commands) -> None:
    """The cache knows the label in the gallery; whoever asks for another one gets its answer."""
    commands.add()
    told = commands.add(label="fly")
    assert (told.outcomes, told.asked, told.trusted) == ([CONFLICT] * 5, 5, 0)
    kept = commands.add(label="fly", policy=OnConflict.KEEP)
    assert kept.outcomes == [Outcome.KEPT] * 5
    assert (commands.add().outcomes, commands.add().asked) == ([PRESENT] * 5, 0)


def test_add__replace_asks_and_what_it_replaced_is_known(commands: Commands) -> None:
    """A run that relabels trusts nothing, and nothing from before it is trusted after it."""
    commands.add()
    told = commands.add(label="fly", policy=OnConflict.REPLACE)
    assert (told.outcomes, told.asked) == ([Outcome.RELABELLED] * 5, 5)
    assert commands.add().outcomes == [CONFLICT] * 5
    assert commands.add(label="fly").outcomes == [PRESENT] * 5
    assert commands.add(label="fly").asked == 0


def test_add__the_same_bytes_under_two_labels_stay_a_conflict(images: Path) -> None:
    """However often it is run, and whichever of the two files is certain."""
    make_tree(images, {"bee": [1, 2], "wasp": [2, 3]})
    commands = Commands(images)
    assert commands.add().outcomes == [ADDED, ADDED, CONFLICT, ADDED]
    for _ in range(2):
        told = commands.add()
        assert (told.outcomes, told.trusted) == ([PRESENT, PRESENT, CONFLICT, PRESENT], 3)
    replaced = commands.add(policy=OnConflict.REPLACE)
    assert replaced.outcomes == [PRESENT, PRESENT, Outcome.RELABELLED, PRESENT]
    assert commands.add().outcomes == [PRESENT, CONFLICT, PRESENT, PRESENT]


def test_add__another_gallery_of_the_same_home_knows_nothing(commands: Commands) -> None:
    """Each gallery has its own cache and its own state."""
    commands.add()
    assert commands.add(gallery="other").outcomes == [ADDED] * 5
    assert commands.add(gallery="other").asked == 0
    assert commands.add().asked == 0


def test_add__a_gallery_that_was_made_anew_knows_nothing(
    commands: Commands, tmp_path: Path
) -> None:
    """Where the cache outlives its gallery, the new one is asked."""
    commands.add()
    gallery = tmp_path / "home" / "default"
    for path in sorted(gallery.rglob("*"), reverse=True):
        if not path.name.startswith("files.sqlite"):
            path.rmdir() if path.is_dir() else path.unlink()
    told = commands.add()
    assert (told.outcomes, told.trusted) == ([ADDED] * 5, 0)
    assert commands.add().asked == 0


def test_add__a_changed_file_is_read_in_an_unchanged_gallery(commands: Commands) -> None:
    """One file with other bytes: it is asked about, its neighbours are not."""
    commands.add()
    file = commands.folder / "bee" / "00002.png"
    file.write_bytes((commands.folder / "wasp" / "00004.png").read_bytes())
    told = commands.add()
    assert told.outcomes == [PRESENT, CONFLICT, PRESENT, PRESENT, PRESENT]
    assert (told.asked, told.trusted) == (1, 4)


def test_add__files_that_come_and_go_beside_certain_ones(commands: Commands) -> None:
    """A folder that lost or gained a file is looked up file by file, and still asks nothing."""
    commands.add()
    (commands.folder / "bee" / "00001.png").unlink()
    told = commands.add()
    assert (told.outcomes, told.asked) == ([PRESENT] * 4, 0)


@pytest.fixture
def server(qdrant_http: QdrantHttp, fingerprint: Fingerprint) -> Iterator[VectorStore]:
    """A gallery of the HTTP app."""
    settings = Settings.load(qdrant_url=qdrant_http.url)
    with ServerStore.open(settings, fingerprint=fingerprint, create=True, policy=AT_ONCE) as store:
        yield store


def test_add__a_shared_server_is_always_asked(
    server: VectorStore, images: Path, tmp_path: Path
) -> None:
    """Others may change it at any moment, so nothing is certain; files are not read, though."""
    make_tree(images, {"bee": [1, 2]})
    asked = Asked(server)
    backend = LocalBackend(asked, ColourEncoder, workers=2)  # type: ignore[arg-type]
    with Settled(tmp_path / "c.sqlite") as hashes:
        for number in range(3):
            said = run(backend, hashes, Folders([images]))
            assert [o.outcome for o in said] == [PRESENT if number else ADDED] * 2
        assert (hashes.hits, hashes.trusted) == (4, 0)
        server.remove(ids=[said[0].id or ""])
        assert [o.outcome for o in run(backend, hashes, Folders([images]))] == [ADDED, PRESENT]


def test_add__through_a_service_is_always_asked(
    commands: Commands, open_store: Callable[..., VectorStore]
) -> None:
    """A service has other clients; what they change is seen, and so is its gallery afterwards."""
    commands.add()
    settings = Settings.load()
    with (
        open_store(create=False) as store,
        running(store) as service,
        service.client() as client,
        Settled(hash_file(settings)) as hashes,
    ):
        backend = RemoteBackend(client)
        said = run(backend, hashes, Folders([commands.folder]))
        assert [o.outcome for o in said] == [PRESENT] * 5
        store.remove(ids=[said[0].id or ""])
        said = run(backend, hashes, Folders([commands.folder]))
        assert [o.outcome for o in said] == [ADDED, *[PRESENT] * 4]
        assert (hashes.hits, hashes.trusted) == (10, 0)
        store.remove(ids=[said[1].id or ""])
    assert commands.add().outcomes == [PRESENT, ADDED, *[PRESENT] * 3]


def test_add__a_thousand_files_in_order_and_complete(images: Path) -> None:
    """Several groups, folders between files, and every outcome once and in order."""
    make_tree(images, {"bee": [*range(700)], "bee/00350.d": [*range(700, 720)], "wasp": [900]})
    commands = Commands(images)
    first = commands.add()
    for _ in range(2):
        told = commands.add()
        assert told.asked == 0
        assert [o._replace(outcome=ADDED) for o in told.said] == first.said
    (images / "bee" / "00650.png").write_bytes(b"no picture")
    told = commands.add()
    assert [o.source for o in told.said] == [o.source for o in first.said]
    assert [o.outcome for o in told.said].count(PRESENT) == 720
    assert told.asked == 1
