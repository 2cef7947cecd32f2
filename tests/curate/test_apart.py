"""Curation in a child process: the same result, or one clear error, whatever becomes of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curate import apart
from curate.apart import curate_apart
from curate.view import read_gallery
from head.steps import Standing
from holotype.columns import EXPORTS
from holotype.errors import EmptyGallery, HolotypeError, StoreMoved, TooFewReferences
from holotype.references import VectorBatch
from holotype.store.port import VectorStore
from tests.references import Pictures

Become = Callable[[str], None]


@pytest.fixture
def child_runs(monkeypatch: pytest.MonkeyPatch) -> Become:
    """Gives the child a kind of work, `look`: the body of a function of view, options, tell."""

    def become(body: str) -> None:
        program = (
            "import os, sys, time; from curate import child; from head.steps import Standing\n"
            "from holotype.errors import TooFewReferences\n"
            f"def look(view, options, tell):\n    {body}\n"
            "child.WORK['look'] = look; child.main()"
        )
        monkeypatch.setattr(apart, "COMMAND", (sys.executable, "-c", program))

    return become


@pytest.fixture
def gallery(store: VectorStore, pictures: Pictures) -> VectorStore:
    """Two classes, one of them in groups."""
    bees = [pictures.embedded(f"bee-{n}", "bee", group="slide") for n in range(3)]
    store.add([*bees, *pictures.many("ant", 4)])
    return store


def found(gallery: VectorStore, **options: Any) -> dict[str, Any]:
    """What the child's `look` returns."""
    options = {"tell": lambda _: None, "look": lambda: None} | options
    return curate_apart(gallery, "look", {"most": 3}, **options)


def test_view__is_the_gallery(gallery: VectorStore, child_runs: Become, tmp_path: Path) -> None:
    """Ids, labels, groups, vectors and options arrive; vectors may only be read; nothing stays."""
    child_runs(
        "tell(Standing('summing', 0.5)); t = view.training; return {"
        "'ids': view.ids, 'labels': view.labels, 'groups': view.groups, 'options': options, "
        "'sums': t.vectors.sum(axis=1).tolist(), 'writeable': t.vectors.flags.writeable}"
    )
    told: list[Standing] = []
    result = found(gallery, folder=tmp_path, tell=told.append)
    view = read_gallery(gallery)
    sums = result.pop("sums")
    np.testing.assert_allclose(sums, view.training.vectors.sum(axis=1), rtol=1e-6)
    assert result == {
        "ids": view.ids,
        "labels": view.labels,
        "groups": view.groups,
        "options": {"most": 3},
        "writeable": False,
    }
    assert "slide" in view.groups
    assert (told[-1].step, told[-1].share) == ("summing", pytest.approx(0.6))
    assert [s.share for s in told] == sorted(s.share for s in told)
    assert list(tmp_path.glob("tmp*")) == []


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ("raise TooFewReferences('one class')", TooFewReferences, "^one class$"),
        ("os.kill(os.getpid(), 9)", HolotypeError, r"killed by SIGKILL\): nothing was changed"),
        ("return 1 / 0", HolotypeError, r"exit status 1\): nothing was changed"),
        ("return 7", HolotypeError, "left nothing that can be read"),
    ],
)
def test_child__out_of_order(
    gallery: VectorStore,
    child_runs: Become,
    body: str,
    error: type[HolotypeError],
    message: str,
) -> None:
    """An error of the work is the same here; anything else is one that says what to do."""
    child_runs(body)
    with pytest.raises(error, match=message):
        found(gallery)


def test_look__ends_the_child(gallery: VectorStore, child_runs: Become) -> None:
    """What it raises is what is raised, though the child would go on for ever."""
    child_runs("tell(Standing('hanging', 0.5)); time.sleep(1000)")
    told: list[str] = []

    def look() -> None:
        if "hanging" in told:
            raise HolotypeError("seen enough")

    with pytest.raises(HolotypeError, match="seen enough"):
        found(gallery, tell=lambda s: told.append(s.step), look=look)


def test_empty__is_said_before_a_child_starts(store: VectorStore, child_runs: Become) -> None:
    """With what to do."""
    child_runs("os.kill(os.getpid(), 9)")
    with pytest.raises(EmptyGallery, match="ingest add"):
        found(store)


def test_moved__is_read_again_from_the_beginning(
    gallery: VectorStore, child_runs: Become, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export that stops half-way leaves nothing of itself in the next."""
    child_runs("return {'rows': len(view), 'ids': len(set(view.ids))}")
    real, tries = type(gallery).export, iter(range(EXPORTS))

    def moving(**options: Any) -> Any:
        batches: list[VectorBatch] = list(real(gallery, **options))
        if next(tries) < EXPORTS - 1:
            yield from batches
            raise StoreMoved("moved")
        yield from batches

    monkeypatch.setattr(gallery, "export", moving)
    assert json.dumps(found(gallery)) == '{"rows": 7, "ids": 7}'
