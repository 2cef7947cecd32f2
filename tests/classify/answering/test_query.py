"""`classify query`, as a user meets it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Never

import pytest

from classify.answering.options import DEFAULT_RERANK
from holotype.references import Where, reference_id
from holotype.votes import BY_METRIC
from tests.classify.conftest import ColourGallery, Run, picture
from tests.fakes import ColourEncoder


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A red query that is not in the gallery."""
    path = tmp_path / "query.png"
    path.write_bytes(picture("red", 77))
    return path


def test_knn__answers_with_its_evidence(gallery: ColourGallery, run: Run, image: Path) -> None:
    """The label, its score, and the neighbours that voted, nearest first."""
    ran = run("query", image, "--k", "5", "--json")
    (answer,) = ran.lines
    assert ran.code == 0
    assert answer["query"] == str(image)
    assert (answer["mode"], answer["label"]) == ("knn", "red")
    assert 0.99 < answer["score"] <= 1.0
    similarities = [n["similarity"] for n in answer["neighbours"]]
    assert len(similarities) == 5
    assert similarities == sorted(similarities, reverse=True)
    assert all(n["source"].startswith("drawer/red/") for n in answer["neighbours"])
    assert sum(n["weight"] for n in answer["neighbours"]) == pytest.approx(1)
    assert answer["notices"] == []
    assert answer["known_as"] is None


def test_knn__table_for_people(gallery: ColourGallery, run: Run, image: Path) -> None:
    """Label, score and evidence can be read in a pipe, without colour codes."""
    ran = run("query", image, "--k", "7", "--vote", "majority", "--evidence", "2")
    first, runners_up, *evidence = ran.out.splitlines()
    assert first == f"{image}  red  0.857  (k-NN, 7 neighbours, cosine, not calibrated)"
    assert runners_up.split()[0] == "runners-up"
    assert evidence[0] == "  because of  2 of the 2 nearest references are red; 7 voted"
    assert [line.split()[0] for line in evidence[1:]] == ["red", "red"]
    assert all("drawer/red/" in line for line in evidence[1:])
    assert "\x1b" not in ran.out


def test_vote__majority_counts_and_weighted_weighs(
    empty_gallery: ColourGallery, run: Run, image: Path
) -> None:
    """One red near the query against two greens far away: the votes differ, as they should."""
    empty_gallery.fill(
        empty_gallery.reference(picture("red", 1), "red"),
        empty_gallery.reference(picture("green", 1), "green"),
        empty_gallery.reference(picture("green", 2), "green"),
    )
    by_vote = {
        vote: run("query", image, "--k", "3", "--vote", vote, "--json").lines[0]
        for vote in ("majority", "weighted")
    }
    assert by_vote["majority"]["label"] == "green"
    assert by_vote["majority"]["score"] == pytest.approx(2 / 3)
    assert by_vote["weighted"]["label"] == "red"


def test_vote__tie_goes_to_the_nearer(empty_gallery: ColourGallery, run: Run, image: Path) -> None:
    """One vote each: the larger summed similarity decides, not the alphabet."""
    empty_gallery.fill(
        empty_gallery.reference(picture("red", 1), "red"),
        empty_gallery.reference(picture("blue", 1), "blue"),
    )
    (answer,) = run("query", image, "--k", "2", "--vote", "majority", "--json").lines
    assert answer["label"] == "red"
    assert answer["runners_up"] == [{"label": "blue", "score": 0.5}]


def test_where__filters_inside_the_search(gallery: ColourGallery, run: Run, image: Path) -> None:
    """K neighbours come from the filtered references, however near the others are."""
    (equal,) = run("query", image, "--where", "site=A", "--k", "9", "--json").lines
    assert len(equal["neighbours"]) == 9
    assert {n["meta"]["site"] for n in equal["neighbours"]} == {"A"}
    (unequal,) = run(
        "query", image, "--where", "label!=red", "--where", "site!=B", "--k", "4", "--json"
    ).lines
    assert unequal["label"] in {"green", "blue"}
    assert {n["meta"]["site"] for n in unequal["neighbours"]} == {"A"}
    assert len(unequal["neighbours"]) == 4


def test_where__unknown_key_names_the_known_ones(
    gallery: ColourGallery, run: Run, image: Path
) -> None:
    """A key that nothing carries is a usage error, not an empty answer."""
    ran = run("query", image, "--where", "colour=red")
    assert ran.code == 2
    assert "unknown filter key 'colour'" in ran.err
    assert "group, label, site, source" in ran.err


def test_where__nothing_matches(gallery: ColourGallery, run: Run, image: Path) -> None:
    """A filter that leaves nothing says so, with the filter."""
    ran = run("query", image, "--where", "site=C")
    assert ran.code == 1
    assert "none of the 18 references in gallery 'default' matches meta.site=C" in ran.err
    assert ran.out == ""


def test_k__larger_than_the_gallery(gallery: ColourGallery, run: Run, image: Path) -> None:
    """All there is votes, and a notice says that it was less than asked for."""
    ran = run("query", image, "--k", "100", "--json")
    assert len(ran.lines[0]["neighbours"]) == 18
    assert ran.code == 0
    assert "k = 100, but only 18 references are in the gallery: 18 voted" in ran.err


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--k", "0", "at least one neighbour"),
        ("--top", "0", "at least one label"),
        ("--temperature", "0", "above zero"),
        ("--where", "site", "write key=value"),
    ],
)
def test_options__out_of_range(
    gallery: ColourGallery, run: Run, image: Path, option: str, value: str, complaint: str
) -> None:
    """An option that cannot be followed is a usage error that says why."""
    ran = run("query", image, option, value)
    assert ran.code == 2
    assert complaint in ran.err


def test_gallery__missing(run: Run, image: Path) -> None:
    """Before the first `ingest add` the message says what to do."""
    ran = run("query", image)
    assert ran.code == 1
    assert "`ingest add`" in ran.err


def test_gallery__emptied(own_gallery: ColourGallery, run: Run, image: Path) -> None:
    """A gallery whose references were all removed is not a traceback either."""
    with own_gallery.open() as store:
        store.remove(ids=[r.id for r in store.list_references().references])
    ran = run("query", image)
    assert ran.code == 1
    assert "gallery 'default' holds no reference" in ran.err


def test_gallery__of_another_encoder(
    gallery: ColourGallery, run: Run, encoder: ColourEncoder, image: Path
) -> None:
    """Vectors of another space are refused before anything is compared."""
    encoder.fingerprint = ColourEncoder(weights="5ea5e1").fingerprint
    ran = run("query", image)
    assert ran.code == 1
    assert "vectors of another embedding space" in ran.err
    assert encoder.calls == 0


def test_linear__without_a_head(
    gallery: ColourGallery, run: Run, encoder: ColourEncoder, image: Path
) -> None:
    """It says to run `retrain`, before any picture is read."""
    ran = run("query", image, "--mode", "linear")
    assert ran.code == 1
    assert "run `retrain`" in ran.err
    assert encoder.calls == 0


def test_missing__is_found_before_the_encoder_is_loaded(
    gallery: ColourGallery, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is nothing to read, nothing is loaded to say so."""

    def load(_settings: object) -> Never:
        raise AssertionError("the encoder was loaded")

    monkeypatch.setattr("holotype.encoder.quick_start.load_quickly", load)
    ran = run("query", tmp_path / "gone.png", tmp_path)
    assert ran.code == 1
    assert f"not classified: {tmp_path / 'gone.png'}: the file does not exist" in ran.err
    assert f"{tmp_path}: there are no images in this folder" in ran.err


def test_broken__never_stops_the_others(
    gallery: ColourGallery, run: Run, image: Path, tmp_path: Path
) -> None:
    """Broken, missing and empty are named with their reason; the rest is answered in order."""
    broken = tmp_path / "broken.png"
    broken.write_bytes(image.read_bytes()[:200])
    empty = tmp_path / "empty"
    empty.mkdir()
    other = tmp_path / "other.png"
    other.write_bytes(picture("blue", 99))
    ran = run("query", broken, image, tmp_path / "gone.png", empty, other, "--json")
    assert ran.code == 3
    assert [line["query"] for line in ran.lines] == [
        str(p) for p in (broken, image, tmp_path / "gone.png", empty, other)
    ]
    assert [line.get("label") for line in ran.lines] == [None, "red", None, None, "blue"]
    assert f"not classified: {broken}: " in ran.err
    assert "the file does not exist" in ran.err
    assert "there are no images in this folder" in ran.err
    assert "3 of 5 images could not be classified" in ran.err


def test_broken__alone(gallery: ColourGallery, run: Run, tmp_path: Path) -> None:
    """Where nothing could be answered, nothing useful was done: exit code 1."""
    ran = run("query", tmp_path / "gone.png")
    assert ran.code == 1
    assert f"not classified: {tmp_path / 'gone.png'}" in ran.err


def test_sources__folders_patterns_and_standard_input(
    gallery: ColourGallery, run: Run, tmp_path: Path
) -> None:
    """A folder and a quoted pattern are expanded in sorted order; `-` is standard input."""
    folder = tmp_path / "queries"
    (folder / "deep").mkdir(parents=True)
    (folder / "b.png").write_bytes(picture("blue", 50))
    (folder / "a.png").write_bytes(picture("green", 51))
    (folder / "deep" / "c.png").write_bytes(picture("red", 52))
    (folder / "notes.txt").write_text("not a picture")
    ran = run("query", folder, folder / "*.png", "-", "--json", stdin=picture("red", 53))
    assert ran.code == 0
    assert [(Path(line["query"]).name, line["label"]) for line in ran.lines] == [
        ("a.png", "green"),
        ("b.png", "blue"),
        ("c.png", "red"),
        ("a.png", "green"),
        ("b.png", "blue"),
        ("-", "red"),
    ]


def test_sources__what_a_folder_holds_besides(
    gallery: ColourGallery, run: Run, tmp_path: Path
) -> None:
    """The walk of `ingest add`: oddly named pictures are taken, others counted, bad ones named."""
    folder = tmp_path / "mixed"
    (folder / "@eaDir").mkdir(parents=True)
    (folder / "scan").write_bytes(picture("red", 3))
    (folder / "notes.txt").write_bytes(b"x")
    (folder / "loop").symlink_to("loop")
    ran = run("query", folder, "--json")
    assert [line["query"] for line in ran.lines] == [f"{folder}/loop", f"{folder}/scan"]
    assert "notice: 2 left out: 1 @eaDir, 1 .txt (skipped:" in ran.err
    assert f"not classified: {folder}/loop: a link that leads back to itself" in ran.err
    assert ran.code == 3


def test_sources__standard_input_once(gallery: ColourGallery, run: Run) -> None:
    """A stream can be read once; asking twice is a usage error."""
    ran = run("query", "-", "-")
    assert ran.code == 2
    assert "standard input ('-') can be read only once" in ran.err


def test_sources__pattern_without_a_file(gallery: ColourGallery, run: Run, tmp_path: Path) -> None:
    """A pattern that nothing matches is named like a missing file."""
    ran = run("query", tmp_path / "*.png")
    assert ran.code == 1
    assert "no file matches this pattern" in ran.err


def test_own_picture__is_named(gallery: ColourGallery, run: Run, tmp_path: Path) -> None:
    """A query whose very bytes are in the gallery is its own neighbour, and the answer says so."""
    path = tmp_path / "again.png"
    path.write_bytes(picture("green", 3))
    (answer,) = run("query", path, "--json").lines
    assert answer["known_as"] == "green"
    assert answer["neighbours"][0]["similarity"] == pytest.approx(1, abs=1e-5)
    assert "this very picture is in the gallery as green" in run("query", path).out


def test_own_picture__left_out_on_request(gallery: ColourGallery, run: Run, tmp_path: Path) -> None:
    """With --exclude-self its reference does not vote, and k others do."""
    path = tmp_path / "again.png"
    path.write_bytes(picture("green", 3))
    own = reference_id(hashlib.sha256(path.read_bytes()).hexdigest())
    (answer,) = run("query", path, "--exclude-self", "--k", "5", "--json").lines
    assert answer["label"] == "green"
    assert len(answer["neighbours"]) == 5
    assert own not in [n["id"] for n in answer["neighbours"]]


def test_own_picture__alone_in_the_gallery(
    empty_gallery: ColourGallery, run: Run, tmp_path: Path
) -> None:
    """Nothing but itself to compare with: no answer, and the reason."""
    data = picture("green", 3)
    empty_gallery.fill(empty_gallery.reference(data, "green"))
    path = tmp_path / "again.png"
    path.write_bytes(data)
    ran = run("query", path, "--exclude-self", "--json")
    assert ran.lines[0]["label"] is None
    assert ran.lines[0]["score"] is None
    assert "the only reference to compare with is this very picture" in ran.err


def test_batches__order_is_kept_and_the_encoder_sees_batches(
    gallery: ColourGallery, run: Run, encoder: ColourEncoder, tmp_path: Path
) -> None:
    """Twenty-five queries in batches of four: seven calls, answers in the order given."""
    colours = ["red", "green", "blue"] * 9
    for i, colour in enumerate(colours[:25]):
        (tmp_path / f"{i:02}.png").write_bytes(picture(colour, 200 + i))
    ran = run("query", tmp_path / "*.png", "--batch-size", "4", "--workers", "3", "--json")
    assert encoder.calls == 7
    assert [line["label"] for line in ran.lines] == colours[:25]


def test_help__imports_nothing_heavy() -> None:
    """`classify --help` answers without the libraries that take seconds to load."""
    check = (
        "import sys; from classify.cli import app\n"
        "from typer.testing import CliRunner\n"
        "assert CliRunner().invoke(app, ['query', '--help']).exit_code == 0\n"
        "heavy = {'torch', 'timm', 'sklearn', 'qdrant_client', 'qdrant_edge', 'numpy', 'PIL'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.strip() == "[]"


def test_names__of_queries_and_their_evidence_reach_no_terminal_raw(
    own_gallery: ColourGallery, run: Run, tmp_path: Path
) -> None:
    """What is shown of an answer is escaped, whatever files and labels are called."""
    evil = "x\x1b[2J\n\u202e"
    reference = own_gallery.reference(picture("red", 77), f"old {evil}")
    nearest = own_gallery.embed(picture("red", 78))
    described = replace(reference.reference, source=evil)
    own_gallery.fill(replace(reference, reference=described, vector=nearest))
    query = tmp_path / f"{evil}.png"
    query.write_bytes(picture("red", 78))
    broken = tmp_path / f"{evil}.jpg"
    broken.write_bytes(b"nothing")
    ran = run("query", query, broken, "-k", "1")
    shown = r"x\x1b[2J\n\u202e"
    assert f"{shown}.png  old {shown}" in ran.out
    assert f"old {shown}  {shown}\n" in ran.out
    assert f"{shown}.jpg: " in ran.err
    assert {c for c in ran.out + ran.err if not c.isprintable()} == {"\n"}


def test_filter__leaves_out_a_class_of_an_earlier_version(
    own_gallery: ColourGallery, run: Run, image: Path
) -> None:
    """A label that was stored with other white space is excluded by its one spelling."""
    with own_gallery.open() as store:
        store.relabel("light\u00a0red", where=Where.equal("label", "red"))
    for mode in ("knn", "auto"):
        ran = run("query", image, "--mode", mode, "--where", "label!=light red", "--json")
        assert ran.lines[0]["label"] != "light\u00a0red"
        assert "light\u00a0red" not in {n["label"] for n in ran.lines[0]["neighbours"]}
    only = run("query", image, "--mode", "knn", "--where", "label=light red", "--json").lines[0]
    assert {n["label"] for n in only["neighbours"]} == {"light\u00a0red"}


def test_options__the_candidates_are_those_that_heads_are_calibrated_with() -> None:
    """The default of `--rerank` is said apart from the votes' own, which would bring numpy."""
    assert BY_METRIC.candidates == DEFAULT_RERANK
