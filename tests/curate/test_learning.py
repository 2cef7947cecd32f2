"""The learning curve of a gallery, against what is learned anew from fewer references."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from curate.learning import (
    SHARES,
    Nested,
    each_group_once,
    error_at,
    expected_error,
    layer_of,
    less,
    nested_errors,
    part_of_groups,
    shared_exponent,
)
from head.choice.cross_validation import prepare
from head.fit import statistics
from head.fit.lda import discriminants
from tests.head.conftest import Clouds

TRAINING = Clouds(dimension=8, spread=0.5).training_set({"ant": 12, "bee": 9, "wasp": 6})


def test_less__is_what_is_learned_without_them() -> None:
    """Means, covariance and counts are those of the references that are left."""
    vectors, codes = TRAINING.vectors, TRAINING.codes
    kept = np.random.default_rng(1).random(len(codes)) < 0.5
    kept[[0, 1, 12, 13, 21]] = True

    def learned(rows: np.ndarray) -> statistics.WithinClass:
        some, theirs = vectors[rows], codes[rows]
        moments = statistics.gather(some, theirs, np.zeros(len(some), int), n_classes=3)[0]
        within = statistics.within_class(moments, some, theirs)
        assert within is not None
        return within

    everything, anew = learned(np.ones(len(codes), bool)), learned(kept)
    found = less(everything, vectors[~kept], codes[~kept])
    np.testing.assert_allclose(found.means, anew.means, atol=1e-7)
    np.testing.assert_allclose(found.covariance, anew.covariance, atol=1e-7)
    np.testing.assert_array_equal(found.counts, anew.counts)
    assert found.shrinkage == everything.shrinkage


def test_layer_of__is_the_discriminant() -> None:
    """Solving gives the logits that the decomposition gives."""
    within = prepare(TRAINING).shrunk_at_least(0.5).folds[0].within
    assert within is not None
    np.testing.assert_allclose(
        layer_of(within).logits(TRAINING.vectors),
        discriminants(within).logits(TRAINING.vectors),
        atol=1e-6,
    )


def test_nested_errors__with_everything_are_those_of_the_folds() -> None:
    """Counted one reference at a time; a group of three counts once."""
    groups = np.maximum(TRAINING.groups - 2, 0)
    training = replace(TRAINING, groups=groups)
    found = nested_errors(training)
    search = prepare(training).shrunk_at_least(0.5)
    wrong, asked = np.zeros(3), np.zeros(3)
    for fold in search.folds:
        assert fold.within is not None
        layer = discriminants(fold.within)
        for row in np.flatnonzero(fold.scored):
            known = np.bincount(training.codes[fold.trained], minlength=3)
            rarer = np.log(np.bincount(training.codes) / known)
            answer = (layer.logits(search.vectors[row]) + rarer).argmax()
            weight = 1 / np.count_nonzero(groups == groups[row])
            wrong[training.codes[row]] += weight * (answer != training.codes[row])
            asked[training.codes[row]] += weight
    np.testing.assert_allclose(found.errors[:, 0], wrong)
    np.testing.assert_allclose(found.asked, asked)
    np.testing.assert_allclose(asked, [10, 9, 6])
    np.testing.assert_allclose(found.groups[:, 0], [8, 7.2, 4.8], atol=0.25)


def test_nested_errors__fewer_references_know_less() -> None:
    """Classes that overlap are missed more often where a half or a quarter of them is known."""
    training = Clouds(dimension=24, spread=0.6).training_set(dict.fromkeys("abcdefgh", 16))
    found = nested_errors(training)
    assert (np.diff(found.errors.sum(axis=0)) > 0).all()
    assert 0.1 < shared_exponent(found) < 3


def test_shared_exponent__is_the_one_that_made_the_errors() -> None:
    """Errors that follow the law give its exponent; errors that do not grow give none."""
    asked = np.array([20.0, 40.0, 12.0, 0.0])
    now = np.array([3.0, 8.0, 1.0, 0.0])
    share = expected_error(now, asked)
    groups = np.outer([16.0, 32.0, 10.0, 0.0], SHARES)
    more = [(error_at(share, 0.7, part) - share) * asked for part in SHARES]
    nested = Nested(groups, np.stack([now + some for some in more], axis=1), asked)
    assert abs(shared_exponent(nested) - 0.7) < 1e-6
    level = replace(nested, errors=np.repeat(now[:, None], 3, axis=1))
    assert shared_exponent(level) < 1e-6
    nobody = Nested(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros(2))
    assert shared_exponent(nobody) < 1e-6


def test_part_of_groups__takes_whole_groups_of_each_class() -> None:
    """Half of them, rounded up; every group of a class counts the same."""
    codes = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    groups = np.array([5, 5, 6, 7, 7, 8, 8, 5])
    for seed in range(8):
        kept = part_of_groups(codes, groups, share=0.5, rng=np.random.default_rng(seed))
        whole = {
            (c, g): set(kept[(codes == c) & (groups == g)])
            for c, g in zip(codes, groups, strict=True)
        }
        assert all(len(marks) == 1 for marks in whole.values())
        for c, n in ((0, 2), (1, 1)):
            assert len(np.unique(groups[(codes == c) & kept])) == n
    np.testing.assert_allclose(each_group_once(codes, groups), [0.5, 0.5, 1, 0.5, 0.5, 0.5, 0.5, 1])
