"""The end of `ingest add`: which classes are thin, and which are hard to tell apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from head.job import retrain
from holotype.settings import Settings
from holotype.store.factory import open_store
from ingest.thin_classes import hard, thin
from tests.ingest.conftest import Ingest
from tests.running import running

SPACE = ("--space", "test")


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    """Two classes of one kind with fifteen references, and two with two."""
    file = tmp_path / "v.npz"
    rng = np.random.default_rng(0)
    rows = np.concatenate(
        [rng.normal(size=(30, 6)), 9 + rng.normal(size=(4, 6)) * [9, 1, 1, 1, 1, 1]]
    )
    labels = ["crow", "raven"] * 15 + ["owl", "swan"] * 2
    np.savez(file, vector=rows.astype(np.float32), label=np.array(labels))
    return file


@pytest.fixture
def more(tmp_path: Path) -> Path:
    """One reference that is new."""
    file = tmp_path / "more.npz"
    np.savez(file, vector=np.ones((1, 6), np.float32), label=np.array(["owl"]))
    return file


def test_add__names_thin_classes(ingest: Ingest, vectors: Path, more: Path) -> None:
    """After the summary, once something was added; never with --json, nor after a dry run."""
    line = "fewer than 10 references: owl (2), swan (2); `curate classes` says what more would help"
    assert line not in ingest("add", "--vectors", vectors, *SPACE, "--dry-run").stderr
    done = ingest("add", "--vectors", vectors, *SPACE)
    assert done.stderr.splitlines()[-1] == line
    assert "references were added" in done.stderr.splitlines()[-2]
    assert "curate classes" not in ingest("add", "--vectors", vectors).stderr
    told = ingest("add", "--vectors", more, "--json")
    assert "curate classes" not in told.stdout + told.stderr


def test_add__names_what_the_head_confuses(ingest: Ingest, vectors: Path, more: Path) -> None:
    """From the report of the active head, here and through the service that owns the gallery."""
    ingest("add", "--vectors", vectors, *SPACE)
    with open_store(Settings.load(), fingerprint=None, command="a test") as store:
        retrain(store)
        with running(store) as service:
            done = ingest("add", "--vectors", more, "--server", service.url)
    few, confused = done.stderr.splitlines()[-2:]
    assert few == "fewer than 10 references: swan (2), owl (3)"
    assert confused.startswith("hard to tell apart, says the active head: ")
    assert "taken for raven" in confused
    assert "taken for crow" in confused
    assert confused.endswith("; `curate classes` says what more would help")


def test_thin__says_nothing_where_all_is_well() -> None:
    """Enough of each, or one class alone; the thinnest three are named, others counted."""
    assert thin({"a": 10, "b": 200}) is None
    assert thin({"a": 1}) is None
    named = thin({"a": 9, "b": 2, "c": 3, "d": 2, "e": 20})
    assert named == "fewer than 10 references: b (2), d (2), c (3) and 1 more"


def test_hard__of_reports_of_all_ages() -> None:
    """What was not scored is not said, and a head of before names no other class."""
    assert hard({}) is None
    classes = [
        {"label": "a", "recall": 0.9, "confused_with": "b"},
        {"label": "b", "recall": None},
        {"label": "c", "recall": 0.5},
    ]
    assert hard({"classes": classes}) == "hard to tell apart, says the active head: c (50% right)"
    assert hard({"classes": classes[:2]}) is None
