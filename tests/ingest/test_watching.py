"""`ingest watch`: complete files only, once each, through refusals and restarts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holotype.errors import OutputError, StoreLocked, StoreUnavailable
from holotype.intake.folders import Folders
from holotype.outcomes import FileOutcome, OnConflict, Outcome
from holotype.store.port import VectorStore
from ingest.backend import Backend
from ingest.inbox import Inbox
from ingest.report import Journal
from ingest.watching import FolderWatcher
from tests.image_files import make_tree, picture
from tests.ingest.conftest import Worker


class Watch:
    """A watcher on the real store, and everything it said."""

    def __init__(self, worker: Worker, folder: Path) -> None:
        self.worker = worker
        self.folder = folder
        self.refusals: list[Exception] = []
        self.said: list[FileOutcome] = []
        self.remarks: list[str] = []
        self.restart()

    def restart(self, on_conflict: OnConflict = OnConflict.ERROR) -> None:
        """A new process: everything it knew is gone."""
        self.watcher = FolderWatcher(
            inbox=Inbox(Folders([self.folder], may_be_empty=True)),
            open_backend=self._open,
            listen=self.said.append,
            say=self.remarks.append,
            on_conflict=on_conflict,
            workers=2,
        )

    def rounds(self, count: int = 2) -> list[tuple[str, Outcome]]:
        """What these rounds said: file name and outcome."""
        before = len(self.said)
        for _ in range(count):
            self.watcher.round()
        return [(Path(said.source).name, said.outcome) for said in self.said[before:]]

    @contextmanager
    def _open(self) -> Iterator[Backend]:
        if self.refusals:
            raise self.refusals.pop(0)
        yield self.worker.backend()


@pytest.fixture
def watch(worker: Worker, images: Path) -> Watch:
    """A watcher on an empty inbox."""
    return Watch(worker, images)


ADDED = Outcome.ADDED


def test_watch__adds_what_is_put_in(watch: Watch) -> None:
    """New files are added under the name of their folder, each once."""
    assert watch.rounds() == []
    make_tree(watch.folder, {"bee": [1, 2]})
    assert watch.rounds() == [("00001.png", ADDED), ("00002.png", ADDED)]
    make_tree(watch.folder, {"wasp": [3]})
    assert watch.rounds() == [("00003.png", ADDED)]
    assert watch.rounds() == []
    assert watch.worker.store.counts() == {"bee": 2, "wasp": 1}


def test_watch__leaves_a_file_alone_that_is_being_written(watch: Watch) -> None:
    """A file that grows between looks is not touched until it stands still."""
    data = picture(1, side=64)
    (watch.folder / "bee").mkdir()
    file = watch.folder / "bee" / "slow.png"
    for end in range(1000, len(data), 1000):
        file.write_bytes(data[:end])
        assert watch.rounds(1) == []
    file.write_bytes(data)
    assert watch.rounds(1) == []
    assert watch.rounds(1) == [("slow.png", ADDED)]


def test_watch__takes_a_file_at_once_that_was_moved_in(watch: Watch, tmp_path: Path) -> None:
    """A rename is complete by nature: content older than its place is not being written."""
    (watch.folder / "bee").mkdir()
    elsewhere = tmp_path / "elsewhere.png"
    elsewhere.write_bytes(picture(1))
    os.utime(elsewhere, (1_700_000_000, 1_700_000_000))
    elsewhere.rename(watch.folder / "bee" / "moved.png")
    assert watch.rounds(1) == [("moved.png", ADDED)]


def test_watch__looks_again_at_a_file_that_changed(watch: Watch) -> None:
    """A broken file is named once; when it is mended it is added."""
    (watch.folder / "bee").mkdir()
    file = watch.folder / "bee" / "x.png"
    file.write_bytes(picture(1)[:-40])
    assert watch.rounds(5) == [("x.png", Outcome.BROKEN)]
    file.write_bytes(picture(1))
    assert watch.rounds(5) == [("x.png", ADDED)]


def test_watch__names_what_has_no_label(watch: Watch) -> None:
    """A file right in the inbox is a failure, said once."""
    (watch.folder / "stray.png").write_bytes(picture(1))
    assert watch.rounds(5) == [("stray.png", Outcome.FAILED)]
    assert "not in a folder of a class below it" in (watch.said[0].reason or "")


def test_watch__a_restart_embeds_nothing_again(watch: Watch) -> None:
    """After a restart every file is looked at, and what is known is only hashed."""
    make_tree(watch.folder, {"bee": [1, 2, 3]})
    watch.rounds()
    watch.restart()
    assert {outcome for _, outcome in watch.rounds()} == {Outcome.ALREADY_PRESENT}
    assert watch.worker.encoder.images_encoded == 3


def test_watch__moving_a_file_to_another_class_relabels_it(watch: Watch) -> None:
    """With `replace` the folders are the truth: curators sort by moving files."""
    watch.restart(OnConflict.REPLACE)
    make_tree(watch.folder, {"bee": [1], "wasp": []})
    watch.rounds()
    (watch.folder / "bee" / "00001.png").rename(watch.folder / "wasp" / "00001.png")
    assert watch.rounds() == [("00001.png", Outcome.RELABELLED)]
    assert watch.worker.store.counts() == {"wasp": 1}


def test_watch__waits_where_the_gallery_cannot_be_had(watch: Watch) -> None:
    """A locked or unreachable gallery is said once; the files are added when it is back."""
    make_tree(watch.folder, {"bee": [1]})
    locked = StoreLocked("the gallery is in use by process 7", None)
    watch.refusals = [locked, locked, StoreUnavailable("the server is gone")]
    assert watch.rounds(4) == []
    assert watch.rounds(1) == [("00001.png", ADDED)]
    assert watch.remarks == [
        "waiting: the gallery is in use by process 7",
        "waiting: the server is gone",
        "going on",
    ]


def test_watch__goes_on_past_bad_entries(watch: Watch) -> None:
    """A link to itself is reported once; what it cannot take is counted once; the rest is added."""
    make_tree(watch.folder, {"bee": [1]})
    (watch.folder / "bee" / "loop").symlink_to("loop")
    (watch.folder / "bee" / "notes.txt").write_bytes(b"x")
    assert sorted(watch.rounds()) == [("00001.png", ADDED), ("loop", Outcome.BROKEN)]
    make_tree(watch.folder, {"wasp": [2]})
    assert watch.rounds() == [("00002.png", ADDED)]
    [remark] = watch.remarks
    assert remark.startswith("1 left out: 1 .txt (skipped:")


def test_watch__waits_while_its_folder_is_away(watch: Watch) -> None:
    """A drive that is gone for a while ends nothing; it is said once."""
    make_tree(watch.folder, {"bee": [1]})
    away = watch.folder.rename(watch.folder.with_name("away"))
    assert watch.rounds() == []
    away.rename(watch.folder)
    assert watch.rounds() == [("00001.png", ADDED)]
    assert watch.remarks == [f"waiting: no such file or folder: {watch.folder}", "going on"]


def test_watch__waits_where_parts_of_a_data_set_come(watch: Watch) -> None:
    """Folders called train and val are no classes, whenever they come."""
    make_tree(watch.folder, {"train/bee": [1], "val/bee": [2]})
    assert watch.rounds() == []
    [remark] = watch.remarks
    assert remark.startswith("waiting: the folders in ")
    assert "not classes. Name one of them" in remark
    (watch.folder / "train" / "bee").rename(watch.folder / "bee")
    shutil.rmtree(watch.folder / "train")
    shutil.rmtree(watch.folder / "val")
    assert watch.rounds() == [("00001.png", ADDED)]


def test_watch__a_file_that_goes_away_is_forgotten(watch: Watch) -> None:
    """A file that is removed and put back is looked at again; one that vanishes harms nobody."""
    make_tree(watch.folder, {"bee": [1]})
    watch.rounds()
    file = watch.folder / "bee" / "00001.png"
    file.unlink()
    assert watch.rounds() == []
    file.write_bytes(picture(1))
    assert watch.rounds() == [("00001.png", Outcome.ALREADY_PRESENT)]


def test_run__rests_between_rounds_until_told(watch: Watch) -> None:
    """Each round is followed by a rest of at least the time asked for."""
    make_tree(watch.folder, {"bee": [1]})
    rests: list[float] = []

    def wait(seconds: float) -> bool:
        rests.append(seconds)
        return len(rests) == 3

    watch.watcher.run(every_s=0.25, wait=wait)
    assert [said.outcome for said in watch.said] == [ADDED]
    assert len(rests) == 3
    assert min(rests) >= 0.25


def outcome(source: str, kind: Outcome, id_: str | None = "id") -> FileOutcome:
    """A line of a report."""
    return FileOutcome(source=source, outcome=kind, label="bee", id=id_)


def sources(file: Path) -> list[str]:
    """Of every whole line."""
    return [json.loads(text)["source"] for text in file.read_text().splitlines() if text[-1] == "}"]


def test_journal__a_restart_repeats_no_line(tmp_path: Path) -> None:
    """What is known of a file is not written again; news of it is."""
    file = tmp_path / "journal.jsonl"
    with Journal(file) as journal:
        journal.write(outcome("a", Outcome.ADDED))
        journal.write(outcome("b", Outcome.BROKEN, None))
    with Journal(file) as journal:
        journal.write(outcome("a", Outcome.ALREADY_PRESENT))
        journal.write(outcome("b", Outcome.BROKEN, None))
        journal.write(outcome("b", Outcome.ADDED))
        journal.write(outcome("a", Outcome.RELABELLED))
    assert sources(file) == ["a", "b", "b", "a"]


def test_journal__into_a_pipe_or_device(tmp_path: Path) -> None:
    """There nothing was written before; a device that gives zeros for ever is not read."""
    with (
        Journal(Path("/dev/full")) as journal,
        pytest.raises(OutputError, match=r"cannot write the report /dev/full \(No space left"),
    ):
        journal.write(FileOutcome("a", ADDED))


def test_journal__goes_on_after_a_torn_line(tmp_path: Path) -> None:
    """A line that a power cut left half written stays alone."""
    file = tmp_path / "journal.jsonl"
    with Journal(file) as journal:
        journal.write(outcome("a", Outcome.ADDED))
    with file.open("a") as lines:
        lines.write('{"source": "torn')
    with Journal(file) as journal:
        journal.write(outcome("b", Outcome.ADDED))
    assert sources(file) == ["a", "b"]


def test_watch_command__adds_until_it_is_told_to_stop(
    images: Path,
    tmp_path: Path,
    lite0_checkpoint: Path,
    open_store: Callable[..., VectorStore],
) -> None:
    """The real process adds a real file, lets others at the gallery, and ends well on SIGTERM."""
    make_tree(images, {"bee": [1]})
    report = tmp_path / "watch.jsonl"
    command = [
        *(sys.executable, "-m", "ingest", "watch", str(images), "--every", "0.05", "--json"),
        *("--report", str(report), "--backbone", "tf_efficientnet_lite0"),
        *("--checkpoint", str(lite0_checkpoint), "--image-size", "32"),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = json.loads(process.stdout.readline())
        (images / "bee" / "late.png").write_bytes(picture(2))
        second = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        said = process.stderr.read()
    assert process.returncode == 0, said
    assert [first["outcome"], second["outcome"]] == ["added", "added"]
    assert sources(report) == [first["source"], second["source"]]
    assert f"added: {images}/bee/late.png as 'bee'" in said
    assert said.endswith("stopped watching\n")
    with open_store(fingerprint=None, create=False) as store:
        assert store.counts() == {"bee": 2}
