"""The contract of every store: finding, filtering, listing, counting and exporting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from holotype.errors import InvalidReference, StoreMoved, UnknownFilterKey, UsageError
from holotype.references import EmbeddedReference, Reference, Where
from holotype.store.port import Page, VectorStore
from tests.references import Pictures, picture_id, random_unit

QUARTERS = {"east": (1, 0), "north-east": (1, 1), "north": (0, 1), "west": (-1, 0)}
"""Four directions in a plane, to be searched by hand."""


def _names(references: list[Reference]) -> list[str]:
    """The `<name>` of each `<label>/<name>.png`."""
    return [reference.source.split("/")[1].removesuffix(".png") for reference in references]


def _directions(pictures: Pictures) -> list[EmbeddedReference]:
    return [pictures.embedded(name, "way", vector=v) for name, v in QUARTERS.items()]


def _towards(pictures: Pictures, *vectors: tuple[float, ...]) -> np.ndarray:
    return np.stack([pictures.embedded("query", "?", vector=v).vector for v in vectors])


# -- neighbours -------------------------------------------------------------------------


def test_neighbours__nearest_first(store: VectorStore, pictures: Pictures) -> None:
    """Neighbours come by descending cosine, which is the similarity they report."""
    store.add(_directions(pictures))

    [found] = store.neighbours(_towards(pictures, (1, 0)), k=4)

    references = store.get([n.id for n in found])
    assert _names(references) == ["east", "north-east", "north", "west"]
    similarities = [n.similarity for n in found]
    np.testing.assert_allclose(similarities, [1, np.sqrt(0.5), 0, -1], atol=1e-6)
    assert all(-1 <= s <= 1 for s in similarities)


def test_neighbours__one_list_a_query(store: VectorStore, pictures: Pictures) -> None:
    """Any number of queries is answered in order, each on its own."""
    items = pictures.many("wasp", 70)
    store.add(items)

    found = store.neighbours(np.stack([i.vector for i in items]), k=1)

    assert [[n.id for n in one] for one in found] == [[i.reference.id] for i in items]
    assert store.neighbours(np.empty((0, pictures.dimension), np.float32), k=1) == []


def test_neighbours__agree_with_arithmetic(store: VectorStore, pictures: Pictures) -> None:
    """The search is exact: it finds what comparing with every reference finds."""
    items = pictures.many("wasp", 300)
    store.add(items)
    queries = np.stack([random_unit(f"query-{n}", pictures.dimension) for n in range(5)])

    found = store.neighbours(queries, k=10)

    similarities = queries @ np.stack([i.vector for i in items]).T
    order = np.argsort(-similarities, axis=1)[:, :10]
    assert [[n.id for n in one] for one in found] == [
        [items[i].reference.id for i in row] for row in order
    ]
    np.testing.assert_allclose(
        [[n.similarity for n in one] for one in found],
        np.take_along_axis(similarities, order, axis=1),
        atol=1e-5,
    )


def test_neighbours__k_beyond_gallery(store: VectorStore, pictures: Pictures) -> None:
    """A k larger than the gallery gives the whole gallery, an empty gallery gives nobody."""
    query = _towards(pictures, (1, 0))
    assert store.neighbours(query, k=5) == [[]]

    store.add(_directions(pictures))

    assert len(store.neighbours(query, k=1_000)[0]) == 4


def test_neighbours__with_vectors(store: VectorStore, pictures: Pictures) -> None:
    """Vectors come along only where they are asked for: float32, unit length."""
    [item, *_] = items = pictures.many("wasp", 3)
    store.add(items)

    [[without]] = store.neighbours(item.vector[None], k=1)
    [[found]] = store.neighbours(item.vector[None], k=1, with_vectors=True)

    assert without.vector is None
    assert found.vector is not None
    assert found.vector.dtype == np.float32
    np.testing.assert_allclose(found.vector, item.vector, atol=1e-6)


def test_neighbours__carry_what_a_vote_takes(store: VectorStore, pictures: Pictures) -> None:
    """A neighbour has the id and the label of today; `get` has the rest of the reference."""
    item = pictures.embedded("p", "wasp", group="g", meta={"site": "north"}, thumbnail=b"jpeg")
    store.add([item])
    store.relabel("hornet", ids=[item.reference.id])

    [[found]] = store.neighbours(item.vector[None], k=1)

    assert (found.id, found.label) == (item.reference.id, "hornet")
    [whole] = store.get([found.id])
    assert replace(whole, changed_at=0) == item.reference.with_label("hornet")


def test_neighbours__ties_by_id(store: VectorStore, pictures: Pictures) -> None:
    """Equally similar references come in id order, so that an answer can be repeated."""
    store.add([pictures.embedded(f"p{n}", "wasp", vector=(1, 0)) for n in range(6)])

    [found] = store.neighbours(_towards(pictures, (1, 0)), k=6)

    ids = [n.id for n in found]
    assert ids == sorted(ids)


def test_neighbours__filter_inside_the_search(store: VectorStore, pictures: Pictures) -> None:
    """The filter chooses among all references, not among the k nearest."""
    near = [pictures.embedded(f"near-{n}", "wasp", vector=(1, n / 100)) for n in range(30)]
    store.add([*near, pictures.embedded("far", "bee", vector=(-1, 0))])

    [found] = store.neighbours(_towards(pictures, (1, 0)), k=1, where=Where.equal("label", "bee"))

    assert _names(store.get([n.id for n in found])) == ["far"]


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.zeros((2, 3), np.float32), r"queries must be \(Q, 16\).*not \(2, 3\)"),
        (np.zeros(16, np.float32), r"not \(16,\)"),
        (np.full((1, 16), np.nan, np.float32), "not finite"),
    ],
)
def test_neighbours__malformed_query(store: VectorStore, vectors: np.ndarray, message: str) -> None:
    """A query that cannot be compared is refused, with the shape that would do."""
    with pytest.raises(InvalidReference, match=message):
        store.neighbours(vectors, k=1)


def test_neighbours__no_k(store: VectorStore, pictures: Pictures) -> None:
    """Asking for no neighbours is a mistake."""
    with pytest.raises(UsageError, match="k must be at least 1, not 0"):
        store.neighbours(_towards(pictures, (1, 0)), k=0)


# -- filters ----------------------------------------------------------------------------


@pytest.fixture
def filtered(store: VectorStore, pictures: Pictures) -> VectorStore:
    """Four references: a and b have a group, c has no metadata, d has more than others."""
    store.add(
        [
            pictures.embedded("a", "x", group="g1", meta={"site": "north"}),
            pictures.embedded("b", "y", group="g2", meta={"site": "south"}),
            pictures.embedded("c", "y", source="https://example.org/c.png"),
            pictures.embedded("d", "z", meta={"site": "north", "rig-2": "1"}, source="z/d.png"),
        ]
    )
    return store


@pytest.mark.parametrize(
    ("expressions", "expected"),
    [
        ([], "abcd"),
        (["label=y"], "bc"),
        (["label=x", "label=y"], "abc"),
        (["label=nobody"], ""),
        (["label!=y"], "ad"),
        (["label!=x", "label!=y"], "d"),
        (["label!=nobody"], "abcd"),
        (["label=y", "label!=y"], ""),
        (["group=g1"], "a"),
        (["group!=g1"], "bcd"),
        (["source=https://example.org/c.png"], "c"),
        (["site=north"], "ad"),
        (["meta.site=north", "meta.site=south"], "abd"),
        (["site!=north"], "bc"),
        (["label=y", "site=south"], "b"),
        (["label=y", "site!=south"], "c"),
        (["rig-2=1"], "d"),
        (["rig-2!=1"], "abc"),
        (["site=north", "rig-2!=1", "group=g1"], "a"),
    ],
)
def test_where__selects(
    filtered: VectorStore, pictures: Pictures, expressions: list[str], expected: str
) -> None:
    """Any-of, none-of and missing keys select the same references in every operation."""
    where = Where.parse(expressions)
    ids = sorted(picture_id(name) for name in expected)

    [found] = filtered.neighbours(_towards(pictures, (1, 0)), k=10, where=where)
    assert sorted(n.id for n in found) == ids
    assert [r.id for r in filtered.list_references(where=where).references] == ids
    assert [i for batch in filtered.export(where=where) for i in batch.ids] == ids
    assert filtered.count(where=where) == len(ids)
    assert sum(filtered.counts(where=where).values()) == len(ids)


Operation = Callable[[VectorStore, Where], object]
OPERATIONS: dict[str, Operation] = {
    "neighbours": lambda s, w: s.neighbours(np.ones((1, 16), np.float32), k=1, where=w),
    "export": lambda s, w: s.export(where=w),
    "list_references": lambda s, w: s.list_references(where=w),
    "counts": lambda s, w: s.counts(where=w),
    "count": lambda s, w: s.count(where=w),
    "relabel": lambda s, w: s.relabel("q", where=w),
    "remove": lambda s, w: s.remove(where=w),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_where__unknown_key(filtered: VectorStore, name: str) -> None:
    """A key that no reference carries is refused, with those that exist, and changes nothing."""
    before = filtered.state()

    with pytest.raises(UnknownFilterKey) as refused:
        OPERATIONS[name](filtered, Where.parse(["label=x", "sight=north"]))

    assert str(refused.value) == (
        "unknown filter key 'sight': this gallery can be filtered by "
        "group, label, rig-2, site, source"
    )
    assert filtered.state() == before


def test_filter_keys__grow(store: VectorStore, pictures: Pictures) -> None:
    """A metadata key can be filtered by from the first reference that has one."""
    assert store.filter_keys() == ["group", "label", "source"]

    store.add([pictures.embedded("a", "x")])
    store.add([pictures.embedded("b", "x", meta={"site": "north"})])

    assert store.filter_keys() == ["group", "label", "meta.site", "source"]
    assert store.count(where=Where.parse(["site=north"])) == 1


def test_filter_keys__built_in_without_values(store: VectorStore) -> None:
    """The built-in keys can be filtered by before any reference carries them."""
    for key in ("label", "group", "source"):
        assert store.count(where=Where.equal(key, "x")) == 0


# -- listing ----------------------------------------------------------------------------


def test_list_references__pages(store: VectorStore, pictures: Pictures) -> None:
    """Pages in id order hold every reference once, and the last says that it is."""
    items = pictures.many("wasp", 10)
    store.add(items)
    pages = [store.list_references(limit=4)]
    while pages[-1].next_after is not None:
        pages.append(store.list_references(limit=4, after=pages[-1].next_after))

    assert [len(page.references) for page in pages] == [4, 4, 2]
    ids = [r.id for page in pages for r in page.references]
    assert ids == sorted(i.reference.id for i in items)
    assert [r for page in pages for r in page.references] == store.get(ids)


@pytest.mark.parametrize("limit", [2, 4, 100])
def test_list_references__full_last_page(
    store: VectorStore, pictures: Pictures, limit: int
) -> None:
    """Where the last page is exactly full, no empty page follows."""
    store.add(pictures.many("wasp", 4))
    page = store.list_references(limit=limit)
    if limit == 2:
        page = store.list_references(limit=limit, after=page.next_after)

    assert len(page.references) == min(limit, 4)
    assert page.next_after is None


def test_list_references__anchor_removed(store: VectorStore, pictures: Pictures) -> None:
    """A listing goes on at the same place when the reference it stopped at is removed."""
    store.add(pictures.many("wasp", 6))
    whole = [r.id for r in store.list_references().references]
    first = store.list_references(limit=3)
    store.remove(ids=[whole[2]])

    rest = store.list_references(limit=3, after=first.next_after)

    assert [r.id for r in rest.references] == whole[3:]


def test_list_references__filtered_pages(store: VectorStore, pictures: Pictures) -> None:
    """Pages of a filtered listing are full, however rare the matches are."""
    store.add([*pictures.many("wasp", 40), *pictures.many("bee", 5)])
    where = Where.equal("label", "bee")

    first = store.list_references(where=where, limit=3)
    rest = store.list_references(where=where, limit=3, after=first.next_after)

    assert (len(first.references), len(rest.references)) == (3, 2)
    assert {r.label for r in [*first.references, *rest.references]} == {"bee"}


def test_list_references__empty(store: VectorStore) -> None:
    """An empty gallery is one empty page."""
    assert store.list_references() == Page([], None)


# -- counting ---------------------------------------------------------------------------


def test_counts__order(store: VectorStore, pictures: Pictures) -> None:
    """Counts are exact, the largest first, equal ones by name."""
    for label, n in {"bee": 2, "ant": 2, "wasp": 5, "fly": 1}.items():
        store.add(pictures.many(label, n))

    assert list(store.counts().items()) == [("wasp", 5), ("ant", 2), ("bee", 2), ("fly", 1)]


def test_counts__other_keys(filtered: VectorStore) -> None:
    """Any indexed key can be counted by; references that lack it are left out."""
    assert filtered.counts("group") == {"g1": 1, "g2": 1}
    assert filtered.counts("meta.site") == {"north": 2, "south": 1}
    assert filtered.counts("meta.site", where=Where.equal("label", "z")) == {"north": 1}


def test_counts__unknown_key(filtered: VectorStore) -> None:
    """Counting by a key without an index is refused."""
    with pytest.raises(UnknownFilterKey, match="unknown filter key 'sha256'"):
        filtered.counts("sha256")


def test_counts__many_values(store: VectorStore, pictures: Pictures) -> None:
    """Every label is counted, however many there are."""
    store.add([pictures.embedded(f"p{n}", f"label {n % 250:03}") for n in range(300)])

    counts = store.counts()

    assert len(counts) == 250
    assert list(counts.values()) == [2] * 50 + [1] * 200


def test_counts__label_gone(store: VectorStore, pictures: Pictures) -> None:
    """A label that no reference carries any longer is not counted."""
    store.add([*pictures.many("wasp", 2), *pictures.many("bee", 1)])

    store.relabel("bee", where=Where.equal("label", "wasp"))

    assert store.counts() == {"bee": 3}


# -- exporting --------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 4, 5, 10, 4096])
def test_export__everything_once(store: VectorStore, pictures: Pictures, batch_size: int) -> None:
    """Batches of any size hold every reference once, in id order, row by row."""
    items = [pictures.embedded(f"p{n}", f"l{n % 3}", group=f"g{n}" if n % 2 else None)
             for n in range(10)]  # fmt: skip
    store.add(items)

    batches = list(store.export(batch_size=batch_size))

    assert all(len(b) == batch_size for b in batches[:-1])
    rows = [
        (i, label, group)
        for b in batches
        for i, label, group in zip(b.ids, b.labels, b.groups, strict=True)
    ]
    expected = sorted((i.reference.id, i.reference.label, i.reference.group) for i in items)
    assert rows == expected
    vectors = np.concatenate([b.vectors for b in batches])
    assert vectors.dtype == np.float32
    by_id = {i.reference.id: i.vector for i in items}
    np.testing.assert_allclose(vectors, [by_id[i] for i, _, _ in rows], atol=1e-6)


def test_export__same_numbers_every_time(store: VectorStore, pictures: Pictures) -> None:
    """Two exports give the same bits, which are also those that neighbours bring."""
    store.add(pictures.many("wasp", 50))

    [first], [second] = store.export(), store.export()

    assert first.ids == second.ids
    assert (first.vectors == second.vectors).all()
    [[nearest]] = store.neighbours(first.vectors[:1], k=1, with_vectors=True)
    assert nearest.vector is not None
    assert (nearest.vector == first.vectors[0]).all()


def test_export__empty(store: VectorStore) -> None:
    """An empty gallery exports nothing."""
    assert list(store.export()) == []


@pytest.mark.parametrize("change", ["add", "remove"])
def test_export__gallery_moved(store: VectorStore, pictures: Pictures, change: str) -> None:
    """A gallery that changes during an export makes it fail at the end."""
    store.add(pictures.many("wasp", 10))
    batches = store.export(batch_size=4)
    next(batches)

    if change == "add":
        store.add(pictures.many("bee", 1))
    else:
        store.remove(ids=[picture_id("wasp-3")])

    with pytest.raises(StoreMoved, match="references changed while they were exported"):
        list(batches)


def test_export__ids_ascend(store: VectorStore, pictures: Pictures) -> None:
    """Ids go up over the whole export, so that an export can be compared with another."""
    store.add(pictures.many("wasp", 100))

    ids = [i for batch in store.export(batch_size=7) for i in batch.ids]

    assert all(a < b for a, b in pairwise(ids))
