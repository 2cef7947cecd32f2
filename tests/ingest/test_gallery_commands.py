"""`ingest classes`, `list`, `relabel` and `remove`: no encoder, no torch."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from holotype.intake.folders import Folders
from holotype.store.port import VectorStore
from tests.image_files import make_tree
from tests.ingest.conftest import Ingest, Worker

ABSENT = "00000000-0000-5000-8000-000000000000"


@pytest.fixture
def ids(images: Path, open_store: Callable[..., VectorStore]) -> dict[int, str]:
    """Ids of a gallery of three bees (1, 2, 3) and two wasps (4, 5), closed again."""
    make_tree(images, {"bee": [1, 2, 3], "wasp": [4, 5]})
    with open_store() as store:
        run = Worker(store).add(Folders([images], meta={"site": "roof"}))
    return {n: said.id or "" for n, said in enumerate(run.said, start=1)}


@pytest.fixture
def counts(open_store: Callable[..., VectorStore]) -> Callable[[], dict[str, int]]:
    """References per class, right now."""

    def now() -> dict[str, int]:
        with open_store(fingerprint=None, create=False) as store:
            return store.counts()

    return now


def test_classes__counts_each_class(ingest: Ingest, ids: dict[int, str]) -> None:
    """Largest first; machines get one line of JSON a class."""
    done = ingest("classes")
    assert done.stdout == "3  bee\n2  wasp\n"
    assert done.stderr == "5 references in 2 classes\n"
    rows = [json.loads(line) for line in ingest("classes", "--json").stdout.splitlines()]
    assert rows == [{"label": "bee", "count": 3}, {"label": "wasp", "count": 2}]


def test_classes__without_a_gallery(ingest: Ingest) -> None:
    """What does not exist yet is said, with what to do."""
    done = ingest("classes")
    assert done.returncode == 1
    assert "gallery 'default' does not exist yet: add references with `ingest add`" in done.stderr


def test_list__a_page_at_a_time(ingest: Ingest, ids: dict[int, str]) -> None:
    """Following `--after` gives every reference of the class once."""
    seen: list[str] = []
    after: list[str] = []
    for _ in range(2):
        done = ingest("list", "--label", "bee", "--limit", "2", "--json", *after)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        seen += [row["id"] for row in rows]
        assert {row["label"] for row in rows} == {"bee"}
        after = done.stderr.split()[-2:]
    assert sorted(seen) == sorted(ids[n] for n in (1, 2, 3))
    assert "there are more" not in done.stderr


def test_list__for_people(ingest: Ingest, ids: dict[int, str], images: Path) -> None:
    """One line a reference: id, label, size, source. A filter nobody knows is a usage error."""
    done = ingest("list", "--where", "site=roof", "--label", "wasp")
    assert f"{ids[4]}  wasp      24x24  {images}/wasp/00004.png\n" in done.stdout
    assert len(done.stdout.splitlines()) == 2
    wrong = ingest("list", "--where", "colour=red")
    assert wrong.returncode == 2
    assert "unknown filter key 'colour'" in wrong.stderr
    assert "no references" in ingest("list", "--where", "site=lab").stderr


def test_relabel__a_class(
    ingest: Ingest, ids: dict[int, str], counts: Callable[[], dict[str, int]]
) -> None:
    """All references of a class change; the count is said."""
    done = ingest("relabel", "--from", "wasp", "--to", "hornet")
    assert (done.returncode, done.stderr) == (0, "relabelled to 'hornet': 2 references\n")
    assert counts() == {"bee": 3, "hornet": 2}


def test_relabel__a_class_whose_label_would_be_refused_today(
    ingest: Ingest,
    ids: dict[int, str],
    open_store: Callable[..., VectorStore],
    counts: Callable[[], dict[str, int]],
) -> None:
    """What is in the gallery from before can be listed, renamed and removed."""
    with open_store(fingerprint=None, create=False) as store:
        store.relabel("..", ids=[ids[4]])
        store.relabel(".", ids=[ids[5]])
    assert ids[4] in ingest("list", "--label", "..").stdout
    assert ingest("relabel", "--from", "..", "--to", "hornet").returncode == 0
    assert ingest("remove", "--label", ".", "--yes").returncode == 0
    assert counts() == {"bee": 3, "hornet": 1}


def test_relabel__single_references(
    ingest: Ingest, ids: dict[int, str], counts: Callable[[], dict[str, int]]
) -> None:
    """Ids that are not there are named, the others change, and the exit code is 3."""
    done = ingest("relabel", ids[1], ABSENT, "--to", "fly", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout) == {"count": 1, "missing": [ABSENT]}
    assert done.stderr == (f"not in the gallery: {ABSENT}\nrelabelled to 'fly': 1 reference\n")
    assert counts() == {"bee": 2, "wasp": 2, "fly": 1}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["relabel", "--to", "x"], 2, "name either ids or --from LABEL"),
        (["relabel", ABSENT, "--from", "bee", "--to", "x"], 2, "name either ids or --from LABEL"),
        (["relabel", "--from", "bee", "--to", " "], 2, "the label is empty"),
        (["relabel", "--from", "bee", "--to", ".."], 2, "the label '..' cannot be used"),
        (["relabel", "--from", "bee", "--to", "bee"], 2, "are the same label 'bee'"),
        (
            ["relabel", "--from", "bees", "--to", "x"],
            1,
            "has the label 'bees': did you mean 'bee'?",
        ),
        (["relabel", ABSENT, "--to", "x"], 1, "none of these ids is in gallery 'default'"),
        (["remove", "--yes"], 2, "name either ids or --label LABEL"),
        (["remove", "--yes", "--label", "moth"], 1, "it has bee, wasp (`ingest classes`"),
        (["remove", "--label", "bee"], 2, "nobody can answer here: give --yes"),
    ],
)
def test_gallery_commands__refuse(
    ingest: Ingest,
    ids: dict[int, str],
    counts: Callable[[], dict[str, int]],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    """What cannot be followed changes nothing and says why."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    done = ingest(*arguments)
    assert done.returncode == code
    assert message in done.stderr
    assert counts() == {"bee": 3, "wasp": 2}


class Terminal(io.StringIO):
    """A person at the keyboard."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "left"), [("y\n", {"wasp": 2}), ("n\n", {"bee": 3, "wasp": 2})])
def test_remove__asks_first(
    ingest: Ingest,
    ids: dict[int, str],
    counts: Callable[[], dict[str, int]],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    left: dict[str, int],
) -> None:
    """The question says how many; only yes removes, and no is exit code 1."""
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    done = ingest("remove", "--label", "bee")
    assert "Remove 3 references from gallery 'default'? [y/N]" in done.stderr
    assert done.returncode == (0 if answer == "y\n" else 1)
    assert counts() == left


def test_remove__single_references(
    ingest: Ingest, ids: dict[int, str], counts: Callable[[], dict[str, int]]
) -> None:
    """With `--yes` nothing is asked."""
    done = ingest("remove", "--yes", ids[1], ids[5])
    assert (done.returncode, done.stderr) == (0, "removed: 2 references\n")
    assert counts() == {"bee": 2, "wasp": 1}


HEAVY = ("torch", "timm", "sklearn", "qdrant_client", "qdrant_edge")


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--help"], ()),
        (["add", "--help"], ()),
        (["classes"], ("qdrant_edge",)),
        (["relabel", "--from", "bee", "--to", "fly"], ("qdrant_edge",)),
        (["remove", "--yes", "--label", "bee"], ("qdrant_edge",)),
    ],
)
def test_ingest__loads_no_more_than_it_needs(
    ids: dict[int, str], arguments: list[str], allowed: tuple[str, ...]
) -> None:
    """Help loads nothing heavy; gallery commands load the engine, and neither torch nor timm."""
    script = (
        f"import sys; from ingest.cli import main; sys.argv[1:] = {arguments!r}\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"sys.stderr.write('loaded: ' + ' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = done.stderr.rpartition("loaded: ")[2].split()
    assert set(loaded) <= set(allowed)


def test_names__reach_no_terminal_raw(
    ingest: Ingest, images: Path, open_store: Callable[..., VectorStore]
) -> None:
    """A file's name is shown escaped, on one line; JSON has the name itself."""
    name = "a\x1b[2J\nb\u202e.png"
    make_tree(images, {"bee": [1]})
    (images / "bee" / "00001.png").rename(images / "bee" / name)
    with open_store() as store:
        Worker(store).add(Folders([images]))
    done = ingest("list")
    (line,) = done.stdout.splitlines()
    assert line.endswith(r"/bee/a\x1b[2J\nb\u202e.png")
    (line,) = ingest("list", "--json").stdout.splitlines()
    assert json.loads(line)["source"] == f"{images}/bee/{name}"
    assert "\u202e" not in line


def test_labels__of_earlier_versions_are_found_and_made_one_class(
    ingest: Ingest,
    ids: dict[int, str],
    open_store: Callable[..., VectorStore],
    counts: Callable[[], dict[str, int]],
) -> None:
    """A label that was stored with other white space is listed, relabelled and removed as one."""
    with open_store(fingerprint=None, create=False) as store:
        store.relabel("Apis\u00a0mellifera", ids=[ids[1]])
        store.relabel("Apis  mellifera", ids=[ids[2]])
        store.relabel("Apis mellifera", ids=[ids[3]])
    said = ingest("classes").stderr
    assert r"the label 'Apis\xa0mellifera' is spelled as earlier versions did" in said
    command = "`ingest relabel --from 'Apis mellifera' --to 'Apis mellifera'`"
    assert said.count(command) == 2
    for name in ("Apis mellifera", " Apis\u2003mellifera\u200b"):
        assert len(ingest("list", "--label", name).stdout.splitlines()) == 3
    for name in ("Apis mellifera", "Apis  mellifera"):
        assert len(ingest("list", "--where", f"label={name}").stdout.splitlines()) == 3
        assert len(ingest("list", "--where", f"label!={name}").stdout.splitlines()) == 2
    done = ingest("relabel", "--from", "Apis mellifera", "--to", "Apis mellifera")
    assert done.stderr == "relabelled to 'Apis mellifera': 2 references\n"
    assert counts() == {"Apis mellifera": 3, "wasp": 2}
    again = ingest("relabel", "--from", "Apis mellifera", "--to", "Apis\u00a0mellifera")
    assert again.returncode == 2
    assert "--from and --to are the same label 'Apis mellifera'" in again.stderr
    assert "earlier versions" not in ingest("classes").stderr


def test_labels__that_look_the_same_are_told_apart(ingest: Ingest, ids: dict[int, str]) -> None:
    """Where a label is not found, the character that differs is named."""
    done = ingest("remove", "--label", "b\u0435\u0435", "--yes")
    assert done.returncode == 1
    assert (
        "they look the same, but character 2 is U+0435 (CYRILLIC SMALL LETTER IE) in the one and "
        "U+0065 (LATIN SMALL LETTER E) in the other"
    ) in done.stderr


def test_filters__are_spelled_as_what_is_stored(
    ingest: Ingest, ids: dict[int, str], open_store: Callable[..., VectorStore]
) -> None:
    """Decomposed letters, other white space: the filter finds, and leaves out, the same."""
    with open_store(fingerprint=None, create=False) as store:
        store.relabel("K\u00e4fer", ids=[ids[1]])
    for written in ("K\u00e4fer", "Ka\u0308fer", " K\u00e4fer\u200b"):
        found = ingest("list", "--where", f"label={written}", "--json").stdout
        assert [json.loads(line)["id"] for line in found.splitlines()] == [ids[1]]
        others = ingest("list", "--where", f"label!={written}").stdout
        assert len(others.splitlines()) == 4
    assert len(ingest("list", "--where", " site\u00a0=\u00a0roof").stdout.splitlines()) == 5
