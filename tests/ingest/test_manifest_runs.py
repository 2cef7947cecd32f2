"""`ingest add` from a manifest whose rows lie in odd places."""

from __future__ import annotations

from pathlib import Path

from holotype.intake.manifest import Manifest
from holotype.outcomes import OnConflict, Outcome
from tests.image_files import make_tree, picture
from tests.ingest.conftest import Worker

ADDED, PRESENT, BROKEN = Outcome.ADDED, Outcome.ALREADY_PRESENT, Outcome.BROKEN


def manifest(folder: Path, *rows: str) -> Manifest:
    """A CSV manifest of path and label."""
    file = folder / "m.csv"
    file.write_text("path,label\n" + "".join(f"{row}\n" for row in rows))
    return Manifest(file)


def test_add__a_row_twice_is_added_once(worker: Worker, images: Path) -> None:
    """The second row finds its picture present, and nothing is embedded for it."""
    make_tree(images, {"x": [1, 2]})
    rows = ["x/00001.png,bee", "x/00002.png,bee", "x/00001.png,bee", "x/../x/00001.png,bee"]
    run = worker.add(manifest(images, *rows))
    assert run.outcomes == [ADDED, ADDED, PRESENT, PRESENT]
    assert worker.encoder.images_encoded == 2


def test_add__a_picture_in_two_rows_of_other_labels_conflicts(worker: Worker, images: Path) -> None:
    """The first row counts, unless the last one is to replace it."""
    make_tree(images, {"x": [1]})
    rows = ["x/00001.png,bee", "x/00001.png,wasp"]
    run = worker.add(manifest(images, *rows))
    assert run.outcomes == [ADDED, Outcome.LABEL_CONFLICT]
    assert worker.store.counts() == {"bee": 1}
    run = worker.add(manifest(images, *rows), on_conflict=OnConflict.REPLACE)
    assert run.outcomes == [PRESENT, Outcome.RELABELLED]
    assert worker.store.counts() == {"wasp": 1}


def test_add__rows_that_name_no_picture_fail_alone(worker: Worker, images: Path) -> None:
    """A folder, a missing file, an overlong name, text: each has its reason; the picture is in."""
    make_tree(images, {"x": [1]})
    (images / "notes.txt").write_text("no picture")
    rows = ["x,bee", "gone.png,bee", f"{'n' * 300}.png,bee", "notes.txt,bee", "x/00001.png,bee"]
    run = worker.add(manifest(images, *rows))
    assert run.outcomes == [BROKEN] * 4 + [ADDED]
    folder, gone, overlong, text = run.reasons(BROKEN)
    assert folder == "a folder, not a file"
    assert gone == "the file does not exist"
    assert overlong == "cannot be read: File name too long"
    assert text.startswith("not a picture in a supported format")
    assert run.summary.exit_code == 3


def test_add__a_row_may_name_any_suffix(worker: Worker, images: Path) -> None:
    """What a manifest names is taken: the bytes say what it is."""
    (images / "scan").write_bytes(picture(1))
    assert worker.add(manifest(images, "scan,bee")).outcomes == [ADDED]
