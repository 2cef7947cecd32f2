"""What to label next, why, and what it is expected to change."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from curate.expected_change import expected_change
from curate.labelling import Why, label_next
from curate.opinion import Opinion
from tests.curate.views import classes, unit_rows, view_of


def test_label_next__of_no_gallery() -> None:
    """Those that stand for most come first; there is nothing to suggest or to foretell."""
    vectors, _ = classes(4, 10)
    found = label_next(vectors, view_of(vectors[:0], []), batch=4)
    assert len({pick.row // 10 for pick in found.picks}) == 4
    assert {pick.why for pick in found.picks} == {Why.NEW}
    assert {pick.label for pick in found.picks} == {None}
    assert found.picks[0].reason == f"covers {found.picks[0].covers} pictures"
    assert (found.change, found.trust) == (None, 0.0)


def test_label_next__of_one_class() -> None:
    """Its label is the suggestion, without a probability; others come first."""
    vectors, labels = classes(3, 10, spread=0.3)
    found = label_next(vectors[5:], view_of(vectors[:5], labels[:5]), batch=2)
    assert sorted((pick.row + 5) // 10 for pick in found.picks) == [1, 2]
    assert {(pick.label, pick.probability) for pick in found.picks} == {("class 0", None)}
    assert all(pick.reason.endswith("like none in the gallery") for pick in found.picks)
    assert found.change is None


def test_label_next__one_reference_a_class() -> None:
    """They tell nothing of how a class varies: coverage decides, the nearest is suggested."""
    vectors, labels = classes(3, 10, spread=0.3)
    first = np.arange(0, 30, 10)
    rest = np.setdiff1d(np.arange(30), first)
    view = view_of(vectors[first], [labels[row] for row in first])
    found = label_next(vectors[rest], view, batch=30)
    right = [pick.label == labels[rest[pick.row]] for pick in found.picks]
    assert all(right)
    assert found.change is None


def test_label_next__doubt_comes_first_where_the_gallery_is_good() -> None:
    """Between two classes, with both names and probabilities as the reason."""
    vectors, labels = classes(3, 30, spread=0.3, seed=1)
    between = unit_rows(vectors[:6] + vectors[30:36])
    sure = np.concatenate([vectors[20:30], vectors[50:60], vectors[80:90]])
    kept = np.r_[0:20, 30:50, 60:80]
    view = view_of(vectors[kept], [labels[row] for row in kept])
    found = label_next(np.concatenate([sure, between]), view, batch=3)
    assert found.trust > 0.9
    assert min(pick.row for pick in found.picks) >= len(sure)
    for pick in found.picks:
        assert {pick.label, pick.second} == {"class 0", "class 1"}
        p, q = pick.probability, pick.second_probability
        assert p is not None
        assert q is not None
        assert p >= q
        assert pick.reason.endswith(f"between {pick.label} and {pick.second}: {p:.2f} / {q:.2f}")


def test_label_next__a_class_of_few_references_gets_more() -> None:
    """Two classes as alike as two others, one with a tenth of the references."""
    vectors, labels = classes(2, 60, spread=0.8, seed=2)
    few = np.r_[0:40, 60:64]
    rest = np.setdiff1d(np.arange(120), few)
    picks = label_next(vectors[rest], view_of(vectors[few], [labels[r] for r in few])).picks
    of_few = [labels[rest[pick.row]] == "class 1" for pick in picks[:12]]
    assert np.mean(of_few) > 0.75 > np.mean([labels[row] == "class 1" for row in rest]) - 0.1


def test_label_next__nothing_and_the_same() -> None:
    """No picture, no batch; the same pictures give the same batch."""
    vectors, labels = classes(3, 20)
    view = view_of(vectors[:40], labels[:40])
    assert label_next(vectors[:0], view).picks == []
    assert label_next(vectors[40:], view) == label_next(vectors[40:], view)


def test_opinion__of_what_cannot_tell() -> None:
    """No class, one class, one reference a class, all the same: it says nothing."""
    vectors, labels = classes(3, 4)
    assert Opinion.of(view_of(vectors[:0], []).training) is None
    assert Opinion.of(view_of(vectors[:4], labels[:4]).training) is None
    assert Opinion.of(view_of(vectors[::4], labels[::4]).training) is None
    same = np.repeat(vectors[:1], 12, axis=0)
    assert Opinion.of(view_of(same, labels).training) is None


def test_opinion__a_label_without_references_is_never_answered() -> None:
    """Fitted to a part of the gallery, it knows what is there."""
    vectors, labels = classes(3, 8)
    training = view_of(vectors, labels).training
    opinion = Opinion.of(training)
    assert opinion is not None
    assert (opinion.answers(vectors) == training.codes).mean() > 0.9
    part = opinion.learned_from(training.rows(np.arange(16)))
    assert part is not None
    assert set(part.answers(vectors).tolist()) == {0, 1}
    np.testing.assert_allclose(part.probabilities(vectors).sum(axis=1), 1)


def test_expected_change__falls_as_the_gallery_grows() -> None:
    """Ever less is left to change; the range holds what is said."""
    vectors, labels = classes(6, 60, spread=1.6)
    order = np.random.default_rng(0).permutation(360)
    shares = []
    for size in (24, 80, 240):
        rows, rest = order[:size], order[size:]
        training = view_of(vectors[rows], [labels[row] for row in rows]).training
        opinion = Opinion.of(training)
        assert opinion is not None
        said = expected_change(vectors[rest], training, opinion, pictures=len(rest), labels=20)
        assert said is not None
        assert said.low <= said.share <= said.high <= 1
        shares.append(said.share)
    assert all(more > less for more, less in pairwise(shares))
    assert str(said).startswith("the next 20 labels are expected to change ")


def test_expected_change__none_seen_is_not_none_to_come() -> None:
    """Classes far apart: nothing changes, and the range still leaves room for one answer."""
    vectors, labels = classes(2, 20, spread=0.1)
    training = view_of(vectors[::2], labels[::2]).training
    opinion = Opinion.of(training)
    assert opinion is not None
    said = expected_change(vectors[1::2], training, opinion, pictures=20, labels=5)
    assert said is not None
    assert said.share == 0
    assert 0 < said.high < 0.05
