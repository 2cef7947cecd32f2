"""`curate suspects` on a store, and through a service."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from curate import suspects_command
from curate.cli import app
from holotype.errors import EmptyGallery, TooFewReferences, UsageError
from holotype.store.port import VectorStore
from tests.curate.views import classes
from tests.references import Pictures, picture_id
from tests.running import running

Open = Callable[..., VectorStore]

FLIPPED = {3: "class 1", 5: "class 1", 31: "class 2"}
"""Rows of class 0 and 1 with a wrong label."""


def run(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, JSON and what was said."""
    done = CliRunner().invoke(app, ["suspects", "--json", *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, json.loads(done.stdout or "{}"), done.stderr


def fill(store: VectorStore, pictures: Pictures) -> None:
    """Three classes of 30, three labels wrong."""
    vectors, labels = classes(3, 30, spread=0.4, dimension=pictures.dimension, seed=1)
    labels = [FLIPPED.get(row, label) for row, label in enumerate(labels)]
    store.add(
        [
            pictures.embedded(str(row), label, vector=vector)
            for row, (label, vector) in enumerate(zip(labels, vectors, strict=True))
        ]
    )


@contextmanager
def gallery(open_store: Open, pictures: Pictures, *, served: bool = False) -> Iterator[list[str]]:
    """Options that lead to the filled gallery: none, or a running service."""
    store = open_store()
    fill(store, pictures)
    if served:
        with running(store) as service:
            yield ["--server", service.url]
    else:
        store.close()
        yield []


def ids(found: dict[str, Any]) -> set[str]:
    """Of all suspects."""
    return {one["id"] for cohort in found["cohorts"] for one in cohort["members"]}


@pytest.mark.parametrize("served", [False, True])
def test_suspects__found_and_decided(
    open_store: Open, pictures: Pictures, tmp_path: Path, served: bool
) -> None:
    """A cohort is accepted by its name, one suspect kept, and neither comes again."""
    with gallery(open_store, pictures, served=served) as options:
        code, found, said = run(*options, "--csv", str(tmp_path / "found.csv"))
        assert code == 0
        assert ids(found) == {picture_id(str(row)) for row in FLIPPED}
        assert "3 suspects in 2 cohorts, about 3 of them wrong, among 90 labels" in said
        lines = list(csv.DictReader((tmp_path / "found.csv").read_text().splitlines()))
        assert [(line["label"], line["proposed"]) for line in lines] == [
            ("class 1", "class 0"),
            ("class 1", "class 0"),
            ("class 2", "class 1"),
        ]
        _, only, _ = run(*options, "--label", "class 2")
        assert ids(only) == {picture_id("31")}

        code, found, said = run(
            *options, "--accept", found["cohorts"][0]["mark"], "--keep", picture_id("31")
        )
        assert (code, found["done"]) == (0, {"changed": 3, "left": {}})
        code, found, said = run(*options)
        assert (code, found["cohorts"]) == (0, [])
        assert "0 suspects" in said
        code, found, said = run(*options, "--accept", picture_id("3"))
        assert code == 1
        assert "no suspect and no cohort is called that now" in said
    if not served:
        with open_store() as store:
            now = store.existing([picture_id(str(row)) for row in FLIPPED])
            assert sorted(now.values()) == ["class 0", "class 0", "class 2"]


def test_suspects__kept_comes_back_with_other_evidence(
    open_store: Open, pictures: Pictures
) -> None:
    """Once the nearest reference of the proposed class is another one."""
    with gallery(open_store, pictures):
        _, found, _ = run("--keep", picture_id("31"))
        assert picture_id("31") not in ids(run()[1])
        (one,) = [m for c in found["cohorts"] for m in c["members"] if m["id"] == picture_id("31")]
        with open_store() as store:
            store.remove(ids=one["evidence"]["proposed"][:1])
        assert picture_id("31") in ids(run()[1])


def test_suspects__whose_labels_moved_meanwhile(
    open_store: Open, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relabelled or removed by somebody between the look and the change: left as they are."""
    with gallery(open_store, pictures):
        looked, three, five = suspects_command.undecided, picture_id("3"), picture_id("5")

        def and_then(store: Any, *rest: Any) -> Any:
            found = looked(store, *rest)
            store.relabel("class 2", ids=[three])
            store.remove(ids=[five])
            return found

        monkeypatch.setattr(suspects_command, "undecided", and_then)
        code, found, said = run("--accept", "all")
        assert (code, found["done"]["changed"]) == (3, 1)
        assert f"{three}: it was class 1 and is class 2 by now" in said
        assert f"{five}: it was removed meanwhile" in said
        with open_store() as store:
            assert store.existing([three, five]) == {three: "class 2"}


def test_suspects__removed_only_when_somebody_says_yes(
    open_store: Open, pictures: Pictures
) -> None:
    """Nobody can be asked here."""
    with gallery(open_store, pictures):
        with pytest.raises(UsageError, match="--yes"):
            run("--remove", picture_id("3"))
        _, found, _ = run("--remove", picture_id("3"), "--yes")
        assert found["done"]["changed"] == 1
        with open_store() as store:
            assert store.existing([picture_id("3")]) == {}
            assert store.count() == 89


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--above", "2"], "no probability"),
        (["--accept", "a", "--keep", "a"], "named twice"),
        (["--accept", "all", "--keep", picture_id("3")], "nothing was changed"),
        (["--csv", "nowhere/at/all.csv"], "no folder"),
    ],
)
def test_suspects__what_cannot_be_followed(
    open_store: Open, pictures: Pictures, options: list[str], message: str
) -> None:
    """Is refused before anything is changed."""
    with gallery(open_store, pictures), pytest.raises(UsageError, match=message):
        run(*options)


def test_suspects__table_says_what_to_type_next(open_store: Open, pictures: Pictures) -> None:
    """For people: cohorts by name, and a command that can be copied."""
    with gallery(open_store, pictures):
        _, found, _ = run()
        done = CliRunner().invoke(app, ["suspects", "--limit", "1"])
        mark = found["cohorts"][0]["mark"]
        assert mark in done.stdout
        assert found["cohorts"][1]["mark"] not in done.stdout
        assert f"curate suspects --accept {mark}" in done.stderr
        assert "1 more cohort" in done.stderr


def test_suspects__of_little(open_store: Open, pictures: Pictures) -> None:
    """An empty gallery, then one class: a clear word each."""
    open_store().close()
    with pytest.raises(EmptyGallery, match="ingest add"):
        run()
    with open_store() as store:
        store.add(pictures.many("ant", 5))
    with pytest.raises(TooFewReferences, match="two classes"):
        run()
