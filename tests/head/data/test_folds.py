"""Cross-validation folds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from head.data.folds import N_FOLDS, NEVER_SCORED, lasting_folds, stratified_folds


def test_folds__never_split_a_group() -> None:
    """All references of a group lie in one fold, whatever the groups are."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, 300)
    groups = rng.integers(0, 80, 300)
    folds = stratified_folds(codes, groups)
    for group in np.unique(groups):
        assert len(set(folds[groups == group])) == 1


def test_folds__stratify_each_class() -> None:
    """A class of single references is dealt out evenly: 23 over five folds is 5, 5, 5, 4, 4."""
    codes = np.repeat([0, 1, 2], [23, 10, 7])
    folds = stratified_folds(codes, np.arange(40))
    for code, expected in [(0, [4, 4, 5, 5, 5]), (1, [2, 2, 2, 2, 2]), (2, [1, 1, 1, 2, 2])]:
        assert sorted(np.bincount(folds[codes == code], minlength=5)) == expected


def test_folds__large_groups_are_balanced_by_single_references() -> None:
    """References of their own fill up the folds that large groups left light."""
    codes = np.zeros(12, dtype=np.int64)
    groups = np.array([0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8])
    folds = stratified_folds(codes, groups, n_folds=4)
    assert sorted(np.bincount(folds)) == [3, 3, 3, 3]


def test_folds__class_of_one_group_is_always_trained_never_scored() -> None:
    """A class with one reference, or with one group, has fold -1; a class of two is scored."""
    codes = np.array([0, 1, 1, 1, 2, 2])
    groups = np.array([0, 1, 1, 1, 2, 3])
    folds = stratified_folds(codes, groups)
    assert folds[:4].tolist() == [NEVER_SCORED] * 4
    assert folds[4] != folds[5]
    assert (folds[4:] >= 0).all()


def test_folds__small_classes_spread_over_all_folds() -> None:
    """Many classes of two do not pile up in the first two folds."""
    codes = np.repeat(np.arange(50), 2)
    folds = stratified_folds(codes, np.arange(100))
    assert np.bincount(folds, minlength=5).tolist() == [20] * 5


def test_folds__same_seed_same_folds() -> None:
    """The seed settles the folds; another seed gives others."""
    codes = np.repeat(np.arange(4), 25)
    groups = np.arange(100)
    first = stratified_folds(codes, groups, seed=7)
    assert (first == stratified_folds(codes, groups, seed=7)).all()
    assert (first != stratified_folds(codes, groups, seed=8)).any()


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 12)), min_size=1, max_size=60),
    st.integers(2, 6),
)
def test_folds__scored_class_is_always_trained_too(
    pairs: list[tuple[int, int]], n_folds: int
) -> None:
    """Whatever the groups, a group never splits and fold numbers are in range."""
    codes, groups = np.array(pairs).T
    folds = stratified_folds(codes, groups, n_folds=n_folds)
    assert folds.min() >= NEVER_SCORED
    assert folds.max() < n_folds
    for group in np.unique(groups):
        assert len(set(folds[groups == group])) == 1


def test_lasting_folds__stay_when_others_come_and_go() -> None:
    """No reference changes its fold because of others, in any order; divisions differ."""
    rng = np.random.default_rng(0)
    codes, marks = rng.integers(0, 5, 300), rng.integers(0, 2**48, 300)
    groups = np.arange(300)
    folds = lasting_folds(codes, groups, marks, division=0)
    some = rng.permutation(300)[:250]
    assert (lasting_folds(codes[some], groups[some], marks[some], division=0) == folds[some]).all()
    other = lasting_folds(codes, groups, marks, division=1)
    assert 0.1 < (folds == other).mean() < 0.3
    assert np.bincount(folds, minlength=N_FOLDS).min() > 40


def test_lasting_folds__never_split_a_group_and_train_every_class() -> None:
    """Groups stay whole; a class of two is in two folds; a class of one group is never scored."""
    rng = np.random.default_rng(1)
    codes = np.repeat(np.arange(40), 6)
    groups = np.repeat(np.arange(120), 2)
    codes[:6], groups[:6] = 0, 0
    marks = rng.integers(0, 2**48, 240)
    pairs = np.repeat(np.arange(1, 40), 6), np.repeat(np.arange(78), 3)
    for division in range(5):
        folds = lasting_folds(codes, groups, marks, division=division)
        assert (folds[:6] == NEVER_SCORED).all()
        assert (folds[6:] >= 0).all()
        assert all(len(set(folds[groups == group])) == 1 for group in np.unique(groups))
        of_two = lasting_folds(*pairs, marks[6:], division=division)
        assert all(len(set(of_two[pairs[0] == c])) == 2 for c in range(1, 40))
