"""One split, measured: everybody on the same vectors.

Tasks run in processes of their own, so that two cores are used; each takes one thread.

Shapes: Q queries.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy import tutorial
from benchmarks.accuracy.features import Features
from benchmarks.accuracy.splits import given_split, random_split, without_classes
from holotype.references import Codes

TUTORIAL_KNN = "tutorial: k-NN"
TUTORIAL_LAST = "tutorial: head, last epoch"
TUTORIAL_BEST = "tutorial: head, flattered best"
TUTORIAL_UNIT = "tutorial: head on unit vectors, last epoch"

STRANGERS = 0.2
"""Share of the classes that are held out to be strangers."""


@dataclass(frozen=True, slots=True)
class Task:
    """One measurement on one set."""

    features: Features
    seed: int | None
    """Of the random split; None: the set's own parts."""
    strangers: bool = False
    """Hold out classes and ask who is a stranger, instead of comparing accuracy."""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What a task found."""

    set_name: str
    seed: int | None
    strangers: bool
    queries: Codes
    """(Q,) rows of the set."""
    found: dict[str, dict[str, np.ndarray]]
    """By way of classifying, then by figure: (Q,) each."""


def run_all(tasks: Iterable[Task], *, jobs: int) -> Iterator[Measured]:
    """Results as they come."""
    spawn = multiprocessing.get_context("spawn")  # a forked engine hangs
    # Numerical libraries read this once, when a process begins.
    os.environ["OMP_NUM_THREADS"] = "1" if jobs > 1 else str(os.cpu_count())
    with ProcessPoolExecutor(jobs, mp_context=spawn) as pool:
        for done in as_completed([pool.submit(run, task) for task in tasks]):
            yield done.result()


def run(task: Task) -> Measured:
    """Measure one task."""
    return _tell_strangers(task) if task.strangers else _compare(task)


def _compare(task: Task) -> Measured:
    features, seed = task.features, task.seed
    split = given_split(features) if seed is None else random_split(features, seed)
    found = _tutorial(features, split.references, split.queries, seed=seed or 0)
    found |= _product(features, split.references, split.queries, seed=seed or 0)
    return Measured(features.name, seed, False, split.queries, found)


def _tutorial(
    features: Features, references: Codes, queries: Codes, *, seed: int
) -> dict[str, dict[str, np.ndarray]]:
    codes, truth = features.codes[references], features.codes[queries]
    raw, unit = features.raw, features.unit
    head = tutorial.head(raw[references], codes, raw[queries], truth, seed=seed)
    on_unit = tutorial.head(unit[references], codes, unit[queries], truth, seed=seed)
    return {
        TUTORIAL_KNN: {"right": tutorial.knn(raw[references], codes, raw[queries], truth)},
        TUTORIAL_LAST: {"right": head.last},
        TUTORIAL_BEST: {"right": head.flattered},
        TUTORIAL_UNIT: {"right": on_unit.last},
    }


def _product(
    features: Features, references: Codes, queries: Codes, *, seed: int
) -> dict[str, dict[str, np.ndarray]]:
    from benchmarks.accuracy.product import ESTIMATOR, WAYS, ask, estimated, trained_gallery

    found: dict[str, dict[str, np.ndarray]] = {}
    with trained_gallery(features, references, seed=seed) as store:
        for name, options in WAYS.items():
            told = ask(store, features, queries, options)
            found[name] = {
                "right": told.right,
                "label": told.label,
                "confidence": told.confidence,
                "abstained": told.abstained,
                "covered": told.covered,
                "set size": told.set_size,
            }
    by_estimator = estimated(features, references, queries, seed=seed)
    right = by_estimator["label"] == features.labels[queries]
    return {**found, ESTIMATOR: {"right": right, **by_estimator}}


def _tell_strangers(task: Task) -> Measured:
    from benchmarks.accuracy.product import WAYS, ask, trained_gallery

    features, seed = task.features, task.seed or 0
    split = without_classes(features, seed, share=STRANGERS)
    queries = np.concatenate([split.known, split.unknown])
    with trained_gallery(features, split.references, seed=seed) as store:
        told = {name: ask(store, features, queries, WAYS[name]) for name in ("head", "auto")}
    known = np.arange(len(queries)) < len(split.known)
    found = {
        "novelty": {"strangeness": told["head"].strangeness, "known": known},
        "largest softmax of the head": {"strangeness": -told["head"].confidence, "known": known},
        "largest probability of auto": {"strangeness": -told["auto"].confidence, "known": known},
    }
    return Measured(features.name, task.seed, True, queries, found)
