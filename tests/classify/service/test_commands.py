"""The commands on a gallery that a running service owns: the same words, the same answers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from classify.service.command import bind, url_of
from head.steps import Standing, Tell
from holotype.references import Where
from holotype.settings import Settings
from holotype.store.factory import open_store
from tests.classify.conftest import COLOURS, ColourGallery, picture
from tests.running import PATIENCE_S, Running, running

HEAVY = ("torch", "timm", "sklearn", "qdrant_client", "qdrant_edge")


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def command(home: Path, program: str, *arguments: str | Path, **environment: str) -> Done:
    """Run a command as a user does, on the gallery in `home`; it must import nothing heavy."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"HOLOTYPE_HOME": str(home)} | environment,
    )
    said = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    imported = {
        line.rsplit("|", 1)[-1].strip().partition(".")[0]
        for line in done.stderr.splitlines()
        if line.startswith("import time:")
    }
    assert imported.isdisjoint(HEAVY), imported.intersection(HEAVY)
    return Done(done.returncode, done.stdout, "\n".join(said))


@pytest.fixture
def owner(own_gallery: ColourGallery) -> Iterator[Running]:
    """A service that owns the gallery, as its lock's record says."""
    listener = bind("127.0.0.1", 0)
    settings = Settings.load(home=own_gallery.home)
    with (
        open_store(
            settings,
            fingerprint=own_gallery.encoder.fingerprint,
            command="classify serve",
            url=url_of(listener),
        ) as store,
        running(store, listener=listener, home=own_gallery.home) as service,
    ):
        yield service


@pytest.fixture
def home(owner: Running) -> Path:
    """Where the owned gallery lives."""
    return owner.service.settings.home


def test_query__through_the_service(owner: Running, home: Path, tmp_path: Path) -> None:
    """Found by itself; answers in the order of the files, a broken one named, exit code 3."""
    for colour in COLOURS:
        (tmp_path / f"{colour}.png").write_bytes(picture(colour, 700))
    (tmp_path / "junk.png").write_bytes(b"junk")
    files = [tmp_path / name for name in ("red.png", "junk.png", "green.png", "blue.png")]
    done = command(home, "classify", "query", *files, "--k", "3", "--json")
    assert done.code == 3, done.err
    assert [line.get("label") for line in done.lines] == ["red", None, "green", "blue"]
    assert [Path(line["query"]).name for line in done.lines] == [f.name for f in files]
    assert [len(line.get("neighbours", [])) for line in done.lines] == [3, 0, 3, 3]
    assert "not classified" in done.err
    assert "junk.png: not a picture" in done.err


def test_query__the_same_line_with_and_without_a_service(
    own_gallery: ColourGallery, run: Any, tmp_path: Path
) -> None:
    """What a script reads does not depend on whether a service runs."""
    query = tmp_path / "query.png"
    query.write_bytes(picture("red", 3))
    arguments = ["query", query, "--where", "site=B", "--k", "9", "--json"]
    alone = run(*arguments)
    assert alone.code == 0, alone.err
    listener = bind("127.0.0.1", 0)
    with (
        open_store(
            Settings.load(), fingerprint=None, command="classify serve", url=url_of(listener)
        ) as store,
        running(store, listener=listener),
    ):
        served = run(*arguments)
        for_people = run("query", query)
    assert served.code == 0, served.err
    assert served.lines == alone.lines
    assert "this very picture is in the gallery as red" in for_people.out


def test_query__the_service_s_own_message(owner: Running, home: Path, tmp_path: Path) -> None:
    """Wrong usage is exit code 2, nothing trained is 1, as without a service."""
    (tmp_path / "q.png").write_bytes(picture("red", 701))
    unknown = command(home, "classify", "query", tmp_path / "q.png", "--where", "lens=1")
    assert (unknown.code, "unknown filter key" in unknown.err) == (2, True), unknown.err
    untrained = command(home, "classify", "query", tmp_path / "q.png", "--mode", "linear")
    assert (untrained.code, "run `retrain`" in untrained.err) == (1, True), untrained.err


def test_ingest__through_the_service(owner: Running, home: Path, tmp_path: Path) -> None:
    """Added, known, relabelled and broken files as without a service; known ones not uploaded."""
    folder = tmp_path / "inbox"
    (folder / "grey").mkdir(parents=True)
    (folder / "red").mkdir()
    for n in range(40):
        (folder / "grey" / f"{n:02}.png").write_bytes(_grey(n))
    (folder / "grey" / "zz.png").write_bytes(b"junk")
    (folder / "red" / "known.png").write_bytes(picture("red", 0))
    (folder / "red" / "was-blue.png").write_bytes(picture("blue", 0))
    first = command(home, "ingest", "add", folder, "--json", "--set", "site=C")
    assert first.code == 3, first.err
    outcomes = [line for line in first.lines if "outcome" in line]
    counted = {o: sum(line["outcome"] == o for line in outcomes) for o in
               ("added", "broken", "already_present", "label_conflict")}  # fmt: skip
    assert counted == {"added": 40, "broken": 1, "already_present": 1, "label_conflict": 1}
    assert [Path(line["source"]).name for line in outcomes[:2]] == ["00.png", "01.png"]
    assert "40 references were added" in first.err
    again = command(home, "ingest", "add", folder, "--json", "--on-conflict", "replace")
    assert again.lines[-1]["summary"]["counts"]["relabelled"] == 1
    uploaded = re.findall(r'holotype_outcomes_total\{outcome="(\w+)"\} (\S+)',
                          owner.http.get("/metrics").text)  # fmt: skip
    assert dict(uploaded) == {"added": "40.0", "broken": "2.0"}
    stored = owner.http.get("/v1/references", params={"where": ["label=grey", "site=C"]}).json()
    assert len(stored["references"]) == 40
    assert stored["references"][0]["source"].startswith(str(folder))


def test_ingest__gallery_commands_through_the_service(owner: Running, home: Path) -> None:
    """Counting, listing, relabelling and removing need no encoder and no lock."""
    counted = command(home, "ingest", "classes", "--json")
    assert counted.lines == [{"label": c, "count": 6} for c in ("blue", "green", "red")]
    listed = command(home, "ingest", "list", "--label", "red", "--json")
    assert {line["label"] for line in listed.lines} == {"red"}
    relabelled = command(home, "ingest", "relabel", "--from", "red", "--to", "ruby")
    assert "'ruby': 6 references" in relabelled.err
    removed = command(home, "ingest", "remove", "--label", "ruby", "--yes")
    assert "6 references" in removed.err
    missing = command(home, "ingest", "remove", "--label", "ruby", "--yes")
    assert (missing.code, "has the label 'ruby'" in missing.err) == (1, True)


def test_ingest__dry_run_through_the_service(owner: Running, home: Path, tmp_path: Path) -> None:
    """It asks what is known and uploads nothing."""
    (tmp_path / "new.png").write_bytes(_grey(99))
    done = command(home, "ingest", "add", tmp_path / "new.png", "--label", "grey", "--dry-run")
    assert done.code == 0, done.err
    assert owner.http.get("/v1/gallery").json()["references"] == 18


def test_ingest__a_file_that_the_service_would_refuse(
    own_gallery: ColourGallery, run: Any, tmp_path: Path
) -> None:
    """A file beyond the service's limit fails with the setting to change; the rest is added."""
    (tmp_path / "large.png").write_bytes(_grey(98) + b"\0" * (1 << 20))
    (tmp_path / "small.png").write_bytes(_grey(97))
    with own_gallery.open() as store, running(store, max_body_mb=1) as service:
        add = ("ingest", "add", tmp_path, "--label", "grey", "--json", "--server", service.url)
        dry = command(own_gallery.home, *add, "--dry-run")
        done = command(own_gallery.home, *add)
    for ran, outcome in ((dry, "would_add"), (done, "added")):
        assert ran.code == 3, ran.err
        assert "too large for the service: 1.0 MiB, it takes 1 MiB" in ran.err
        assert "HOLOTYPE_MAX_BODY_MB" in ran.err
        assert [line["outcome"] for line in ran.lines[:-1]] == ["failed", outcome]


def test_watch__through_the_service(owner: Running, home: Path, tmp_path: Path) -> None:
    """The worker adds what is put into its folder, and ends on SIGTERM."""
    inbox = tmp_path / "inbox"
    (inbox / "grey").mkdir(parents=True)
    (inbox / "grey" / "a.png").write_bytes(_grey(96))
    worker = subprocess.Popen(
        [sys.executable, "-m", "ingest", "watch", str(inbox), "--json", "--every", "0.2"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"HOLOTYPE_HOME": str(home)},
    )
    with worker:
        assert worker.stdout is not None
        outcome = json.loads(worker.stdout.readline())
        worker.terminate()
    assert (outcome["outcome"], outcome["label"]) == ("added", "grey")
    assert worker.returncode == 0
    assert owner.service.store.counts()["grey"] == 1


def test_retrain__through_the_service(owner: Running, home: Path) -> None:
    """The job runs there; its steps and its result are shown here."""
    trained = command(home, "head", "--json")
    assert trained.code == 0, trained.err
    (result,) = trained.lines
    assert result["status"] == "activated"
    # The job's steps are asked for now and then, so a quick one may pass unseen.
    events = [json.loads(line)["progress"] for line in trained.err.splitlines()]
    assert events[0]["step"] == "starting"
    assert events[-1]["percent"] == 100
    listed = command(home, "head", "list", "--json")
    assert [line["version"] for line in listed.lines] == [result["version"]]
    shown = command(home, "head", "show", result["version"], "--json")
    assert shown.lines[0]["active"] is True
    unneeded = command(home, "head", "--if-needed")
    assert "nothing to do" in unneeded.out
    nowhere = command(home, "head", "rollback")
    assert (nowhere.code, "no earlier version" in nowhere.err) == (1, True)
    promoted = command(home, "head", "promote", result["version"])
    assert promoted.out == f"head {result['version']} answers from now on\n"


def test_retrain__ctrl_c_cancels_the_job_of_the_service(
    owner: Running, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who started it ends it: no head is made."""

    def last(_store: Any, _options: Any, *, tell: Tell, check: Callable[[], None]) -> NoReturn:
        tell(Standing("hanging", 0.5))
        ended = threading.Event()
        for _ in range(int(20 * PATIENCE_S)):
            check()
            ended.wait(0.05)
        raise AssertionError("nobody ended it")

    monkeypatch.setattr("tests.running.retrain", last)
    asked = subprocess.Popen(
        [sys.executable, "-m", "head", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"HOLOTYPE_HOME": str(home)},
    )
    with asked:
        assert asked.stderr is not None
        assert json.loads(asked.stderr.readline())["progress"]["percent"] < 100
        asked.send_signal(signal.SIGINT)
        said = asked.stderr.read()
    assert asked.returncode == 130
    assert said.splitlines()[-1].startswith("interrupted: ")
    owner.service.retraining.close()  # waits for its end
    assert owner.service.retraining.progress.state == "cancelled"
    assert owner.service.store.heads() == []


def test_server__of_another_gallery(owner: Running, tmp_path: Path) -> None:
    """A gallery that was asked for by name is never silently another one."""
    done = command(tmp_path, "ingest", "classes", "--server", owner.url, "--gallery", "beetles")
    assert done.code == 2
    assert "serves gallery 'default', not 'beetles'" in done.err


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("http://127.0.0.1:9", 1, "the service at http://127.0.0.1:9 does not answer"),
        ("not a url", 2, "'not a url' is not the address of a service: write http://HOST:PORT"),
        ("http://", 2, "'http://' is not the address of a service"),
    ],
)
def test_server__that_is_not_there(tmp_path: Path, url: str, code: int, said: str) -> None:
    """One line with the address."""
    done = command(tmp_path, "ingest", "classes", "--server", url)
    assert done.code == code
    assert said in done.err
    assert len(done.err.splitlines()) == 1


def test_key__from_the_environment(own_gallery: ColourGallery) -> None:
    """Commands send HOLOTYPE_API_KEY; a read key reads and does not write."""
    reading, writing = "r" * 20, "w" * 20
    with (
        own_gallery.open() as store,
        running(store, keys=f"read:{reading},write:{writing}") as service,
    ):
        arguments = ("--server", service.url)
        none = command(own_gallery.home, "ingest", "classes", *arguments)
        assert (none.code, "HOLOTYPE_API_KEY" in none.err) == (1, True)
        read = command(own_gallery.home, "ingest", "classes", *arguments, HOLOTYPE_API_KEY=reading)
        assert read.code == 0, read.err
        refused = command(
            own_gallery.home, "ingest", "relabel", "--from", "red", "--to", "x", *arguments,
            HOLOTYPE_API_KEY=reading,
        )  # fmt: skip
        assert (refused.code, "scope 'write'" in refused.err) == (1, True)


def _grey(seed: int) -> bytes:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (40, 40), (100 + seed, 128, 128)).save(file, "PNG")
    return file.getvalue()


def test_vectors__through_the_service(owner: Running, home: Path, tmp_path: Path) -> None:
    """A file of vectors goes in as at the store: outcomes by row, and the space is compared."""
    (batch,) = owner.service.store.export(where=Where.equal("label", "red"))
    rows = np.concatenate([-batch.vectors, np.zeros_like(batch.vectors[:1])])
    np.savez(tmp_path / "new.npz", vector=rows, label=["new"] * 7)
    add = ("add", "--vectors", tmp_path / "new.npz", "--report", tmp_path / "report.jsonl")
    dry = command(home, "ingest", *add, "--dry-run")
    assert "6  would add" in dry.err
    done = command(home, "ingest", *add)
    assert done.code == 3, done.err
    assert "failed: " in done.err
    assert "all zeros" in done.err
    told = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert [one["outcome"] for one in told] == ["added"] * 6 + ["failed"]
    assert told[5]["source"].endswith("new.npz row 6")
    assert owner.service.store.counts()["new"] == 6
    assert "6  already present" in command(home, "ingest", *add).err
    other = command(home, "ingest", *add, "--space", "another")
    assert other.code == 1
    assert "holds pictures embedded by 'colour'" in other.err
