"""`ingest add` as its users run it: real files, real weights, real processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from holotype.store.port import VectorStore
from tests.image_files import make_tree, picture
from tests.ingest.bad_files import BAD
from tests.ingest.conftest import Ingest


@pytest.fixture(autouse=True)
def settings(lite0_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real EfficientNet-Lite0 weights on small squares."""
    monkeypatch.setenv("HOLOTYPE_BACKBONE", "tf_efficientnet_lite0")
    monkeypatch.setenv("HOLOTYPE_CHECKPOINT", str(lite0_checkpoint))
    monkeypatch.setenv("HOLOTYPE_IMAGE_SIZE", "32")


def lines(file: Path) -> list[dict[str, str]]:
    """A report's lines."""
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_add__ten_kinds_of_bad_files(images: Path, tmp_path: Path) -> None:
    """Of 200 files 20 are bad in ten ways: 180 are added, 20 named with the reason, exit 3."""
    make_tree(images, {"bee": [*range(90)], "wasp": [*range(100, 190)]})
    for label, n in (("bee", 1000), ("wasp", 2000)):
        for name, (make, _) in BAD.items():
            make(images / label / name, n)
    report = tmp_path / "report.jsonl"
    done = subprocess.run(
        [sys.executable, "-m", "ingest", "add", str(images), "--report", str(report)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert done.stdout == ""
    told = lines(report)
    assert Counter(line["outcome"] for line in told) == {"added": 180, "broken": 20}
    for line in told:
        if line["outcome"] == "broken":
            expected = BAD[Path(line["source"]).name][1]
            assert line["reason"].startswith(expected), line
            assert f"broken: {line['source']}: {line['reason']}" in done.stderr
    assert "180  added\n 20  broken\n180 references were added to gallery 'default'" in done.stderr


def test_add__again_says_that_nothing_was_embedded(ingest: Ingest, images: Path) -> None:
    """The second run of a command embeds nothing, says so, and needs no weights."""
    make_tree(images, {"bee": [1, 2, 3]})
    assert ingest("add", images).returncode == 0
    again = ingest("add", images, "--checkpoint", images / "gone.safetensors")
    assert again.returncode == 0, again.stderr
    assert "3  already present\nnothing was embedded: all of them are in gallery" in again.stderr


def test_add__other_settings_than_the_gallery_are_refused(ingest: Ingest, images: Path) -> None:
    """Another image size is another space: said at once, also where nothing is new."""
    make_tree(images, {"bee": [1, 2, 3]})
    assert ingest("add", images).returncode == 0
    other = ingest("add", images, "--image-size", 64)
    assert other.returncode == 1
    assert "holds vectors of another embedding space (image_size: stored 32" in other.stderr
    assert "Traceback" not in other.stderr


def test_add__as_json(ingest: Ingest, images: Path) -> None:
    """One line a file on standard output, the summary last; people's words go elsewhere."""
    make_tree(images, {"bee": [1]})
    (images / "bee" / "x.png").write_bytes(b"no picture")
    done = ingest("add", images, "--json")
    *files, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["outcome"] for line in files] == ["added", "broken"]
    assert last["summary"]["counts"]["added"] == 1
    assert (last["summary"]["total"], last["summary"]["failures"]) == (2, 1)
    assert done.returncode == 3


def test_add__accounts_for_everything(ingest: Ingest, images: Path) -> None:
    """What is left out is counted by kind, a class that came to nothing named, exit code 3."""
    make_tree(images, {"bee": [1], "@eaDir": [2]})
    (images / "bee" / "notes.txt").write_bytes(b"x")
    (images / "wasp").mkdir()
    (images / "wasp" / "scan.jp2").write_bytes(b"x")
    done = ingest("add", images, "--json")
    last = json.loads(done.stdout.splitlines()[-1])["summary"]
    assert last["counts"]["added"] == last["total"] == 1
    assert last["left_out"] == {"@eaDir": 1, ".txt": 1, ".jp2": 1}
    assert last["empty_classes"] == [str(images / "wasp")]
    assert "3 left out: 1 @eaDir, 1 .txt, 1 .jp2 (skipped:" in done.stderr
    assert f"nothing came of the class folder {images}/wasp: no picture was found" in done.stderr
    assert done.returncode == 3


def test_add__only_what_is_left_out(ingest: Ingest, images: Path) -> None:
    """Where nothing was found, the message says what there was."""
    (images / "bee").mkdir()
    (images / "bee" / "x.jp2").write_bytes(b"x")
    done = ingest("add", images)
    assert "1 left out: 1 .jp2 (skipped:" in done.stderr
    assert "error: nothing to add: no images were found" in done.stderr
    assert done.returncode == 1


def test_add__one_bad_entry_ends_nothing(ingest: Ingest, images: Path) -> None:
    """It is named with its reason, and the pictures beside it are added."""
    make_tree(images, {"bee": [1], "wasp": [2]})
    (images / "bee" / "a loop").symlink_to("a loop")
    (images / "nowhere").symlink_to("gone")
    done = ingest("add", images)
    assert f"broken: {images}/bee/a loop: a link that leads back to itself" in done.stderr
    assert f"broken: {images}/nowhere: a link to nothing" in done.stderr
    assert "2  added\n2  broken" in done.stderr
    assert done.returncode == 3


def test_add__a_dry_run_changes_nothing(
    ingest: Ingest, images: Path, open_store: Callable[..., VectorStore], tmp_path: Path
) -> None:
    """It answers like a real run, copies and broken files included, and makes no gallery."""
    make_tree(images, {"bee": [1, 2], "wasp": [2, 3]})
    (images / "wasp" / "x.png").write_bytes(b"no picture")
    report = tmp_path / "dry.jsonl"
    done = ingest("add", images, "--dry-run", "--report", report)
    outcomes = [line["outcome"] for line in lines(report)]
    assert outcomes == ["would_add", "would_add", "label_conflict", "would_add", "broken"]
    assert "a dry run: gallery 'default' is as it was" in done.stderr
    assert done.returncode == 3
    assert not (tmp_path / "home").exists()


def test_add__a_dry_run_refuses_what_a_real_run_would(
    ingest: Ingest, images: Path, tmp_path: Path
) -> None:
    """Weights that are not there, another space than the gallery's, a home that cannot be made."""
    make_tree(images, {"bee": [1]})
    (tmp_path / "file").write_bytes(b"x")
    refusals: list[tuple[tuple[object, ...], str]] = [
        (("--checkpoint", images / "gone.safetensors"), "gone.safetensors does not exist"),
        (("--backbone", "resnet10x"), "timm has no network 'resnet10x'"),
        (("--home", tmp_path / "file"), f"cannot keep gallery 'default' in {tmp_path}/file"),
    ]
    for options, message in refusals:
        dry, real = (ingest("add", images, *flag, *options) for flag in (("--dry-run",), ()))
        assert (dry.returncode, real.returncode) == (1, 1), dry.stderr
        assert message in dry.stderr
        assert message in real.stderr
    assert ingest("add", images).returncode == 0
    make_tree(images, {"bee": [2]})
    other = ingest("add", images, "--dry-run", "--image-size", 64)
    assert "holds vectors of another embedding space (image_size: stored 32" in other.stderr
    known = ingest("add", images, "--dry-run", "--checkpoint", images / "gone.safetensors")
    assert "gone.safetensors does not exist" in known.stderr
    (images / "bee" / "00002.png").unlink()
    nothing_new = ingest("add", images, "--dry-run", "--checkpoint", images / "gone.safetensors")
    assert nothing_new.returncode == 0, nothing_new.stderr


def test_add__a_locked_gallery_names_its_owner(
    ingest: Ingest, images: Path, open_store: Callable[..., VectorStore]
) -> None:
    """While another process owns the gallery nothing is done, and the message says who it is."""
    make_tree(images, {"bee": [1]})
    open_store(command="a long job")
    done = ingest("add", images)
    assert done.returncode == 1
    assert "a long job" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "nothing to add: name files or folders"),
        (["{}", "--label", " "], 2, "the label is empty"),
        (["{}", "--label", "."], 2, "the label '.' cannot be used"),
        (["{}/nowhere"], 2, "no such file or folder"),
        (["{}/bee"], 2, "has no folders of classes in it"),
        (["{}", "--manifest", "m.csv"], 2, "a manifest names paths and labels itself"),
        (["--manifest", "{}/m.csv"], 2, "no such manifest"),
        (["{}", "--set", "site"], 2, "cannot read --set 'site': write key=value"),
        (["{}", "--set", "a.b=1"], 2, "metadata key 'a.b' is malformed"),
        (["{}", "--group", "re:x"], 2, "exactly one (...) is needed"),
        (["{}", "--report", "{}/no/r.jsonl"], 2, "cannot write the report"),
        (["{}/bee", "--label", "x"], 1, "nothing to add: no images were found"),
    ],
)
def test_add__what_cannot_be_followed(
    ingest: Ingest, images: Path, arguments: list[str], code: int, message: str
) -> None:
    """Wrong usage is exit code 2, nothing to do is 1; each with one line and no traceback."""
    (images / "bee").mkdir()
    (images / "wasp").mkdir()
    if "--report" in arguments:
        make_tree(images, {"wasp": [1]})
    done = ingest("add", *[a.format(images) for a in arguments])
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_add__from_a_manifest(
    ingest: Ingest, images: Path, open_store: Callable[..., VectorStore]
) -> None:
    """Labels, groups and metadata of a manifest arrive; its bad row is named."""
    (images / "a.png").write_bytes(picture(1))
    (images / "m.csv").write_text("path,label,group,site\na.png,bee,g1,roof\na.png,,,\n")
    done = ingest("add", "--manifest", images / "m.csv", "--set", "by=me")
    assert done.returncode == 3, done.stderr
    assert f"failed: {images}/a.png: line 3 of m.csv: it has no label" in done.stderr
    with open_store(fingerprint=None, create=False) as store:
        [reference] = store.list_references().references
    assert (reference.label, reference.group) == ("bee", "g1")
    assert reference.meta == {"site": "roof", "by": "me"}
