"""The contract of every store: what was done is told, and can be undone exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from holotype.errors import UndoError
from holotype.heads import ActiveHead, HeadRecord, StoredHead
from holotype.history import Action
from holotype.references import EmbeddedReference, Where
from holotype.store.port import VectorStore
from tests.references import Pictures, picture_id

JPEG = b"\xff\xd8\xff jpeg"

Everything = dict[str, tuple[Any, bytes, bytes | None]]


def everything(store: VectorStore) -> Everything:
    """Each reference with its vector and thumbnail; not when it was changed."""
    found: Everything = {}
    for batch in store.export():
        thumbnails = store.thumbnails(batch.ids)
        references = store.get(batch.ids)
        for reference, vector in zip(references, batch.vectors, strict=True):
            kept = np.round(vector, 3) if store.shared else vector
            one = replace(reference, changed_at=0, meta=dict(reference.meta))
            found[reference.id] = one, kept.tobytes(), thumbnails.get(reference.id)
    return found


def some(pictures: Pictures) -> list[EmbeddedReference]:
    """Six of three classes, with all that a reference can have."""
    return [
        pictures.embedded(
            f"p{n}",
            ["ant", "bee", "wasp"][n % 3],
            group=f"g{n}" if n % 2 else None,
            meta={"site": "north"} if n > 2 else None,
            thumbnail=JPEG + bytes([n]) if n % 2 else None,
        )
        for n in range(6)
    ]


IDS = [picture_id(f"p{n}") for n in range(6)]

CHANGES: dict[str, Callable[[VectorStore, Pictures], object]] = {
    "relabelled": lambda store, _: store.relabel("moth", ids=IDS[:3]),
    "a class relabelled": lambda store, _: store.relabel("bee", where=Where.equal("label", "ant")),
    "regrouped": lambda store, _: store.regroup("together", ids=IDS[:4]),
    "ungrouped": lambda store, _: store.regroup(None, ids=IDS),
    "dismissed": lambda store, _: store.dismiss({IDS[0]: "bee .9", IDS[1]: "ant .7"}),
    "removed": lambda store, _: store.remove(ids=IDS[1:4]),
    "a class removed": lambda store, _: store.remove(where=Where.equal("label", "wasp")),
    "added": lambda store, pictures: store.add(pictures.many("moth", 3)),
    "replaced": lambda store, pictures: store.add([pictures.embedded("p1", "moth")]),
}


def test_undo__is_exact_and_can_be_undone(store: VectorStore, pictures: Pictures) -> None:
    """Every change is undone to the last bit, done again by undoing that, and undone again."""
    store.add(some(pictures))
    store.dismiss({IDS[0]: "seen", IDS[5]: "seen"})
    before, counts = everything(store), store.counts()
    for name, change in CHANGES.items():
        change(store, pictures)
        after = everything(store)
        assert after != before, name
        for wanted in (before, after, before):
            newest = store.history(limit=1)[0].action.id
            trial = store.undo(newest, dry_run=True)
            found = store.undo(newest)
            # Of several steps with one reference each is tried as if it were the only one.
            assert name == "replaced" or found.restored == trial.restored > 0, name
            assert found.left == {}, name
            assert everything(store) == wanted, name
    assert store.counts() == store.known_counts() == counts
    assert store.verify().damages == []


def test_undo__what_changed_since_is_left_alone(store: VectorStore, pictures: Pictures) -> None:
    """Only what is as the action left it goes back; the rest is named with its reason."""
    store.add(some(pictures))
    store.relabel("moth", ids=IDS[:4])
    relabelled = store.history(limit=1)[0].action.id
    store.relabel("fly", ids=[IDS[0]])
    store.remove(ids=[IDS[1]])
    store.regroup("late", ids=[IDS[2]])

    found = store.undo(relabelled)

    assert found.restored == 1
    assert found.left == {
        IDS[0]: "it was changed since",
        IDS[1]: "it was removed since",
        IDS[2]: "it was changed since",
    }
    assert store.existing(IDS[:4]) == {IDS[0]: "fly", IDS[2]: "moth", IDS[3]: "ant"}


def test_undo__of_what_was_added_or_removed_meanwhile(
    store: VectorStore, pictures: Pictures
) -> None:
    """What was added and changed since stays; what was removed and is there again, too."""
    store.add(some(pictures))
    added = store.history(limit=1)[0].action.id
    store.remove(ids=IDS[:2])
    removed = store.history(limit=1)[0].action.id
    store.add([pictures.embedded("p0", "fly")])
    store.relabel("moth", ids=[IDS[2]])

    assert store.undo(removed).left == {IDS[0]: "it was added again since"}
    found = store.undo(added)
    assert found.left == {IDS[0]: "it was changed since", IDS[2]: "it was changed since"} or (
        found.left == {IDS[2]: "it was changed since"}
    )
    assert store.existing(IDS) == {IDS[0]: "fly", IDS[2]: "moth"}


def test_undo__of_many_calls_as_one(store: VectorStore, pictures: Pictures) -> None:
    """Calls with one action are one line of the history, and are undone together."""
    store.add(some(pictures))
    before = everything(store)
    action = Action.new("curate", who="anna", why="lens")
    store.add(pictures.many("moth", 2), action=action)
    store.add(pictures.many("moth", 2, first=2), action=action)
    store.relabel("bee", ids=[IDS[0], picture_id("moth-0")], action=action)
    store.remove(ids=[picture_id("moth-1"), IDS[1]], action=action)
    store.add(pictures.many("moth", 1, first=1), action=action)

    newest, first = store.history()
    assert first.what == {"added": 6}
    assert newest.action == action
    assert newest.what == {"added": 5, "relabelled": 2, "removed": 2}

    assert store.undo(action.id).left == {}
    assert everything(store) == before


def test_undo__twice_and_unknown(store: VectorStore, pictures: Pictures) -> None:
    """What is undone is not undone again; what is not there is said."""
    store.add(some(pictures))
    store.relabel("moth", ids=IDS[:2])
    done = store.history(limit=1)[0].action.id
    undone = store.undo(done).action.id
    with pytest.raises(UndoError, match=f"undone already, by {undone}"):
        store.undo(done)
    with pytest.raises(UndoError, match="no action 'x' is in the history"):
        store.undo("x")
    newest, second, *_ = store.history()
    assert (newest.undoes, second.undone_by) == (done, undone)


def test_undo__interrupted_is_finished_by_the_same(
    store: VectorStore, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An undo that broke off anywhere is finished by the same undo, and can be undone itself."""
    store.add(some(pictures))
    before = everything(store)
    action = Action.new("both")
    store.relabel("moth", ids=IDS[:2], action=action)
    store.remove(ids=IDS[2:4], action=action)
    after = everything(store)

    def broken(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for name in ("_move_back", "_end_undo"):
        with monkeypatch.context() as patch:
            patch.setattr(type(store), name, broken)
            with pytest.raises(KeyboardInterrupt):
                store.undo(action.id)
    undone = store.undo(action.id)
    assert undone.left == {}
    assert everything(store) == before
    assert store.undo(undone.action.id).left == {}
    assert everything(store) == after


def test_history__who_why_and_of_what(store: VectorStore, pictures: Pictures) -> None:
    """An entry says who, why and what; a label or a reference selects its own."""
    store.add(some(pictures), action=Action.new("add", who="anna"))
    action = Action.new("relabel", who="bert", why="seen under the lens")
    store.relabel("moth", ids=[IDS[0]], action=action)
    store.dismiss({IDS[1]: "x"})

    dismissed, relabelled, added = store.history()
    assert relabelled.action == action
    assert (relabelled.before, relabelled.after) == ({"ant": 1}, {"moth": 1})
    assert added.after == {"ant": 2, "bee": 2, "wasp": 2}
    assert store.history(label="moth") == [relabelled]
    assert store.history(id=IDS[0]) == [relabelled, added]
    assert store.history(id=IDS[1]) == [dismissed, added]
    assert store.history(id=IDS[2], label="wasp", limit=1) == [added]
    store.remove(ids=[IDS[0]])
    assert [one.what for one in store.history(id=IDS[0])] == [
        {"removed": 1},
        {"relabelled": 1},
        {"added": 6},
    ]


def test_undo__of_a_promotion(store: VectorStore) -> None:
    """The head before answers again, unless another was promoted meanwhile."""
    rows = np.ones((1, store.fingerprint.dimension + 1), np.float32)
    for version in ("a", "b", "c"):
        store.save_head(StoredHead(HeadRecord(version, "", "ready", ("x",)), {"weights": rows}))
    for version in ("a", "b"):
        store.set_active_head(ActiveHead(version))
    promoted, first = store.history()
    assert (promoted.before, promoted.after) == ({"a": 1}, {"b": 1})
    undone = store.undo(promoted.action.id)
    assert undone.restored == 1
    assert store.active_head() == ActiveHead("a")
    assert [head.version for head in store.heads()] == ["a", "b", "c"]
    assert store.undo(first.action.id).left == {"a": "the head before it is gone"}
    store.set_active_head(ActiveHead("c"))
    assert store.undo(undone.action.id).left == {"a": "another head was promoted since"}
    assert store.verify().heads == 3
