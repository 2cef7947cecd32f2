"""Near-duplicates join one group."""

from __future__ import annotations

import numpy as np

from head.data.duplicates import join_near_duplicates
from tests.head.conftest import Clouds


def test_twins__join_one_group() -> None:
    """A second picture of the same specimen joins the first one's group; the others stay apart."""
    clouds = Clouds(32)
    vectors = clouds.of("ant", 10)
    twin = vectors[3] + 0.01 * vectors[4]
    vectors = np.vstack([vectors, twin / np.linalg.norm(twin)]).astype(np.float32)
    joined = join_near_duplicates(vectors, np.zeros(11, np.int64), np.arange(11))
    assert joined[10] == joined[3]
    assert len(set(joined)) == 10


def test_twins__joining_goes_through_whole_groups() -> None:
    """Groups that share a twin become one group."""
    vectors = Clouds(32).of("ant", 6)
    vectors[5] = vectors[0]
    groups = np.array([0, 0, 1, 2, 3, 3])
    joined = join_near_duplicates(vectors, np.zeros(6, np.int64), groups)
    assert joined[0] == joined[1] == joined[4] == joined[5]
    assert len(set(joined)) == 3


def test_twins__class_of_things_that_look_alike_stays_apart() -> None:
    """Where every pair of a class is above the threshold, that marks nobody as a twin."""
    vectors = Clouds(32, spread=0.02).of("cap", 20)
    assert (vectors @ vectors.T).min() > 0.95
    joined = join_near_duplicates(vectors, np.zeros(20, np.int64), np.arange(20))
    assert len(set(joined)) == 20


def test_twins__under_two_labels_are_left_alone() -> None:
    """The same vector in two classes is a conflict of labels, not a leak."""
    vectors = Clouds(32).of("ant", 10)
    vectors[9] = vectors[0]
    codes = np.repeat([0, 1], 5)
    assert len(set(join_near_duplicates(vectors, codes, np.arange(10)))) == 10
