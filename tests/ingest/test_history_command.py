"""`ingest history` and `ingest undo`: what was done, and its way back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from holotype.history import Action, this_user
from holotype.intake.folders import Folders
from holotype.store.port import VectorStore
from tests.image_files import make_tree
from tests.ingest.conftest import Ingest, Worker


@pytest.fixture
def ids(images: Path, open_store: Callable[..., VectorStore]) -> dict[int, str]:
    """Ids of a gallery of three bees (1, 2, 3) and two wasps (4, 5), closed again."""
    make_tree(images, {"bee": [1, 2, 3], "wasp": [4, 5]})
    with open_store() as store:
        run = Worker(store).add(Folders([images]))
    return {n: said.id or "" for n, said in enumerate(run.said, start=1)}


def test_history_and_undo__of_what_commands_did(
    ingest: Ingest, ids: dict[int, str], open_store: Callable[..., VectorStore]
) -> None:
    """A run of `ingest add` is one action; the last one of this user is undone, then the next."""
    assert ingest("relabel", ids[1], "--to", "wasp", "--why", "wings folded").returncode == 0
    assert ingest("remove", ids[2], "--yes").returncode == 0

    rows = [json.loads(line) for line in ingest("history", "--json").stdout.splitlines()]
    assert [row["what"] for row in rows] == [{"removed": 1}, {"relabelled": 1}, {"added": 5}]
    assert rows[1]["action"]["why"] == "wings folded"
    assert {row["action"]["who"] for row in rows} == {this_user()}
    told = ingest("history", ids[1]).stdout
    assert "1 relabelled: bee -> wasp" in told
    assert "removed" not in told

    done = ingest("undo", "--yes")
    assert "1 removed: bee" in done.stderr
    assert (done.returncode, done.stderr.splitlines()[-1][:8]) == (0, "undone, ")
    assert ingest("undo", "--yes").returncode == 0
    with open_store(fingerprint=None, create=False) as store:
        assert store.counts() == {"bee": 3, "wasp": 2}
        store.relabel("hornet", ids=[ids[4]], action=Action.new("relabel", who="anna"))
    partly = ingest("undo", "--yes")
    assert partly.returncode == 3
    assert f"left alone: {ids[4]}: it was changed since" in partly.stderr
    nothing = ingest("undo", "--yes")
    assert nothing.returncode == 1
    assert "has done nothing that could be undone" in nothing.stderr


def test_undo__asks_and_refuses(ingest: Ingest, ids: dict[int, str]) -> None:
    """Nobody is there to ask; what is not in the history, or was undone, is said."""
    assert "give --yes" in ingest("undo").stderr
    ingest("relabel", ids[1], "--to", "wasp")
    [newest, *_] = [json.loads(line) for line in ingest("history", "--json").stdout.splitlines()]
    action = newest["action"]["id"]
    assert ingest("undo", action, "--yes").returncode == 0
    again = ingest("undo", action, "--yes")
    assert again.returncode == 1
    assert f"action {action} was undone already, by {action}.1" in again.stderr
    assert "no action 'x' is in the history" in ingest("undo", "x", "--yes").stderr
