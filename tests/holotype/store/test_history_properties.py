"""History on the embedded engine: anything that was done is undone, and a kill loses nothing."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import given, settings

from holotype.fingerprint import Fingerprint
from holotype.references import Where
from holotype.store.edge.store import EdgeStore
from tests.fakes import ColourEncoder
from tests.holotype.store.test_contract_history import everything, some
from tests.holotype.store.worker import open_home
from tests.references import Pictures, picture_id

LABELS = ("ant", "bee", "wasp")
names = st.sampled_from([f"p{n}" for n in range(9)])
ids = st.lists(names.map(picture_id), min_size=1, max_size=5, unique=True)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(names, min_size=1, max_size=4), st.sampled_from(LABELS)),
        st.tuples(st.just("relabel"), ids, st.sampled_from(LABELS)),
        st.tuples(st.just("regroup"), ids, st.sampled_from(["g", None])),
        st.tuples(st.just("dismiss"), ids, st.sampled_from(["x", "y"])),
        st.tuples(st.just("remove"), ids, st.none()),
        st.tuples(st.just("remove class"), st.none(), st.sampled_from(LABELS)),
    ),
    min_size=1,
    max_size=8,
)


def do(store: EdgeStore, pictures: Pictures, step: tuple[str, object, object]) -> None:
    """One random change."""
    match step:
        case "add", list(chosen), str(label):
            store.add([pictures.embedded(n, label, thumbnail=label.encode()) for n in chosen])
        case "relabel", list(chosen), str(label):
            store.relabel(label, ids=chosen)
        case "regroup", list(chosen), group:
            store.regroup(group if isinstance(group, str) else None, ids=chosen)
        case "dismiss", list(chosen), str(mark):
            store.dismiss(dict.fromkeys(chosen, mark))
        case "remove", list(chosen), _:
            store.remove(ids=chosen)
        case _, _, label:
            store.remove(where=Where.equal("label", str(label)))


@settings(max_examples=15, deadline=None, database=None)
@given(done=steps)
def test_undo__everything_in_reverse(tmp_path_factory: object, done: list[object]) -> None:
    """Whatever was done, undoing all of it in reverse gives the gallery back, bit for bit."""
    home = tmp_path_factory.mktemp("undone")  # type: ignore[attr-defined]
    fingerprint: Fingerprint = ColourEncoder().fingerprint
    with EdgeStore.open(home, "g", fingerprint=fingerprint, command="a test", create=True) as store:
        pictures = Pictures(fingerprint.dimension)
        store.add(some(pictures))
        first = store.history(limit=1)[0].action.id
        before = everything(store)
        for step in done:
            do(store, pictures, step)  # type: ignore[arg-type]
        for entry in store.history():
            if entry.action.id != first:
                assert store.undo(entry.action.id).left == {}
        assert everything(store) == before
        assert store.verify().damages == []
    shutil.rmtree(home)


def test_undo__killed_in_the_middle(tmp_path: Path) -> None:
    """Kill -9 of a long undo, again and again: the same undo finishes it, and nothing is lost."""
    pictures = Pictures(ColourEncoder().fingerprint.dimension)
    with open_home(str(tmp_path)) as store:
        store.add(pictures.many("wasp", 3_000))
        before = everything(store)
        store.remove(where=Where.equal("label", "wasp"))
        action = store.history(limit=1)[0].action.id
    for _ in range(2):
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.holotype.store.worker", "undo", str(tmp_path)],
            stdout=subprocess.PIPE,
        )
        assert worker.stdout is not None
        worker.stdout.readline()  # a part has come back
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
    with open_home(str(tmp_path)) as store:
        assert 0 < store.count() < len(before)
        assert store.undo(action).left == {}
        assert everything(store) == before
        assert store.verify().damages == []
