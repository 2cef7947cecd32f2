"""Sets of duplicates: what joins, what is told of them, and what is suggested."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from curate import duplicates
from curate.duplicates import Duplicates, across, described, find_duplicates, work
from curate.joining import CHAIN
from curate.view import GalleryView
from holotype.references import Reference
from tests.curate.views import classes, id_of, twin_of, unit_rows, view_of


def sets_of(found: Duplicates) -> list[list[str]]:
    """Ids, whatever their order."""
    return sorted(sorted(one.ids) for one in found.sets)


@pytest.fixture
def planted() -> GalleryView:
    """60 references; 60 is a copy of 0, 61 nearly 20, 62 nearly 40 under another label."""
    vectors, labels = classes(3, 20)
    more = [vectors[:1], *(twin_of(vectors, row, distance=0.02) for row in (20, 40))]
    groups = [f"g{row}" for row in range(60)]
    return view_of(
        np.concatenate([vectors, *more]),
        [*labels, labels[0], labels[20], labels[0]],
        [*groups, "g0", "g20", "g7"],
    )


def test_find_duplicates__kinds_conflicts_and_leaks(planted: GalleryView) -> None:
    """Conflicts first; copies are exact; twins in one group leak nothing; each is suggested for."""
    found = find_duplicates(planted)
    conflict, exact, near = found.sets
    assert (conflict.ids, conflict.conflict, conflict.leak) == ([id_of(40), id_of(62)], True, True)
    assert conflict.suggestion == "resolve labels: look at them"
    assert (exact.ids, exact.kind, exact.leak) == ([id_of(0), id_of(60)], "exact", False)
    assert exact.members[1].copy_of == id_of(0)
    assert (near.ids, near.kind) == ([id_of(20), id_of(61)], "near")
    assert near.members[1].similarity == pytest.approx(0.98, abs=1e-3)
    assert near.suggestion == "none: they are in one group"
    assert found.compared == found.references == 63


def test_find_duplicates__between(planted: GalleryView) -> None:
    """Only sets whose values differ; who has no value differs from nobody."""
    split: list[str | None] = ["train"] * 60
    found = find_duplicates(planted, between=[*split, "val", None, "train"])
    assert sets_of(found) == [[id_of(0), id_of(60)]]
    assert found.sets[0].leak
    assert across(found, {id_of(0): "train"}).sets == ()


def test_find_duplicates__threshold_given(planted: GalleryView) -> None:
    """It holds for all classes; at 1 there are copies alone, which rounding does not hide."""
    found = find_duplicates(planted, threshold=1)
    assert sets_of(found) == [[id_of(0), id_of(60)]]
    vectors = planted.training.vectors
    n = len(find_duplicates(planted, threshold=0.8).sets)
    products = np.triu(vectors @ vectors.T, 1)
    assert 3 < n <= np.count_nonzero(products > 0.8)


def test_find_duplicates__groups_only_some_have() -> None:
    """A group and a reference without one leak; where nobody has a group nothing does."""
    vectors = unit_rows([[1, 0, 0], [1, 0, 0], [0, 1, 0]])
    assert find_duplicates(view_of(vectors, "aab", ["g", None, None])).sets[0].leak
    assert not find_duplicates(view_of(vectors, "aab")).sets[0].leak


def test_suggestion__most_say_so() -> None:
    """Two against one is told as a question."""
    vectors = unit_rows([[1, 0], [1, 0], [1, 0.001]])
    (found,) = find_duplicates(view_of(vectors, "aba"), threshold=0.9).sets
    assert found.suggestion == "resolve labels: a?"


def test_join__through_a_chain() -> None:
    """Three depths of focus are one set, though the first and the last are no pair."""
    d = 0.04
    middle = np.eye(3)[0]
    ends = [(1 - d) * middle + np.sqrt(1 - (1 - d) ** 2) * np.eye(3)[axis] for axis in (1, 2)]
    vectors = unit_rows([ends[0], middle, ends[1]])
    assert vectors[0] @ vectors[2] < 0.95 < vectors[0] @ vectors[1]
    (found,) = find_duplicates(view_of(vectors, "aaa"), threshold=0.95).sets
    assert found.ids == [id_of(0), id_of(1), id_of(2)]


def test_join__no_chain_of_look_alikes() -> None:
    """Thirty on an arc, each a pair with the next: sets of a few, which hold together."""
    angles = np.radians(5) * np.arange(30)
    vectors = unit_rows(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    limit = float(np.cos(np.radians(5.1)))
    found = find_duplicates(view_of(vectors, "a" * 30), threshold=limit)
    rows = [[int(id_[:8], 16) for id_ in one.ids] for one in found.sets]
    assert rows
    for some in rows:
        assert len(some) <= 3
        mean = (vectors[some] @ vectors[some].T)[np.triu_indices(len(some), 1)].mean()
        assert mean >= 1 - CHAIN * (1 - limit)
    assert len({row for some in rows for row in some}) == sum(map(len, rows))


def test_find_duplicates__all_the_same() -> None:
    """One set of all, the rest copies of the first."""
    found = find_duplicates(view_of(unit_rows(np.ones((300, 4))), ["a"] * 300))
    assert [(one.kind, len(one.members)) for one in found.sets] == [("exact", 300)]
    assert {member.copy_of for member in found.sets[0].members[1:]} == {id_of(0)}


def test_find_duplicates__one_reference() -> None:
    """Nothing, and no failure."""
    found = find_duplicates(view_of(unit_rows([[1, 2]]), "a"))
    assert (found.sets, found.references) == ((), 1)


def test_find_duplicates__of_too_many_looks_at_some(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first are compared with all, and how many is told."""
    monkeypatch.setattr(duplicates, "COMPARED", 400)
    vectors, labels = classes(2, 20)
    twins = np.concatenate([vectors, vectors[3:4], vectors[30:31]])
    found = find_duplicates(view_of(twins, [*labels, labels[3], labels[30]]))
    assert (found.compared, found.references) == (9, 42)
    assert sets_of(found) == [[id_of(3), id_of(40)]]


def known(view: GalleryView) -> dict[str, Reference]:
    """Everything of each, as a store has it."""
    return {
        id_: Reference(id_, label, "0" * 64, "a.jpg", 100, 50, "2026-11-01T12:00:00+00:00")
        for id_, label in zip(view.ids, view.labels, strict=True)
    }


def test_described__the_largest_then_the_oldest_is_first(planted: GalleryView) -> None:
    """And the copies are copies of it."""
    references, found = known(planted), find_duplicates(planted)
    references[id_of(60)] = replace(references[id_of(60)], added_at="2026-10-01T12:00:00+00:00")
    references[id_of(61)] = replace(references[id_of(61)], width=200)
    by_first = {one.ids[0]: one for one in described(found, references, {}).sets}
    assert set(by_first) == {id_of(60), id_of(61), id_of(40)}
    assert by_first[id_of(60)].members[1].copy_of == id_of(60)
    assert by_first[id_of(60)].members[0].copy_of is None


@pytest.mark.parametrize("differs", ["thumbnail", "size"])
def test_described__copies_have_one_size_and_thumbnail(planted: GalleryView, differs: str) -> None:
    """Vectors that are one do not make two pictures the same."""
    references, found = known(planted), find_duplicates(planted)
    copies = [id_of(0), id_of(60)]
    thumbnails = dict.fromkeys(copies, b"picture")
    same = described(found, references, thumbnails)
    assert [one.kind for one in same.sets if one.ids == copies] == ["exact"]
    if differs == "thumbnail":
        thumbnails[id_of(60)] = b"other"
    else:
        references[id_of(60)] = replace(references[id_of(60)], height=49)
    other = described(found, references, thumbnails)
    assert [one.kind for one in other.sets if one.ids == copies] == ["near"]


def test_described__what_is_gone_leaves(planted: GalleryView) -> None:
    """A member that was removed or relabelled meanwhile, and the set that it leaves alone."""
    references, found = known(planted), find_duplicates(planted)
    del references[id_of(60)]
    references[id_of(61)] = replace(references[id_of(61)], label="else")
    assert sets_of(described(found, references, {})) == [[id_of(40), id_of(62)]]


def test_mark__is_that_of_the_members(planted: GalleryView) -> None:
    """Not of their order, nor of what else there is."""
    found = find_duplicates(planted)
    references = known(planted)
    references[id_of(60)] = replace(references[id_of(60)], width=200)
    marks = {one.mark for one in found.sets}
    assert {one.mark for one in described(found, references, {}).sets} == marks
    assert len(marks) == 3


def test_work__tells_how_far_it_is(planted: GalleryView) -> None:
    """As a page has it."""
    heard: list[float] = []
    found = work(planted, {"threshold": 0.999}, lambda standing: heard.append(standing.share))
    assert [one["ids"] for one in found["sets"]] == [[id_of(0), id_of(60)]]
    assert heard[-1] == 1
