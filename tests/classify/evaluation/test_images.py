"""`classify eval DIR` and `--manifest`: images of known class, every mode in one pass."""

from __future__ import annotations

import base64
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from holotype.references import Where
from tests.classify.conftest import COLOURS, ColourGallery, Run, picture, publish_head
from tests.fakes import ColourEncoder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four images each of red, green and blue, and two of a class the gallery has not."""
    root = tmp_path / "labelled"
    for colour in COLOURS:
        (root / colour).mkdir(parents=True)
        for seed in range(4):
            (root / colour / f"{seed}.png").write_bytes(picture(colour, 300 + seed))
    (root / "yellow").mkdir()
    for seed in range(2):
        (root / "yellow" / f"{seed}.png").write_bytes(picture("green", 400 + seed))
    return root


@pytest.fixture
def trained(own_gallery: ColourGallery) -> ColourGallery:
    """Red, green and blue, with a head."""
    with own_gallery.open() as store:
        publish_head(store, "red", "green", "blue")
    return own_gallery


def test_folder__every_mode_in_one_pass(
    trained: ColourGallery, run: Run, encoder: ColourEncoder, folder: Path
) -> None:
    """Every image is encoded once, and every mode has its figures."""
    ran = run("eval", folder, "--json")
    (report,) = ran.lines
    assert ran.code == 0
    assert encoder.images_encoded == 14
    assert list(report["modes"]) == ["knn", "linear", "auto"]
    for figures in report["modes"].values():
        assert figures["queries"] == 12
        assert figures["accuracy"]["value"] == 1
        assert [c["label"] for c in figures["classes"]] == ["blue", "green", "red"]
    assert report["absent_classes"] == {"yellow": 2}
    assert "2 queries are of classes that cannot be answered (yellow)" in ran.err


def test_folder__mistakes_carry_their_evidence(
    trained: ColourGallery, run: Run, folder: Path
) -> None:
    """A picture in the wrong folder is a mistake, with the neighbours that outvoted its label."""
    (folder / "blue" / "odd.png").write_bytes(picture("red", 500))
    (report,) = run("eval", folder, "--json").lines
    knn = report["modes"]["knn"]
    assert knn["confusions"] == [{"truth": "blue", "answered": "red", "count": 1}]
    assert knn["accuracy"]["value"] == pytest.approx(12 / 13)
    mistakes = [m for m in report["mistakes"]["knn"] if m["truth"] == "blue"]
    assert mistakes[0]["answered"] == "red"
    assert {n["label"] for n in mistakes[0]["neighbours"]} == {"red"}


def test_folder__references_among_the_queries_do_not_flatter(
    own_gallery: ColourGallery, run: Run, tmp_path: Path
) -> None:
    """The very bytes of a mislabelled reference do not vote for themselves, and are counted."""
    data = picture("red", 600)
    own_gallery.fill(own_gallery.reference(data, "blue"))
    (tmp_path / "set" / "blue").mkdir(parents=True)
    (tmp_path / "set" / "blue" / "again.png").write_bytes(data)
    (report,) = run("eval", tmp_path / "set", "--k", "1", "--json").lines
    assert report["modes"]["knn"]["accuracy"]["value"] == 0
    assert report["near_duplicates"] == 1


def test_folder__broken_images_are_named(trained: ColourGallery, run: Run, folder: Path) -> None:
    """What cannot be read is reported and costs the others nothing: exit code 3."""
    (folder / "red" / "broken.png").write_bytes(b"no picture")
    ran = run("eval", folder, "--json")
    assert ran.code == 3
    assert [Path(u["name"]).name for u in ran.lines[0]["unreadable"]] == ["broken.png"]
    assert "not classified: " in ran.err
    assert ran.lines[0]["modes"]["knn"]["queries"] == 12


def test_folder__is_accounted_for(trained: ColourGallery, run: Run, folder: Path) -> None:
    """The walk of `ingest add`: leftovers are counted, an empty class and a bad entry named."""
    (folder / "@eaDir" / "red").mkdir(parents=True)
    (folder / "red" / "notes.txt").write_bytes(b"x")
    (folder / "red" / "scan").write_bytes(picture("red", 500))
    (folder / "violet").mkdir()
    (folder / "loop").symlink_to("loop")
    ran = run("eval", folder, "--json")
    (report,) = ran.lines
    assert report["modes"]["knn"]["queries"] == 13
    assert "notice: 2 left out: 1 @eaDir, 1 .txt (skipped:" in ran.err
    assert f"notice: nothing came of the class folder {folder}/violet: no picture" in ran.err
    assert f"not classified: {folder}/loop: a link that leads back to itself" in ran.err
    assert ran.code == 3


def test_folder__above_the_parts_of_a_data_set(
    trained: ColourGallery, run: Run, folder: Path
) -> None:
    """It is refused with the folder to name; the flag takes the names for classes."""
    for part in ("train", "val"):
        (folder.parent / "set").mkdir(exist_ok=True)
        (folder.parent / "set" / part).symlink_to(folder)
    refused = run("eval", folder.parent / "set")
    assert refused.code == 2
    assert f"Name one of them ({folder.parent}/set/train), or say --splits" in refused.err
    taken = run("eval", folder.parent / "set", "--splits-are-classes")
    assert "queries are of classes that cannot be answered (train)" in taken.err


def test_manifest__labels_from_a_file(trained: ColourGallery, run: Run, folder: Path) -> None:
    """The manifest that ingest reads is read here too."""
    manifest = folder / "list.csv"
    rows = [f"{colour}/{seed}.png,{colour}" for colour in COLOURS for seed in range(2)]
    manifest.write_text("path,label\n" + "\n".join(rows))
    (report,) = run("eval", "--manifest", manifest, "--json").lines
    assert report["queries"] == 6
    assert report["subject"]["source"] == str(manifest)


def test_table__for_people(trained: ColourGallery, run: Run, folder: Path) -> None:
    """Figures of both modes side by side, and the learning curve when asked for."""
    ran = run("eval", folder, "--learning-curve", "--near-duplicate", "1")
    assert ran.code == 0
    (accuracy,) = [line for line in ran.out.splitlines() if line.startswith("accuracy")]
    assert accuracy.split() == ["accuracy", "1.000", "1.000", "1.000"]
    assert "k-NN made no mistake" in ran.out
    assert "references per class" in ran.out


@pytest.mark.parametrize(
    "arguments",
    [(), ("DIR", "--leave-one-out"), ("DIR", "--manifest", "x.csv")],
)
def test_request__exactly_one_thing_to_evaluate(
    gallery: ColourGallery, run: Run, folder: Path, arguments: tuple[str, ...]
) -> None:
    """Nothing, or two things at once, is a usage error."""
    ran = run("eval", *(str(folder) if a == "DIR" else a for a in arguments))
    assert ran.code == 2
    assert "one of DIR, --manifest or --leave-one-out" in ran.err


class _Page(HTMLParser):
    """Collects what a test looks at."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.policy = ""
        self.data = ""
        self._in_data = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.addresses += [v or "" for k, v in attrs if k in {"src", "href", "xlink:href"}]
        self._in_data = given.get("type") == "application/json"
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"] or ""

    def handle_endtag(self, tag: str) -> None:
        self._in_data &= tag != "script"

    def handle_data(self, data: str) -> None:
        if self._in_data:
            self.data += data


def read_page(page: Path) -> dict[str, Any]:
    """What the page is drawn from, in the words of `--json`."""
    parser = _Page()
    parser.feed(page.read_text(encoding="utf-8"))
    data: dict[str, Any] = json.loads(parser.data)
    return data


def test_html__one_page_that_needs_nothing_else(
    trained: ColourGallery, run: Run, folder: Path, tmp_path: Path
) -> None:
    """No address leads outside, nothing may be fetched, and it says what `--json` says."""
    (folder / "blue" / "<odd>.png").write_bytes(picture("red", 500))
    page = tmp_path / "report.html"
    ran = run("eval", folder, "--learning-curve", "--near-duplicate", "1", "--json", "--html", page)
    assert ran.code == 0
    assert f"wrote {page}" in ran.err
    text = page.read_text(encoding="utf-8")
    parser = _Page()
    parser.feed(text)
    assert parser.addresses == ["#main"]
    assert "url(" not in text
    assert "@import" not in text
    assert parser.policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in parser.policy
    assert parser.tags.count("script") == 2
    assert "<odd>" not in text
    data = read_page(page)
    shown = [
        mistake.pop("picture")
        for mistakes in data["evaluation"]["mistakes"].values()
        for mistake in mistakes
    ]
    assert data["evaluation"] == ran.lines[0]
    # The query, for each mode that took it for red; its neighbours once for all of them.
    assert len(shown) == 3
    pictures = [*shown, *data["pictures"].values()]
    assert all(base64.b64decode(jpeg).startswith(b"\xff\xd8") for jpeg in pictures)
    neighbours = {
        n["id"] for all_ in ran.lines[0]["mistakes"].values() for m in all_ for n in m["neighbours"]
    }
    assert set(data["pictures"]) == neighbours


def test_html__nowhere_to_write(gallery: ColourGallery, run: Run, folder: Path) -> None:
    """A page that cannot be written is known before the work, not after it."""
    ran = run("eval", folder, "--html", folder / "missing" / "report.html")
    assert ran.code == 2
    assert "there is no such folder to write into" in ran.err


def test_json__is_json_throughout(trained: ColourGallery, run: Run, folder: Path) -> None:
    """No NaN and no infinity: every parser takes it."""
    ran = run("eval", folder, "--learning-curve", "--near-duplicate", "1", "--json")
    assert json.loads(ran.out)["learning_curve"]["classes"] == 3
    json.loads(ran.out, parse_constant=lambda name: pytest.fail(f"{name} in the JSON"))


def test_folder__a_label_of_an_earlier_version_is_its_class(
    own_gallery: ColourGallery, run: Run, tmp_path: Path
) -> None:
    """A gallery that stored other white space is measured on the folder of the same name."""
    with own_gallery.open() as store:
        store.relabel("light\u00a0red", where=Where.equal("label", "red"))
    (tmp_path / "set" / "light red").mkdir(parents=True)
    (tmp_path / "set" / "light red" / "a.png").write_bytes(picture("red", 610))
    (report,) = run("eval", tmp_path / "set", "--json").lines
    assert report["absent_classes"] == {}
    assert report["modes"]["knn"]["accuracy"]["value"] == 1


def test_folder__of_references_alone_has_no_accuracy_without_them(
    trained: ColourGallery, run: Run, tmp_path: Path
) -> None:
    """Every query is in the gallery already: nothing is left to measure, and that is said."""
    for colour in COLOURS:
        (tmp_path / "set" / colour).mkdir(parents=True)
        (tmp_path / "set" / colour / "0.png").write_bytes(picture(colour, 0))
    page = tmp_path / "page.html"
    ran = run("eval", tmp_path / "set", "--json", "--html", page)
    (report,) = ran.lines
    assert report["near_duplicates"] == report["queries"] == 3
    notice = "nothing to measure an accuracy without near-duplicates on"
    assert any(notice in said for said in report["notices"])
    assert notice in ran.err
    for figures in report["modes"].values():
        assert figures["without_duplicates"] is None
        assert figures["accuracy"]["value"] == 1
    shown = run("eval", tmp_path / "set").out
    (line,) = [line for line in shown.splitlines() if "without near-duplicates" in line]
    assert line.split()[2:] == ["\N{EN DASH}"] * 3
    assert read_page(page)["evaluation"] == report | {
        "mistakes": read_page(page)["evaluation"]["mistakes"]
    }


def test_folder__of_classes_that_the_gallery_lacks_has_no_figures(
    trained: ColourGallery, run: Run, tmp_path: Path
) -> None:
    """No query can be answered rightly or wrongly: null and a dash, everywhere."""
    (tmp_path / "set" / "violet").mkdir(parents=True)
    (tmp_path / "set" / "violet" / "a.png").write_bytes(picture("blue", 620))
    page = tmp_path / "page.html"
    (report,) = run("eval", tmp_path / "set", "--json", "--html", page).lines
    for figures in report["modes"].values():
        assert figures["queries"] == 0
        for name in ("accuracy", "macro_accuracy", "macro_f1", "top3", "calibration_error"):
            assert figures[name] is None, name
        assert figures["risk_area"] is None
        assert set(figures["coverage_at_risk"].values()) == {None}
    shown = run("eval", tmp_path / "set").out
    assert "0.000" not in shown
    assert "0%" not in shown
    (line,) = [line for line in shown.splitlines() if line.startswith("accuracy")]
    assert line.split()[1:] == ["\N{EN DASH}"] * 3
    assert read_page(page)["evaluation"] == report
