"""The contract of every store: adding, changing and removing references."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from holotype.errors import InvalidReference, UsageError
from holotype.references import MAX_META_KEYS, EmbeddedReference, Where
from holotype.store.port import GalleryState, VectorStore
from tests.references import Pictures, picture_id

MORE_THAN_A_BATCH = 1_100
"""Both adapters send 1,024 points at most in one call."""

LONG_LABEL = "Chrysochloris asiatica " * 40


# -- adding -----------------------------------------------------------------------------


def test_add__reference_comes_back(store: VectorStore, pictures: Pictures) -> None:
    """A reference comes back with everything it was given, and with the time of its change."""
    item = pictures.embedded("p", "wasp", group="tray 7", meta={"site": "north", "rig": "b-2"})

    store.add([item])

    [found] = store.get([item.reference.id])
    assert found.changed_at > 0
    assert replace(found, changed_at=0) == item.reference


def test_add__twice_is_once(store: VectorStore, pictures: Pictures) -> None:
    """Adding the same references again leaves one of each."""
    store.add(pictures.many("wasp", 3))
    store.add(pictures.many("wasp", 3))

    assert store.counts() == {"wasp": 3}


def test_add__same_picture_replaces(store: VectorStore, pictures: Pictures) -> None:
    """Adding a known picture with other facts replaces them all."""
    store.add([pictures.embedded("p", "wasp", group="g", meta={"site": "north"})])
    store.add([pictures.embedded("p", "bee")])

    [found] = store.get([picture_id("p")])
    assert (found.label, found.group, dict(found.meta)) == ("bee", None, {})


def test_add__duplicates_in_one_call(store: VectorStore, pictures: Pictures) -> None:
    """A picture that is twice in one call is stored once, as it was given last."""
    store.add([pictures.embedded("p", "wasp"), pictures.embedded("p", "bee")])

    assert store.counts() == {"bee": 1}


def test_add__nothing(store: VectorStore) -> None:
    """Adding nothing changes nothing."""
    store.add([])

    assert store.state() == GalleryState(counts={}, last_change=0)


def test_add__more_than_a_batch(store: VectorStore, pictures: Pictures) -> None:
    """A call of any size is stored whole."""
    items = pictures.many("wasp", MORE_THAN_A_BATCH)

    store.add(items)

    assert store.count() == MORE_THAN_A_BATCH
    assert len(store.existing([i.reference.id for i in items])) == MORE_THAN_A_BATCH


@pytest.mark.parametrize(
    "label", ["Кукушка", "名前", "a b/c.d:e", '"quoted" \\ back', "👩‍🔬", "é", LONG_LABEL]
)
def test_add__any_label(store: VectorStore, pictures: Pictures, label: str) -> None:
    """A label may be any text; it counts, filters and comes back unchanged."""
    store.add([pictures.embedded("p", label), pictures.embedded("q", "other")])

    assert store.counts()[label] == 1
    assert store.existing([picture_id("p")]) == {picture_id("p"): label}
    assert store.count(where=Where.equal("label", label)) == 1


def _with_vector(item: EmbeddedReference, vector: np.ndarray) -> EmbeddedReference:
    return replace(item, vector=vector)


def _with(item: EmbeddedReference, **facts: object) -> EmbeddedReference:
    return replace(item, reference=replace(item.reference, **facts))  # type: ignore[arg-type]


MALFORMED: dict[str, tuple[Callable[[EmbeddedReference], EmbeddedReference], str]] = {
    "nan": (lambda i: _with_vector(i, i.vector * np.float32("nan")), "has length nan"),
    "infinite": (lambda i: _with_vector(i, i.vector / np.float32(1e-45)), "not 1"),
    "not unit": (lambda i: _with_vector(i, i.vector * np.float32(1.01)), "has length 1.01, not 1"),
    "zero": (lambda i: _with_vector(i, i.vector * np.float32(0)), "has length 0, not 1"),
    "short": (lambda i: _with_vector(i, i.vector[:-1]), "has shape (15,)"),
    "matrix": (lambda i: _with_vector(i, i.vector[None]), "has shape (1, 16)"),
    "double": (lambda i: _with_vector(i, i.vector.astype(np.float64)), "float64, not float32"),
    "no label": (lambda i: _with(i, label=""), "its label is empty"),
    "blank label": (lambda i: _with(i, label=" \t"), "its label is empty"),
    "huge label": (lambda i: _with(i, label="x" * 20_000), "label is longer than 16384 bytes"),
    "half a character": (lambda i: _with(i, label="w\udc80sp"), "is not valid Unicode"),
    "no source": (lambda i: _with(i, source=""), "its source is empty"),
    "no group": (lambda i: _with(i, group=""), "its group is empty"),
    "another id": (lambda i: _with(i, id=picture_id("other")), "its id is not the one"),
    "not an id": (lambda i: _with(i, id="p"), "its id is not the one"),
    "no size": (lambda i: _with(i, width=0), "its size is 0 x 48 pixels"),
    "bad meta key": (lambda i: _with(i, meta={"a.b": "x"}), "metadata key 'a.b'"),
    "bad meta value": (lambda i: _with(i, meta={"a": 3}), "metadata 'a' is 3, not a string"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_add__malformed_writes_nothing(store: VectorStore, pictures: Pictures, name: str) -> None:
    """One malformed reference is named, and nothing of its call is written."""
    spoil, message = MALFORMED[name]
    good = pictures.embedded("good", "wasp", meta={"new": "key"})
    with np.errstate(all="ignore"):
        bad = spoil(pictures.embedded("p", "wasp", source="tray/p.png"))

    with pytest.raises(InvalidReference) as refused:
        store.add([good, bad])

    assert message in str(refused.value)
    assert "nothing of this batch was written" in str(refused.value)
    assert bad.reference.id in str(refused.value)
    assert store.count() == 0
    assert store.filter_keys() == ["group", "label", "source"]


def test_add__too_many_metadata_keys(store: VectorStore, pictures: Pictures) -> None:
    """Each key is an index: a gallery has a bounded number, and refuses more at once."""
    store.add([pictures.embedded("a", "wasp", meta={"site": "north"})])
    many = {f"k{n:03}": "x" for n in range(MAX_META_KEYS)}
    bad = pictures.embedded("p", "wasp", source="tray/p.png", meta=many)

    with pytest.raises(InvalidReference) as refused:
        store.add([pictures.embedded("b", "wasp", meta={"new": "key"}), bad])

    assert "'tray/p.png'" in str(refused.value)
    assert "64 metadata keys (HOLOTYPE_MAX_META_KEYS)" in str(refused.value)
    assert "'k000', 'k001', 'k002', 'k003', 'k004' and 59 more" in str(refused.value)
    assert store.count() == 1
    assert store.filter_keys() == ["group", "label", "meta.site", "source"]


def test_add__nearly_unit(store: VectorStore, pictures: Pictures) -> None:
    """The rounding of a half-precision encoder is not an error."""
    item = pictures.embedded("p", "wasp")

    store.add([_with_vector(item, item.vector * np.float32(1.0005))])

    assert store.count() == 1


# -- what is known ----------------------------------------------------------------------


def test_existing__absent_left_out(store: VectorStore, pictures: Pictures) -> None:
    """Only ids that are there have a label; what is no id at all is simply absent."""
    store.add(pictures.many("wasp", 2))
    there = picture_id("wasp-1")

    assert store.existing([picture_id("nobody"), there, "not-an-id", ""]) == {there: "wasp"}
    assert store.existing([]) == {}


def test_get__order_given(store: VectorStore, pictures: Pictures) -> None:
    """References come in the order asked for, absent ones left out."""
    store.add(pictures.many("wasp", 5))
    wanted = [picture_id(f"wasp-{n}") for n in (3, 0, 4)]

    found = store.get([wanted[0], picture_id("nobody"), wanted[1], "not-an-id", wanted[2]])

    assert [reference.id for reference in found] == wanted


def test_thumbnails__round_trip(store: VectorStore, pictures: Pictures) -> None:
    """A thumbnail's bytes come back; references without one are left out."""
    jpeg = bytes(range(256))
    store.add([pictures.embedded("p", "wasp", thumbnail=jpeg), pictures.embedded("q", "wasp")])

    ids = [picture_id(name) for name in ("p", "q", "nobody")]
    assert store.thumbnails(ids) == {picture_id("p"): jpeg}


# -- relabelling ------------------------------------------------------------------------


def test_relabel__by_ids(store: VectorStore, pictures: Pictures) -> None:
    """Named references change their label and nothing else; absent ids do not count."""
    item = pictures.embedded("p", "wasp", group="g", meta={"site": "north"}, thumbnail=b"jpeg")
    store.add([item, pictures.embedded("q", "wasp")])
    before = {r.id: r for r in store.get([picture_id("p"), picture_id("q")])}

    changed = store.relabel("bee", ids=[picture_id("p"), picture_id("nobody"), "not-an-id"])

    assert changed == 1
    [p, q] = store.get([picture_id("p"), picture_id("q")])
    assert replace(p, changed_at=0) == item.reference.with_label("bee")
    assert p.changed_at > before[p.id].changed_at
    assert q == before[q.id]
    assert store.thumbnails([p.id]) == {p.id: b"jpeg"}
    [batch] = store.export(where=Where.equal("label", "bee"))
    np.testing.assert_allclose(batch.vectors[0], item.vector, atol=1e-6)


def test_relabel__by_filter(store: VectorStore, pictures: Pictures) -> None:
    """All that match change, however many, even where the filter is on the label itself."""
    store.add([*pictures.many("wasp", MORE_THAN_A_BATCH), *pictures.many("ant", 2)])

    assert store.relabel("bee", where=Where.equal("label", "wasp")) == MORE_THAN_A_BATCH
    assert store.counts() == {"bee": MORE_THAN_A_BATCH, "ant": 2}


def test_relabel__already_so(store: VectorStore, pictures: Pictures) -> None:
    """References that carry the label already are not changed and not counted."""
    store.add([pictures.embedded("p", "bee", group="g"), pictures.embedded("q", "wasp", group="g")])

    assert store.relabel("bee", where=Where.equal("group", "g")) == 1
    state = store.state()
    assert store.relabel("bee", where=Where.equal("group", "g")) == 0
    assert store.relabel("bee", ids=[picture_id("p"), picture_id("q")]) == 0
    assert store.state() == state


def test_relabel__to_itself(store: VectorStore, pictures: Pictures) -> None:
    """Relabelling a class to its own name changes nothing, and counts nothing."""
    store.add([*pictures.many("wasp", 3), *pictures.many("bee", 2)])
    state = store.state()

    assert store.relabel("wasp", where=Where.equal("label", "wasp")) == 0
    assert store.state() == state


def test_relabel__bad_label(store: VectorStore, pictures: Pictures) -> None:
    """A label that no reference may carry is refused, and nothing is written."""
    store.add(pictures.many("wasp", 1))

    with pytest.raises(InvalidReference, match="its label is empty; nothing was written"):
        store.relabel(" ", ids=[picture_id("wasp-0")])

    assert store.counts() == {"wasp": 1}


# -- regrouping and dismissing ----------------------------------------------------------


def test_regroup__into_one_and_into_none(store: VectorStore, pictures: Pictures) -> None:
    """Named references get the group and nothing else; those that had it do not count."""
    store.add([pictures.embedded("p", "wasp", group="g"), pictures.embedded("q", "wasp")])
    p, q = before = store.get([picture_id("p"), picture_id("q")])

    assert store.regroup("g", ids=[p.id, q.id, picture_id("nobody"), "not-an-id"]) == 1
    found = store.get([q.id])[0]
    assert replace(found, changed_at=0) == replace(q, changed_at=0, group="g")
    assert found.changed_at > q.changed_at
    assert store.count(where=Where.equal("group", "g")) == 2

    assert store.regroup(None, ids=[p.id, q.id]) == 2
    found_all = store.get([p.id, q.id])
    assert [replace(r, changed_at=0) for r in found_all] == [
        replace(r, changed_at=0, group=None) for r in before
    ]
    assert store.counts("group") == {}


def test_regroup__bad_group(store: VectorStore, pictures: Pictures) -> None:
    """A group that no reference may carry is refused."""
    store.add(pictures.many("wasp", 1))
    with pytest.raises(InvalidReference, match="its group is empty; nothing was written"):
        store.regroup(" ", ids=[picture_id("wasp-0")])


def test_dismiss__is_remembered_until_another_label(store: VectorStore, pictures: Pictures) -> None:
    """A mark stays beside the label, changes no state, and goes with the label."""
    store.add([*pictures.many("wasp", 3), *pictures.many("bee", 1)])
    first, second, third = (picture_id(f"wasp-{n}") for n in range(3))
    state = store.state()

    assert store.dismiss({first: "bee .9", second: "ant .8", picture_id("nobody"): "x"}) == 2
    assert store.dismiss({first: "bee .9", second: "ant .7"}) == 1
    marks = [one.dismissed for one in store.get([first, second, third])]
    assert marks == ["bee .9", "ant .7", None]
    assert store.state() == state

    store.relabel("bee", ids=[first])
    store.add(pictures.many("wasp", 1, first=1))
    assert [one.dismissed for one in store.get([first, second])] == [None, None]


def test_dismiss__bad_mark(store: VectorStore, pictures: Pictures) -> None:
    """A mark is a text, and nothing is written where one is none."""
    store.add(pictures.many("wasp", 2))
    with pytest.raises(InvalidReference, match="its mark is empty; nothing was written"):
        store.dismiss({picture_id("wasp-0"): "bee .9", picture_id("wasp-1"): ""})
    assert store.get([picture_id("wasp-0")])[0].dismissed is None


# -- removing ---------------------------------------------------------------------------


def test_remove__by_ids(store: VectorStore, pictures: Pictures) -> None:
    """Named references are gone; absent ids do not count; doing it again removes nothing."""
    store.add(pictures.many("wasp", 3))
    ids = [picture_id("wasp-0"), picture_id("wasp-2"), picture_id("nobody"), "not-an-id"]

    assert store.remove(ids=ids) == 2
    assert store.remove(ids=ids) == 0
    assert store.existing([picture_id(f"wasp-{n}") for n in range(3)]) == {
        picture_id("wasp-1"): "wasp"
    }


def test_remove__by_filter(store: VectorStore, pictures: Pictures) -> None:
    """All that match are gone, however many, and their label is no longer counted."""
    store.add([*pictures.many("wasp", MORE_THAN_A_BATCH), *pictures.many("ant", 2)])

    assert store.remove(where=Where.equal("label", "wasp")) == MORE_THAN_A_BATCH
    assert store.counts() == {"ant": 2}


def test_remove__whole_class(store: VectorStore, pictures: Pictures) -> None:
    """A class whose last reference is removed is no class any longer, in counts and state."""
    store.add([*pictures.many("wasp", 2), *pictures.many("bee", 1)])

    store.remove(where=Where.equal("label", "wasp"))

    assert store.counts() == store.state().counts == {"bee": 1}


def test_remove__contradiction(store: VectorStore, pictures: Pictures) -> None:
    """A filter that nothing can match removes nothing."""
    store.add(pictures.many("wasp", 2))

    assert store.remove(where=Where.parse(["label=wasp", "label!=wasp"])) == 0
    assert store.count() == 2


def test_relabel_and_remove__nothing_selected(store: VectorStore, pictures: Pictures) -> None:
    """No ids and an empty filter select nothing, never everything."""
    store.add(pictures.many("wasp", 2))

    assert store.relabel("bee") == 0
    assert store.remove() == 0
    assert store.counts() == {"wasp": 2}


def test_relabel_and_remove__ids_and_filter(store: VectorStore, pictures: Pictures) -> None:
    """Ids together with a filter are refused: it is unclear what is meant."""
    store.add(pictures.many("wasp", 2))
    ids, where = [picture_id("wasp-0")], Where.equal("label", "wasp")

    with pytest.raises(UsageError, match="by ids or by a filter"):
        store.remove(ids=ids, where=where)
    with pytest.raises(UsageError, match="by ids or by a filter"):
        store.relabel("bee", ids=ids, where=where)

    assert store.counts() == {"wasp": 2}


# -- noticing change --------------------------------------------------------------------


def test_state__after_each_change(store: VectorStore, pictures: Pictures) -> None:
    """Every change gives another state; reading does not."""
    last = store.state()

    def noticed() -> bool:
        nonlocal last
        before, last = last, store.state()
        return last != before and last == store.state()

    store.add(pictures.many("wasp", 3))
    assert noticed()
    store.add(pictures.many("ant", 1))
    assert noticed()
    store.relabel("bee", ids=[picture_id("wasp-0")])
    assert noticed()
    store.relabel("wasp", ids=[picture_id("wasp-0")])
    assert noticed()
    store.remove(ids=[picture_id("ant-0")])
    assert noticed()
    store.add(pictures.many("ant", 1))
    assert noticed()
    store.remove(ids=[picture_id("wasp-0")])
    store.add(pictures.many("wasp", 1))
    assert noticed()


def test_state__says_what_is_there(store: VectorStore, pictures: Pictures) -> None:
    """A state has the counts, the total and the newest change."""
    store.add(pictures.many("wasp", 2))
    store.add(pictures.many("ant", 1))

    state = store.state()

    assert (dict(state.counts), state.total) == ({"wasp": 2, "ant": 1}, 3)
    assert state.last_change == store.get([picture_id("ant-0")])[0].changed_at


def test_changed_at__only_goes_up(store: VectorStore, pictures: Pictures) -> None:
    """Later changes have larger times, however quickly they follow each other."""
    times = []
    for n in range(20):
        store.add([pictures.embedded(f"p{n}", "wasp")])
        times.append(store.get([picture_id(f"p{n}")])[0].changed_at)

    assert times == sorted(set(times))


def test_count__changed_after(store: VectorStore, pictures: Pictures) -> None:
    """Only what changed after a state is counted, to the microsecond, also under a filter."""
    store.add(pictures.many("wasp", 3))
    then = store.state().last_change
    store.add(pictures.many("ant", 2))
    store.relabel("bee", ids=[picture_id("wasp-0")])

    assert store.count(changed_after=then) == 3
    assert store.count(changed_after=then, where=Where.equal("label", "ant")) == 2
    assert store.count(changed_after=store.state().last_change) == 0
    assert store.count(changed_after=0) == 5


# -- threads ----------------------------------------------------------------------------


def test_threads__use_one_store(store: VectorStore, pictures: Pictures) -> None:
    """Several threads may write and read one store at the same time."""
    labels = [f"label-{n}" for n in range(4)]

    def work(label: str) -> list[int]:
        sizes = []
        for first in range(0, 20, 5):
            items = pictures.many(label, 5, first=first)
            store.add(items)
            found = store.neighbours(items[0].vector[None], k=3, where=Where.equal("label", label))
            sizes.append(len(found[0]))
            store.state()
        return sizes

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(work, labels))

    assert answers == [[3] * 4] * 4
    assert store.counts() == dict.fromkeys(labels, 20)


def test_counts__changed_after(store: VectorStore, pictures: Pictures) -> None:
    """How many references of each label were added or changed since."""
    store.add([pictures.embedded("a", "ant"), pictures.embedded("b", "bee")])
    then = store.last_change()
    store.add([pictures.embedded("c", "ant"), pictures.embedded("d", "wasp")])
    store.relabel("wasp", where=Where.equal("label", "bee"))
    assert store.counts(changed_after=then) == {"wasp": 2, "ant": 1}
    assert store.counts(changed_after=store.last_change()) == {}
    assert store.counts() == {"ant": 2, "wasp": 2}
