"""What models say of references that they never saw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from curate.out_of_fold import out_of_fold
from tests.head.conftest import Clouds

CLOUDS = Clouds(dimension=24, spread=0.25)


def test_out_of_fold__knows_nothing_of_the_reference_itself() -> None:
    """A copy of a cloud under another label is given away by none of its own labels."""
    training = CLOUDS.training_set({"ant": 30, "bee": 30, "wasp": 30})
    flipped = training.codes.copy()
    flipped[[3, 40]] = [1, 2]
    outs = out_of_fold(replace(training, codes=flipped))
    np.testing.assert_array_equal(outs.rows, np.arange(90))
    np.testing.assert_allclose(outs.probabilities.sum(axis=1), 1, rtol=1e-5)
    answers = outs.probabilities.argmax(axis=1)
    assert (answers == training.codes).mean() > 0.95
    assert answers[[3, 40]].tolist() == [0, 1]


def test_out_of_fold__holds_groups_out_whole() -> None:
    """A group of pictures that are like no other of their class is not recognised by itself."""
    training = CLOUDS.training_set({"ant": 30, "bee": 30})
    strange = Clouds(dimension=24, spread=0.15, seed=9).of("strange", 5)
    vectors = np.concatenate([strange, training.vectors[5:]])
    alone = out_of_fold(replace(training, vectors=vectors))
    together = out_of_fold(
        replace(training, vectors=vectors, groups=np.maximum(training.groups - 4, 0))
    )
    assert alone.probabilities[:5, 0].mean() > together.probabilities[:5, 0].mean() + 0.1


def test_out_of_fold__holds_twins_out_together() -> None:
    """Near-duplicates of one class count as a group, though nobody said so."""
    training = CLOUDS.training_set({"ant": 30, "bee": 30})
    twin = Clouds(dimension=24, seed=9).of("strange", 1)
    vectors = np.concatenate([np.repeat(twin, 5, axis=0), training.vectors[5:]])
    grouped = np.maximum(training.groups - 4, 0)
    np.testing.assert_array_equal(
        out_of_fold(replace(training, vectors=vectors)).probabilities,
        out_of_fold(replace(training, vectors=vectors, groups=grouped)).probabilities,
    )


@pytest.mark.parametrize("sizes", [{"ant": 5}, {"ant": 1, "bee": 1}, {"ant": 2, "bee": 1}])
def test_out_of_fold__where_little_can_be_scored(sizes: dict[str, int]) -> None:
    """One class, or one reference a class: no rows, and no error."""
    assert not len(out_of_fold(CLOUDS.training_set(sizes)).rows)


def test_out_of_fold__leaves_out_classes_of_one_group() -> None:
    """The others are scored, and may be answered as it."""
    training = CLOUDS.training_set({"ant": 8, "bee": 8, "wasp": 1})
    outs = out_of_fold(training)
    assert outs.rows.tolist() == list(range(16))
    assert outs.probabilities.shape == (16, 3)


def test_out_of_fold__of_copies_alone() -> None:
    """Classes of one picture each, many times over: there is nothing to learn from."""
    training = CLOUDS.training_set({"ant": 4, "bee": 4})
    copies = np.repeat(training.vectors[[0, 4]], 4, axis=0)
    assert not len(out_of_fold(replace(training, vectors=copies)).rows)
