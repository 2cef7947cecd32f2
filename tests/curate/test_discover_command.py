"""The command: groups are shown, and named in one step, without a second embedding."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from curate import cli
from holotype.fingerprint import Fingerprint
from holotype.references import EmbeddedReference, Where, reference_id
from holotype.review_queue import ReviewQueue
from holotype.settings import Settings
from holotype.store.factory import open_store
from tests.classify.conftest import ColourGallery, fill_with_colours
from tests.fakes import ColourEncoder
from tests.holotype.store.qdrant_http import QdrantHttp
from tests.references import Pictures
from tests.running import running

SEEN = {"yellow": (225, 215, 30), "violet": (150, 20, 190)}


def picture(colour: str, seed: int) -> bytes:
    """A PNG around a colour that no reference has."""
    random = np.random.default_rng([seed, len(colour)])
    base = np.array(SEEN[colour]) + random.integers(-12, 13, 3)
    pixels = np.clip(base + random.integers(-10, 11, (40, 48, 3)), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def groups(self) -> dict[str, str]:
        """The id of the group of each colour, of `--json`."""
        return {Path(g["medoid"]).name.split("-")[0]: g["group"] for g in self.json["groups"]}

    @property
    def json(self) -> Any:
        """Its one object."""
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture
def gallery(tmp_path: Path) -> ColourGallery:
    """Six references each of red, green and blue, in the home that commands use."""
    return fill_with_colours(ColourGallery(tmp_path / "home"))


@pytest.fixture
def encoder() -> ColourEncoder:
    """The encoder of `run`; it counts."""
    return ColourEncoder()


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], encoder: ColourEncoder
) -> Run:
    """Run `curate discover ARGUMENTS` in this process."""
    monkeypatch.setattr("holotype.encoder.quick_start.load_quickly", lambda _: encoder)

    def command(*arguments: str | Path) -> Ran:
        monkeypatch.setattr(sys, "argv", ["curate", "discover", *map(str, arguments)])
        capfd.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else 1
        return Ran(code, *capfd.readouterr())

    return command


@pytest.fixture
def drawer(tmp_path: Path) -> Path:
    """Six pictures each of yellow and violet."""
    folder = tmp_path / "drawer"
    folder.mkdir()
    for colour in SEEN:
        for seed in range(6):
            (folder / f"{colour}-{seed}.png").write_bytes(picture(colour, seed))
    return folder


def test_discover__a_group_becomes_a_class(
    gallery: ColourGallery, run: Run, encoder: ColourEncoder, drawer: Path
) -> None:
    """Its pictures are references with all that one has; nothing was embedded a second time."""
    first = run(drawer, "--json")
    assert first.code == 0, first.err
    assert sorted(first.groups) == ["violet", "yellow"]
    assert {g["size"] for g in first.json["groups"]} == {6}
    assert {g["nearest"]["label"] for g in first.json["groups"]} <= {"red", "green", "blue"}
    assert run(drawer, "--json").out == first.out
    named = run(drawer, "--name", f"{first.groups['yellow']}=lemon")
    assert named.out == "6 of 6 pictures are references of 'lemon' now\n"
    assert encoder.images_encoded == 12
    data = picture("yellow", 0)
    with gallery.open() as store:
        assert store.counts(where=Where.equal("label", "lemon")) == {"lemon": 6}
        (one,) = store.get([reference_id(hashlib.sha256(data).hexdigest())])
        assert (one.width, one.height) == (48, 40)
        assert one.source == str(drawer / "yellow-0.png")
        assert Image.open(io.BytesIO(store.thumbnails([one.id])[one.id])).size == (48, 40)
        (near,) = store.neighbours(gallery.embed(data)[None], k=1)
        assert near[0].id == one.id
        assert near[0].similarity == pytest.approx(1)


def test_discover__groups_keep_their_names_while_others_are_named(
    gallery: ColourGallery, run: Run, drawer: Path
) -> None:
    """The second is what was shown, though the first is a class by now; neither is named twice."""
    groups = run(drawer, "--json").groups
    assert run(drawer, "--name", f"{groups['yellow']}=lemon").code == 0
    assert run(drawer, "--name", f"{groups['violet']}=plum").code == 0
    with gallery.open() as store:
        assert store.counts()["plum"] == 6
    again = run(drawer, "--name", f"{groups['violet']}=plum")
    assert again.code == 2
    assert "6 of its 6 pictures" in again.err
    nothing = run(drawer)
    assert nothing.code == 2
    assert "every picture of" in nothing.err


def test_discover__a_group_that_is_no_longer_the_same(
    gallery: ColourGallery, run: Run, drawer: Path
) -> None:
    """One file was changed meanwhile: nothing is added, of no group."""
    groups = run(drawer, "--json").groups
    (drawer / "violet-3.png").write_bytes(picture("yellow", 40))
    names = [f"--name={groups[c]}={label}" for c, label in (("yellow", "lemon"), ("violet", "x"))]
    refused = run(drawer, *names)
    assert refused.code == 2
    assert "is no longer the same: 1 of its 6 pictures" in refused.err
    with gallery.open() as store:
        assert store.count() == 18
    assert "no group 'abcdef' was shown last" in run(drawer, "--name", "abcdef=x").err
    assert "write GROUP=LABEL" in run(drawer, "--name", "abcdef").err


def test_discover__bad_input(gallery: ColourGallery, run: Run, drawer: Path) -> None:
    """A clear word each."""
    empty = drawer.parent / "empty"
    empty.mkdir()
    (empty / "notes.txt").write_text("none")
    missing = run(empty)
    assert (missing.code, "holds no pictures" in missing.err) == (2, True)
    assert "1 .txt" in missing.err
    (empty / "broken.jpg").write_bytes(b"no picture")
    assert "nothing in" in run(empty).err
    few = run(drawer, "--min-size", "13")
    assert few.code == 2
    assert "holds 12 unlabelled pictures, and a group has 13 at least" in few.err
    assert "say where the pictures are" in run().err
    assert "say where the pictures are" in run(drawer, "--queue").err
    assert "takes folders" in run("--queue", "--sort-into", empty).err
    (drawer / "broken.png").write_bytes(b"no picture")
    partly = run(drawer, "--json")
    assert partly.code == 3
    assert "not read: " in partly.err
    assert len(partly.json["groups"]) == 2
    with gallery.open() as store:
        store.remove(where=Where.parse(["label!=none"]))
    emptied = run(drawer)
    assert (emptied.code, "holds no references" in emptied.err) == (1, True)


def test_discover__tables_files_and_folders(gallery: ColourGallery, run: Run, drawer: Path) -> None:
    """For people a row a group; a CSV row and a link a picture; text in it is no formula."""
    for seed in range(5):
        (drawer / f"known-{seed}.png").write_bytes(_red(seed))
    written, into = drawer.parent / "groups.csv", drawer.parent / "sorted"
    shown = run(drawer, "--csv", written, "--sort-into", into)
    assert shown.code == 0, shown.err
    assert "2 new groups of 12 pictures; 1 groups look like known classes (--all" in shown.out
    assert "12 images are in 2 folders" in shown.err
    rows = list(csv.DictReader(written.read_text().splitlines()))
    groups = {row["group"] for row in rows if row["group"]}
    assert sorted(folder.name for folder in into.iterdir()) == sorted(groups)
    for row in rows:
        if row["group"]:
            link = into / row["group"] / Path(row["picture"]).name
            assert link.readlink() == Path(row["picture"])
    everything = run(drawer, "--all", "--json").json
    assert sorted(group["new"] for group in everything["groups"]) == [False, True, True]
    assert next(g for g in everything["groups"] if not g["new"])["nearest"]["label"] == "red"


def test_discover__through_a_service(
    gallery: ColourGallery, run: Run, encoder: ColourEncoder, drawer: Path
) -> None:
    """The service adds the vectors that were made here, and embeds nothing itself."""
    theirs = ColourEncoder()
    with gallery.open() as store, running(store, encoder=theirs, home=gallery.home) as service:
        at = ("--server", service.url)
        groups = run(drawer, "--json", *at).groups
        named = run(drawer, "--name", f"{groups['violet']}=plum", *at)
        assert named.code == 0, named.err
        assert store.counts()["plum"] == 6
        data = picture("violet", 0)
        (one,) = store.get([reference_id(hashlib.sha256(data).hexdigest())])
        assert (one.width, one.label) == (48, "plum")
        assert store.thumbnails([one.id])
        assert (encoder.images_encoded, theirs.images_encoded) == (12, 0)


@pytest.mark.parametrize("served", [False, True])
def test_discover__the_review_queue(gallery: ColourGallery, run: Run, *, served: bool) -> None:
    """What is named leaves the queue; the rest stays."""
    queue = ReviewQueue(gallery.home / "default" / "review", limit=20)
    for colour in SEEN:
        for seed in range(6):
            name = f"{colour}-{seed}.png"
            queue.keep(picture(colour, seed), query=name, reason="unknown", answers={})
    if served:
        with (
            gallery.open() as store,
            running(store, home=gallery.home, keep_queries=20) as service,
        ):
            _name_violet(run, "--server", service.url)
            assert store.counts()["plum"] == 6
    else:
        _name_violet(run)
        with gallery.open() as store:
            assert store.counts()["plum"] == 6
    assert {one.query.split("-")[0] for one in queue.page(limit=20).items} == {"yellow"}


def _name_violet(run: Run, *at: str) -> None:
    groups = run("--queue", "--json", *at).groups
    named = run("--queue", "--name", f"{groups['violet']}=plum", *at)
    assert named.code == 0, named.err


@pytest.mark.parametrize("on_a_server", [False, True])
def test_discover__vectors(
    run: Run, tmp_path: Path, qdrant_http: QdrantHttp, *, on_a_server: bool
) -> None:
    """Rows of a file become references under their ids, on either engine."""
    at = {"qdrant_url": qdrant_http.url} if on_a_server else {}
    pictures, random = Pictures(8), np.random.default_rng(0)

    def near(axis: int) -> list[float]:
        return (np.eye(8)[axis] * 3 + random.normal(size=8) * 0.6).tolist()

    references: list[EmbeddedReference] = [
        pictures.embedded(f"{label}{i}", label, vector=near(axis))
        for axis, label in enumerate(("ant", "bee", "fly"))
        for i in range(8)
    ]
    with open_store(
        Settings.load(**at),
        fingerprint=Fingerprint.of_space("other", 8),
        command="a test",
        create=True,
    ) as store:
        store.add(references)
    file = tmp_path / "new.parquet"
    table = {"vector": [near(5) for _ in range(8)], "id": [f"moth {i}" for i in range(8)]}
    pq.write_table(pa.table(table), file)
    options = ["--vectors", file, *(["--qdrant-url", at["qdrant_url"]] if at else [])]
    (group,) = run(*options, "--json").json["groups"]
    assert group["size"] >= 7
    assert run(*options, "--name", f"{group['group']}=moth").code == 0
    with open_store(Settings.load(**at), fingerprint=None, command="a test") as store:
        found = store.list_references(where=Where.equal("label", "moth")).references
    assert {one.source for one in found} <= {f"moth {i}" for i in range(8)}
    assert len(found) == group["size"]


def _red(seed: int) -> bytes:
    from tests.classify.conftest import picture as known

    return known("red", 60 + seed, spread=8)
