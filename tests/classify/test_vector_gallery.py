"""The commands on a gallery whose vectors come from elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import holotype
from tests.image_files import make_tree


@pytest.fixture
def genes() -> None:
    """Two classes of vectors that any method tells apart, in the default gallery."""
    random = np.random.default_rng(0)
    X = np.concatenate([random.normal(size=(12, 6)) + 4 * np.eye(6)[label] for label in (0, 1)])
    with holotype.open("default", space="my-encoder v3") as gallery:
        gallery.add_vectors(X, [f"c{i // 12}" for i in range(24)])


def run(module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A command, as a process of its own."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", [("query",), ("eval",)])
def test_images__are_refused_in_one_sentence(
    genes: None, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """What needs an encoder says whose vectors these are and what to call, and loads none."""
    root = make_tree(tmp_path / "t", {"c0": [1]})
    done = run("classify", *command, root)
    assert done.returncode == 2, done.stderr
    assert "gallery 'default' holds vectors of space 'my-encoder v3'" in done.stderr
    assert "classify_vectors" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_retrain_and_leave_one_out__need_no_encoder(genes: None) -> None:
    """A head is trained, and the gallery evaluated, from what is stored alone."""
    trained = run("head", "--json")
    assert trained.returncode == 0, trained.stderr
    assert json.loads(trained.stdout)["status"] == "activated"
    evaluated = run("classify", "eval", "--leave-one-out", "--json")
    assert evaluated.returncode == 0, evaluated.stderr
    assert "vectors of space my-encoder v3" in evaluated.stdout
