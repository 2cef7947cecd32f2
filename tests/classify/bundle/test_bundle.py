"""A sealed bundle answers as its gallery does, alone, and is refused where it does not."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from classify.answering.answers import Answer
from classify.answering.classifier import Classifier
from classify.answering.modes import Mode
from classify.answering.options import QueryOptions
from classify.answering.queries import classify_images, find_sources
from classify.bundle import opened
from classify.bundle.archive import PREFIX, BundleReader, BundleWriter
from classify.bundle.contents import thumbnail
from classify.bundle.opened import Bundle, open_bundle
from holotype.encoder import load_encoder
from holotype.errors import BundleError
from holotype.images.finding import LeftOut
from tests.classify.bundle.conftest import COLOURS, NEWCOMER, PER_CLASS, Made, Ran, picture, run

ROOT = Path(__file__).parents[3]

LABELS = sorted(COLOURS | NEWCOMER)


@pytest.fixture(autouse=True)
def _own_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No bundle has passed on this machine yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def answered(made: Made, folder: Path, options: QueryOptions) -> dict[str, Answer]:
    """What the gallery answers by torch, by the name of the query."""
    sources = list(find_sources([str(folder)], stdin=bytes, left_out=LeftOut()))
    with made.store() as store:
        results = classify_images(
            sources,
            encoder=load_encoder(made.settings),
            classifier=Classifier(store),
            options=options,
            batch_size=4,
            workers=1,
        )
        return {result.query: result.answer for result in results if result.answer is not None}


def served(made: Made, options: QueryOptions) -> dict[str, dict[str, float]]:
    """Scores by label, by the name of the query."""
    return {
        query: {score.label: score.score for score in answer.scores}
        for query, answer in answered(made, made.queries, options).items()
    }


def said(ran: Ran) -> dict[str, dict[str, float]]:
    """The same of what a bundle printed."""
    return {
        line["query"]: {s["label"]: s["score"] for s in line["runners_up"]}
        | {line["label"]: line["score"]}
        for line in ran.lines
    }


def assert_same(found: dict[str, dict[str, float]], wanted: dict[str, dict[str, float]]) -> None:
    """Every score of every query, to 1e-3."""
    assert found.keys() == wanted.keys()
    assert len(found) == len(LABELS)
    for query, scores in wanted.items():
        for label, score in scores.items():
            assert found[query].get(label, 0.0) == pytest.approx(score, abs=1e-3), (query, label)


@pytest.mark.parametrize("mode", list(Mode))
def test_bundle__answers_alone_as_the_gallery_does(
    mode: Mode, made: Made, sealed: Path, fresh: Path, tmp_path: Path
) -> None:
    """Three packages and no network: every mode, a class that came after the head among them."""
    ran = run(fresh, sealed, "--json", "--mode", mode, made.queries, cache=tmp_path)
    assert ran.code == 0, ran.err
    assert_same(said(ran), served(made, QueryOptions(mode=mode)))
    assert {Path(line["query"]).stem.partition("-")[0]: line["label"] for line in ran.lines} == {
        label: label for label in LABELS
    }


def test_bundle__the_three_states(made: Made, sealed: Path, fresh: Path, tmp_path: Path) -> None:
    """Known, doubtful and strange pictures get the states that the gallery gives them."""
    folder = tmp_path / "queries"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (80, 96, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "strange.png")
    for name in ("red", "green"):
        (folder / f"{name}.png").write_bytes(picture(name, 77))
    halves = [np.asarray(Image.open(folder / f"{name}.png")) for name in ("red", "green")]
    Image.fromarray(np.vstack([half[:40] for half in halves])).save(folder / "between.png")
    options = QueryOptions(mode=Mode.LINEAR, unknown_at=0.9, abstain_at=0.9)
    expected = answered(made, folder, options)
    ran = run(
        fresh, sealed, "--json", "--unknown-at", "0.9", "--abstain-at", "0.9", folder,
        cache=tmp_path,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    states = {line["query"]: (line["state"], line["label"]) for line in ran.lines}
    assert states == {query: (one.state, one.label) for query, one in expected.items()}
    assert states[str(folder / "strange.png")] == ("unknown", None)
    assert {state for state, _ in states.values()} == {"answered", "unsure", "unknown"}
    page = tmp_path / "page.html"
    table = run(
        fresh, sealed, "--unknown-at", "0.9", "--html", page, folder / "strange.png",
        cache=tmp_path,
    ).out.splitlines()[1]  # fmt: skip
    assert table.partition("unknown")[2].split()[0].count("/") == 1  # no label, what it looks like
    assert "<b>unknown</b> (stranger than" in page.read_text(encoding="utf-8")
    assert ": looks most like " in page.read_text(encoding="utf-8")


def test_bundle__prints_a_table_and_problems(
    made: Made, sealed: Path, fresh: Path, tmp_path: Path
) -> None:
    """A line a query with its state and what it looks like; what cannot be read is named."""
    (tmp_path / "broken.png").write_bytes(b"no picture")
    red = made.queries / f"red-{PER_CLASS}.png"
    ran = run(fresh, sealed, red, tmp_path / "broken.png", cache=tmp_path)
    assert ran.code == 3
    heading, row = ran.out.splitlines()
    assert heading.split() == ["query", "state", "label", "score", "or", "score", "looks", "like"]
    assert row.split()[1:3] == ["answered", "red"]
    assert "red/red-" in row
    assert "not classified: " in ran.err
    assert "broken.png: not a picture" in ran.err


def test_bundle__says_what_it_is(sealed: Path, fresh: Path, tmp_path: Path) -> None:
    """Without a picture: gallery, labels, head, encoder and the licence notes."""
    ran = run(fresh, sealed, cache=tmp_path)
    assert ran.code == 0, ran.err
    assert "colours: 32 references of 4 classes" in ran.out
    assert ", ".join(LABELS) in ran.out
    assert "Apache License 2.0" in ran.out
    assert "tf_efficientnet_lite0" in ran.out
    assert "references/" in ran.out


def test_bundle__wrong_usage(sealed: Path, fresh: Path, tmp_path: Path) -> None:
    """What cannot be followed ends with code 2 and says what can."""
    mode = run(fresh, sealed, "--mode", "bogus", "x.png", cache=tmp_path)
    assert mode.code == 2
    assert "'bogus' is none of knn, linear, auto" in mode.err
    top = run(fresh, sealed, "--top", "0", "x.png", cache=tmp_path)
    assert (top.code, top.err) == (2, "error: top = 0: an answer has at least one label\n")
    usage = run(fresh, sealed, "--help", cache=tmp_path)
    assert usage.code == 0
    assert "--unknown-at" in usage.out
    assert "--where" not in usage.out


def test_bundle__says_what_is_missing(sealed: Path, tmp_path: Path) -> None:
    """Where there is nothing but Python, one line names the three packages."""
    ran = run("/usr/bin/env", "python3", "-S", "-I", sealed, "x.png", cache=tmp_path)
    assert ran.code == 1
    assert ran.err == (
        "this bundle needs onnxruntime numpy pillow: "
        "`python -m pip install onnxruntime numpy pillow`\n"
    )


def test_sample__linear_is_the_same_and_neighbours_are_said_to_be_a_sample(
    made: Made, sample: Path, fresh: Path, tmp_path: Path
) -> None:
    """Three references a class go along: the head answers as ever, neighbours are named as few."""
    linear = run(fresh, sample, "--json", made.queries, cache=tmp_path)
    assert_same(said(linear), served(made, QueryOptions(mode=Mode.LINEAR)))
    knn = run(fresh, sample, "--json", "--mode", "knn", made.queries, cache=tmp_path)
    for ran in (linear, knn):
        assert "a sample" in ran.err
        assert "12 of " in ran.err
    for line in knn.lines:
        assert line["voted"] == 12
        assert not line["calibrated"]  # its calibration is of the whole gallery's votes
        assert any("a sample" in notice for notice in line["notices"])


def test_sample__is_even_over_the_classes_with_thumbnails(made: Made, sample: Path) -> None:
    """Each class gives as many; every one has its picture, and no more of its path than needed."""
    with BundleReader(sample) as reader:
        references = reader.about["references"]
        labels = [one["label"] for one in references]
        assert sorted(labels) == sorted(LABELS * 3)
        for one in references:
            assert thumbnail(reader, one["id"]).startswith(b"\xff\xd8")
            assert one["source"].count("/") == 1
    assert str(made.folder).encode() not in sample.read_bytes()


def test_query__asks_a_bundle(made: Made, sealed: Path, fresh: Path, tmp_path: Path) -> None:
    """`classify query --bundle` prints what the bundle itself does."""
    alone = run(fresh, sealed, "--json", "--mode", "knn", made.queries, cache=tmp_path)
    asked = run(
        sys.executable, "-m", "classify", "query", "--bundle", sealed, "--json",
        "--mode", "knn", made.queries, cache=tmp_path, PYTHONPATH=str(ROOT),
    )  # fmt: skip
    assert asked.code == 0, asked.err
    assert asked.lines == alone.lines


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_damaged__cut_short(kept: float, sealed: Path, fresh: Path, tmp_path: Path) -> None:
    """A file that ends early says so, run or read."""
    data = sealed.read_bytes()
    cut = tmp_path / "cut.holotype"
    cut.write_bytes(data[: int(kept * len(data))])
    ran = run(fresh, cut, "x.png", cache=tmp_path)
    assert ran.code == 1
    assert "this-bundle-is-damaged.copy-it-again" in ran.err
    assert "Traceback" not in ran.err
    with pytest.raises(BundleError, match="no whole bundle"):
        BundleReader(cut)


@pytest.mark.parametrize("name", ["encoder.onnx", "arrays/head-linear.npy", "classify/flags.py"])
def test_damaged__one_byte(name: str, sealed: Path, fresh: Path, tmp_path: Path) -> None:
    """A byte of the encoder, of the head or of the code that is another is one clear error."""
    name = "classify/bundle/main.py" if name.endswith(".py") else name
    data = bytearray(sealed.read_bytes())
    with zipfile.ZipFile(sealed) as archive:
        member = archive.getinfo(name)
    at = member.header_offset + len(member.FileHeader()) + member.compress_size // 2
    data[at] ^= 0xFF
    hurt = tmp_path / "hurt.holotype"
    hurt.write_bytes(data)
    ran = run(fresh, hurt, "x.png", cache=tmp_path)
    assert ran.code == 1
    assert "copy it again" in ran.err
    assert len(ran.err.splitlines()) == 1


def rewritten(sealed: Path, file: Path, **changes: object) -> Path:
    """The same bundle with other things said in `bundle.json`."""
    with BundleReader(sealed) as reader, BundleWriter(file) as writer:
        for name in reader.about["checksums"]:
            writer.add(name, reader.read(name))
        about = dict(reader.about)
        del about["checksums"], about["format"]
        writer.about = about | changes
    return file


def test_golden__another_answer_is_refused(sealed: Path, tmp_path: Path) -> None:
    """A bundle whose golden pictures come out otherwise names the difference."""
    with BundleReader(sealed) as reader:
        golden = reader.about["golden"]
    first = golden[0] | {"scores": {"blue": 0.4}}
    wrong = rewritten(sealed, tmp_path / "wrong.holotype", golden=[first, *golden[1:]])
    with pytest.raises(BundleError, match=r"'blue' had 0\.4000, and has") as refused:
        open_bundle(wrong)
    assert "onnxruntime" in str(refused.value)


def test_golden__asked_once(sealed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What passed is remembered by file and by machine; what was changed is asked again."""
    checked: list[Path] = []
    monkeypatch.setattr(Bundle, "check", lambda _self: checked.append(sealed))
    open_bundle(sealed)
    open_bundle(sealed)
    assert len(checked) == 1
    open_bundle(rewritten(sealed, tmp_path / "other.holotype", notes={"made_with": "another"}))
    assert len(checked) == 2
    monkeypatch.setattr("platform.node", lambda: "another machine")
    open_bundle(sealed)
    assert len(checked) == 3


def test_golden__one_of_each_class(sealed: Path) -> None:
    """Every class of a small gallery has a golden picture, whose scores are a distribution."""
    contents = opened.open_bundle(sealed).contents
    assert [golden.label for golden in contents.golden] == LABELS
    for golden in contents.golden:
        assert sum(golden.scores.values()) == pytest.approx(1, abs=1e-2)
        assert np.linalg.norm(golden.vector) == pytest.approx(1, abs=1e-4)


def test_file__begins_as_a_program(sealed: Path) -> None:
    """A shell can run it: a first line that names Python, and the right to."""
    assert sealed.read_bytes().startswith(PREFIX)
    assert PREFIX.startswith(b"#!/usr/bin/env python3\n")
    assert sealed.stat().st_mode & 0o100


def test_page__shows_the_pictures(made: Made, sealed: Path, fresh: Path, tmp_path: Path) -> None:
    """`--html` writes queries and references as pictures into one file that fetches nothing."""
    name = tmp_path / "<b>green.png"
    name.write_bytes((made.queries / f"green-{PER_CLASS}.png").read_bytes())
    (tmp_path / "broken.png").write_bytes(b"no picture")
    ran = run(
        fresh, sealed, "--json", "--evidence", "3", "--html", tmp_path / "page.html",
        name, tmp_path / "broken.png", cache=tmp_path,
    )  # fmt: skip
    assert ran.code == 3, ran.err
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") == 4  # the query and three references
    assert page.count('alt="green"') == 3
    assert "&lt;b&gt;green.png" in page
    assert "<b>green" not in page
    assert "<b>answered</b>: green 0." in page
    assert "not a picture" in page
    assert "http" not in page.replace("http-equiv", "")


def test_evidence__of_a_label_that_is_not_near(sample: Path) -> None:
    """Where no neighbour carries the label of the answer, its own nearest are shown beside."""
    bundle = open_bundle(sample)
    kept = bundle.contents.sample
    of = {one.label: row for row, one in enumerate(kept.references)}
    shares = np.linspace(0.2, 0.8, 61)[:, None]
    between = kept.vectors[of["blue"]] * shares + kept.vectors[of["red"]] * (1 - shares)
    between = (between / np.linalg.norm(between, axis=1, keepdims=True)).astype(np.float32)
    for mode in Mode:
        answers = bundle.classifier.classify(between, QueryOptions(mode=mode, evidence=1))
        missing = [one for one in answers if one.best != one.neighbours[0].label]
        assert missing
        for answer in answers:
            beside = {one.label for one in answer.class_neighbours}
            assert beside == ({answer.best} if answer in missing else set())
