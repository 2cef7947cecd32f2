"""Coverage, against the same thing written out."""

from __future__ import annotations

import numpy as np
import pytest

from curate.coverage import NEIGHBOUR, SCALE, Coverage
from holotype.references import Codes, Vectors
from tests.curate.views import classes, twin_of, unit_rows


def by_hand(vectors: Vectors, references: Vectors, worth: Vectors, n: int) -> list[int]:
    """The picture that adds most, again and again, every sum written out."""
    everything = np.concatenate([vectors, references]).astype(float)
    placed = everything - everything.mean(axis=0)
    placed /= np.linalg.norm(placed, axis=1, keepdims=True)
    squared = ((placed[:, None] - placed[None]) ** 2).sum(axis=2)
    u = len(vectors)
    scale = SCALE * np.median(np.sort(squared[:u], axis=1)[:, NEIGHBOUR])
    kernel = np.exp(-squared / scale)
    covered = kernel[:u, u:].max(axis=1, initial=0)
    chosen: list[int] = []
    while len(chosen) < n:
        gains = [
            -1.0 if j in chosen else (worth * np.maximum(kernel[:u, j] - covered, 0)).sum()
            for j in range(u)
        ]
        chosen.append(int(np.argmax(gains)))
        covered = np.maximum(covered, kernel[:u, chosen[-1]])
    return chosen


@pytest.mark.parametrize("references", [0, 12])
def test_choose__is_the_greedy_choice(references: int) -> None:
    """Looking at few candidates again finds what looking at all of them finds."""
    vectors, _ = classes(6, 12, spread=1.0)
    rng = np.random.default_rng(3)
    vectors = vectors[rng.permutation(len(vectors))]
    worth = rng.uniform(0.2, 2.0, len(vectors) - references).astype(np.float32)
    coverage = Coverage(vectors[references:], vectors[:references])
    chosen = [one.row for one in coverage.choose(worth.astype(float), 15)]
    assert chosen == by_hand(vectors[references:], vectors[:references], worth, 15)


def test_choose__one_of_each_cluster_first() -> None:
    """Four heaps of very different size: the first four pictures are one of each."""
    rng = np.random.default_rng(0)
    heap: Codes = np.repeat(np.arange(4), [40, 20, 10, 6])
    vectors = unit_rows(np.eye(4, 16)[heap] + rng.normal(size=(len(heap), 16)) * 0.08)
    coverage = Coverage(vectors, vectors[:0])
    chosen = list(coverage.choose(np.ones(len(heap)), 4))
    assert [int(heap[one.row]) for one in chosen] == [0, 1, 2, 3]
    assert [one.covers for one in chosen][2:] == [10, 6], "the small heaps, whole"


def test_choose__what_references_cover_waits() -> None:
    """A heap with a reference comes after one without, though it is larger."""
    rng = np.random.default_rng(0)
    heap: Codes = np.repeat(np.arange(2), [40, 10])
    vectors = unit_rows(np.eye(2, 16)[heap] + rng.normal(size=(len(heap), 16)) * 0.08)
    coverage = Coverage(vectors, unit_rows([np.eye(2, 16)[0]]))
    (first,) = coverage.choose(np.ones(len(heap)), 1)
    assert heap[first.row] == 1
    assert coverage.by_references[:40].mean() > coverage.by_references[40:].mean()


def test_choose__no_two_near_duplicates() -> None:
    """Of a picture and its twins one is proposed; all the same is one picture."""
    vectors, _ = classes(5, 2, spread=1.0)
    twins = [twin_of(vectors, row, distance=0.001) for row in range(5)]
    everything = np.concatenate([vectors, *twins])
    chosen = [one.row for one in Coverage(everything, vectors[:0]).choose(np.ones(15), 15)]
    assert len(chosen) == 10
    assert all(len({row, row + 10} & set(chosen)) == 1 for row in range(5))
    same = np.repeat(vectors[:1], 7, axis=0)
    assert len(list(Coverage(same, vectors[:0]).choose(np.ones(7), 7))) == 1
