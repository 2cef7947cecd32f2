"""`curate duplicates` on a store, and through a service."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from curate import duplicates_command
from curate.cli import app
from holotype.errors import EmptyGallery, HolotypeError, UnknownFilterKey, UsageError
from holotype.store.port import VectorStore
from tests.references import Pictures, picture_id
from tests.running import running

Open = Callable[..., VectorStore]


def run(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, JSON and what was said."""
    done = CliRunner().invoke(app, ["duplicates", "--json", *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, json.loads(done.stdout or "{}"), done.stderr


def fill(store: VectorStore, pictures: Pictures) -> None:
    """Ten ants and ten bees. A copy of ant 0, one of bee 0 as an ant, a twin of bee 1."""

    def again(of: str, label: str, name: str, **more: Any) -> Any:
        (found,) = (one for one in [*ants, *bees] if one.reference.id == picture_id(of))
        return pictures.embedded(name, label, vector=found.vector, **more)

    ants = [pictures.embedded(f"ant-{n}", "ant", thumbnail=b"ant", meta={"split": "train"})
            for n in range(10)]  # fmt: skip
    bees = [pictures.embedded(f"bee-{n}", "bee", group=f"slide {n}") for n in range(10)]
    store.add([*ants, *bees])
    store.add(
        [
            again("ant-0", "ant", "copy", thumbnail=b"ant", meta={"split": "val"}),
            again("bee-0", "ant", "wrong"),
            again("bee-1", "bee", "twin", group="slide 2", thumbnail=b"bee"),
        ]
    )


@contextmanager
def gallery(open_store: Open, pictures: Pictures, *, served: bool) -> Iterator[list[str]]:
    """Options that lead to the filled gallery: none, or a running service."""
    store = open_store()
    fill(store, pictures)
    if served:
        with running(store) as service:
            yield ["--server", service.url]
    else:
        store.close()
        yield []


@pytest.mark.parametrize("served", [False, True])
def test_duplicates__found_and_put_in_order(
    open_store: Open, pictures: Pictures, tmp_path: Path, served: bool
) -> None:
    """Found, kept, merged; the file has a line a member; afterwards they are put in order."""
    with gallery(open_store, pictures, served=served) as options:
        code, found, said = run(*options, "--csv", str(tmp_path / "found.csv"))
        assert code == 0
        assert "3 sets (3 exact, 1 with conflicting labels, 2 across groups" in said
        conflict, leak, copies = found["sets"]
        assert set(conflict["ids"]) == {picture_id("bee-0"), picture_id("wrong")}
        assert {member["group"] for member in leak["members"]} == {"slide 1", "slide 2"}
        lines = list(csv.DictReader((tmp_path / "found.csv").read_text().splitlines()))
        assert [line["id"] for line in lines] == [i for s in found["sets"] for i in s["ids"]]
        assert lines[0]["conflict"] == "True"

        _, split, _ = run(*options, "--between", "split")
        assert [one["set"] for one in split["sets"]] == [copies["set"]]

        code, _, said = run(*options, "--merge-groups", leak["set"])
        assert (code, "regrouped: " in said) == (0, True)
        _, found, _ = run(*options, "--between", "group")
        assert [one["set"] for one in found["sets"]] == [conflict["set"]]

        code, found, said = run(*options, "--keep-one", "all-exact", "--yes")
        assert code == 3
        assert "its labels differ" in said
        assert found["done"]["changed"] == 2
        assert list(found["done"]["left"]) == [conflict["set"]]
        code, found, said = run(*options, "--keep-one", conflict["set"], "--yes")
        assert (code, "removed: 1 reference" in said) == (0, True)
        assert run(*options)[1]["sets"] == []


def test_merge_groups__takes_all_that_is_in_them(open_store: Open, pictures: Pictures) -> None:
    """Groups become one through several sets, with references that are in no set."""
    with open_store() as store:
        fill(store, pictures)
        store.add([pictures.embedded("other", "bee", group="slide 2")])
        more = pictures.embedded("bee-3", "bee").vector
        store.add([pictures.embedded("chained", "bee", vector=more, group="slide 2")])
    marks = [one["set"] for one in run("--label", "bee")[1]["sets"] if not one["conflict"]]
    assert run("--merge-groups", ",".join(marks))[0] == 0
    with open_store() as store:
        groups = store.counts("group")
    assert sorted(groups.values()) == [1] * 7 + [6]


def test_merge_groups__without_groups(open_store: Open, pictures: Pictures) -> None:
    """They get one of their own."""
    with open_store() as store:
        fill(store, pictures)
    (mark,) = (one["set"] for one in run("--between", "split")[1]["sets"])
    assert run("--merge-groups", mark)[0] == 0
    with open_store() as store:
        kept = store.get([picture_id("ant-0"), picture_id("copy")])
    assert [reference.group for reference in kept] == [f"duplicates-{mark}"] * 2


def test_remove__members_only(open_store: Open, pictures: Pictures) -> None:
    """What is in no set stays."""
    with open_store() as store:
        fill(store, pictures)
    code, _, said = run("--remove", picture_id("copy"), "--remove", picture_id("ant-4"), "--yes")
    assert code == 3
    assert f"{picture_id('ant-4')}: it is in no set" in said
    with open_store() as store:
        assert store.count() == 22
        assert store.existing([picture_id("copy")]) == {}


def test_keep_one__what_changed_meanwhile_stays(
    open_store: Open, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody removes the one to keep while this runs: its copy is not removed, too."""
    with open_store() as store:
        fill(store, pictures)
    of_named = duplicates_command._named

    def meanwhile(found: Any, marks: Any) -> Any:
        gallery_now.remove(ids=[picture_id("ant-0")])
        return of_named(found, marks)

    monkeypatch.setattr(duplicates_command, "_named", meanwhile)
    with open_store() as gallery_now, running(gallery_now) as service:
        code, found, said = run("--server", service.url, "--keep-one", "all-exact", "--yes")
        assert "changed meanwhile" in said
        assert (code, found["done"]["changed"]) == (3, 1)
        assert set(gallery_now.existing([picture_id("copy"), picture_id("ant-0")])) == {
            picture_id("copy")
        }


def test_duplicates__for_people(open_store: Open, pictures: Pictures) -> None:
    """A line a set and a line a member."""
    with open_store() as store:
        fill(store, pictures)
    done = CliRunner().invoke(app, ["duplicates"])
    assert ": resolve labels: look at them\n" in done.stdout.splitlines(keepends=True)[0]
    assert f"   copy  {picture_id('copy')}  ant" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["--threshold", "1.2"], UsageError, "no similarity"),
        (["--between", "nothing"], UnknownFilterKey, "unknown filter key 'nothing'"),
        (["--between", "group"], UsageError, "no reference of gallery 'default' has a group"),
        (["--label", "wasp"], HolotypeError, "'wasp'"),
        (["--keep-one", "x", "--remove", "y"], UsageError, "one of"),
        (["--keep-one", "x"], UsageError, "give --yes"),
    ],
)
def test_duplicates__bad_input(
    open_store: Open,
    pictures: Pictures,
    arguments: list[str],
    error: type[Exception],
    words: str,
) -> None:
    """A word each, and nothing is changed."""
    with open_store() as store:
        store.add(pictures.many("ant", 3))
    with pytest.raises(error, match=words):
        run(*arguments)
    code, _, said = run("--keep-one", "00000000", "--yes")
    assert (code, "no set is called that now" in said) == (1, True)
    with open_store() as store:
        assert store.count() == 3


def test_duplicates__hardly_anything(open_store: Open, pictures: Pictures) -> None:
    """Nothing at all is refused; one reference has no duplicates."""
    with open_store():
        pass
    with pytest.raises(EmptyGallery):
        run()
    with open_store() as store:
        store.add(pictures.many("ant", 1))
    code, found, said = run()
    assert (code, found["sets"]) == (0, [])
    assert "0 sets" in said
