"""Suspects, their cohorts and their evidence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from curate import suspects
from curate.out_of_fold import out_of_fold
from curate.suspects import doubts, find_suspects, look
from curate.view import GalleryView
from curate.work import WORK
from holotype.references import Codes
from tests.curate.views import classes, id_of, view_of

FLIPPED = {3: "class 1", 5: "class 1", 31: "class 2", 64: "class 0"}


def gallery(groups: list[str | None] | None = None) -> GalleryView:
    """Three classes of 30 references each, of which four carry a wrong label."""
    vectors, labels = classes(3, 30, spread=0.5)
    for row, label in FLIPPED.items():
        labels[row] = label
    return view_of(vectors, labels, groups)


def test_find_suspects__flips_in_cohorts() -> None:
    """Every flip and nothing else, the proposal right, most expected errors first."""
    view = gallery()
    found = look(view)
    wrong = {member.id: (member.label, member.proposed) for member in found.members}
    assert wrong == {id_of(row): (label, f"class {row // 30}") for row, label in FLIPPED.items()}
    first, *others = found.cohorts
    assert (first.label, first.proposed) == ("class 1", "class 0")
    assert {member.id for member in first.members} == {id_of(3), id_of(5)}
    assert first.expected == pytest.approx(sum(member.p_wrong for member in first.members))
    assert [len(cohort.members) for cohort in others] == [1, 1]
    assert all(member.p_proposed > member.p_given for member in found.members)
    assert (found.references, found.scored, found.looked_at) == (90, 90, 90)


def test_find_suspects__agree_with_the_doubts_row_by_row() -> None:
    """Who is above the bound, by the same probabilities, wherever the reference is scored."""
    view = gallery()
    outs = out_of_fold(view.training)
    some = replace(outs, rows=outs.rows[5:], probabilities=outs.probabilities[5:])
    expected = doubts(some.probabilities, view.training.codes[some.rows])
    found = {one.id: one for one in find_suspects(view, some, above=0.001).members}
    for at, row in enumerate(some.rows.tolist()):
        assert (id_of(row) in found) == (expected.p_wrong[at] >= 0.001)
        if id_of(row) in found:
            one = found[id_of(row)]
            assert one.p_wrong == pytest.approx(expected.p_wrong[at])
            assert one.p_given == some.probabilities[at, view.training.codes[row]]
    assert id_of(3) not in found


def test_find_suspects__evidence_is_the_nearest_of_both_classes() -> None:
    """By cosine, outside of the suspect's own group; compared one by one."""
    groups: list[str | None] = [None] * 90
    groups[3] = groups[40] = groups[41] = groups[7] = "a slide"
    view = gallery(groups)
    (one,) = [member for member in look(view).members if member.id == id_of(3)]
    cosine = view.training.vectors @ view.training.vectors[3]
    for label, ids in [("class 1", one.evidence.given), ("class 0", one.evidence.proposed)]:
        others = [
            row
            for row in np.argsort(-cosine).tolist()
            if view.labels[row] == label and groups[row] is None
        ]
        assert ids == [id_of(row) for row in others[:3]]


def test_mark__changes_with_the_evidence_alone() -> None:
    """The same evidence has the same mark; without the nearest of either class it has another."""
    view = gallery()
    (before,) = [member for member in look(view).members if member.id == id_of(31)]

    def without(id_: str) -> GalleryView:
        rows = np.flatnonzero(np.array(view.ids) != id_)
        return _rows(view, rows)

    far = [i for i in view.ids if i not in {*before.evidence.given, *before.evidence.proposed}]
    for gone, same in [
        (next(i for i in far if i != before.id and int(i[:8], 16) > 70), True),
        (before.evidence.given[0], False),
        (before.evidence.proposed[0], False),
    ]:
        (after,) = [one for one in look(without(gone)).members if one.id == before.id]
        assert (after.mark == before.mark) == same


def test_look__at_a_random_part_of_a_large_gallery(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole groups, as many as was said; another seed is another part."""
    groups = [f"g{row // 2}" for row in range(90)]
    view = gallery([*groups])
    monkeypatch.setattr(suspects, "LOOKED_AT", 60)
    found = look(view, above=0.0)
    assert (found.references, found.looked_at) == (90, 60)
    ids = {member.id for member in found.members}
    assert len(ids) == found.scored <= 60
    assert {id_of(int(i[:8], 16) ^ 1) for i in ids} == ids
    assert {member.id for member in look(view, above=0.0, seed=1).members} != ids


@pytest.mark.parametrize("each", [1, 5])
def test_look__where_nothing_can_be_doubted(each: int) -> None:
    """One class, or one reference a class: nothing is scored, and nothing fails."""
    vectors, labels = classes(1 if each > 1 else 4, each)
    found = look(view_of(vectors, labels))
    assert (found.cohorts, found.scored, found.error_rate) == ([], 0, None)


def test_look__at_copies_alone() -> None:
    """Nothing can be told of a gallery of one picture."""
    vectors, labels = classes(2, 4)
    found = look(view_of(np.repeat(vectors[:1], 8, axis=0), labels))
    assert found.cohorts == []


def test_work__is_what_a_service_gives() -> None:
    """JSON of what `look` finds, with what the page needs."""
    view = gallery()
    told = WORK["suspects"](view, {}, lambda _: None)
    assert told == look(view).to_dict()
    cohort = told["cohorts"][0]
    assert cohort["expected"] == pytest.approx(sum(one["p_wrong"] for one in cohort["members"]))
    assert set(cohort["members"][0]["evidence"]) == {"given", "proposed"}


def _rows(view: GalleryView, rows: Codes) -> GalleryView:
    return GalleryView(
        ids=[view.ids[row] for row in rows],
        groups=[view.groups[row] for row in rows],
        training=view.training.rows(rows),
    )
