"""Which library draws the map of a gallery: openTSNE, UMAP or PaCMAP.

    python -m benchmarks.map --sets FOLDER [--made 20000 100000] [--methods ours UMAP ...]
    python -m benchmarks.map --sets FOLDER --only --made 100000    (none of the sets)

Each lays out the train part of every set and made vectors with class structure, in a process of
its own as `curate map` does it: imports and compilation count. All get the same 50 principal
components. Told are seconds, processor seconds, trustworthiness with 15 neighbours in the whole
space (Venna and Kaski 2001; of a sample where there are many, with exact ranks; it is checked
against scikit-learn's where that can be computed), and how often the 10 nearest on the map say
the right class. `ours` is what `curate map` does: openTSNE on exact neighbours.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.manifold import trustworthiness

from benchmarks.accuracy.backbones import LITE0, add_backbone_options, open_encoder
from benchmarks.accuracy.features import features_of
from benchmarks.accuracy.sets import add_set_options, find_sets
from benchmarks.harness import benchmark, busy_seconds
from benchmarks.synthetic import make
from curate.map.layout import lay_out, principal_components
from curate.map.placing import beside
from holotype.knn import nearest
from holotype.references import Codes, Vectors

COMPONENTS = 50
NEIGHBOURS, VOTERS = 15, 10
SAMPLE = 2_000
"""Rows whose trust is looked at."""
CHECKED = 4_000
"""Rows up to which scikit-learn's own figure is computed, too."""
PLACED_IN = 30_000
"""References of the largest set in which newcomers are placed."""
SEED = 0


def main() -> None:
    """Measure all of them on all sets."""
    if sys.argv[1:2] == ["--one"]:
        one(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_set_options(parser)
    add_backbone_options(parser)
    parser.add_argument("--made", type=int, nargs="*", default=[20_000])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--dimension", type=int, default=384, help="of the made vectors")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    with benchmark("map", options) as result:
        encoder = open_encoder(LITE0, options.image_size)
        sets: dict[str, Callable[[], tuple[Vectors, Codes]]] = {}
        wanted = [] if options.only == [] else find_sets(options.sets, options.only)
        for found in wanted:
            part = features_of(found, encoder).of_part("train")
            sets[found.name] = lambda part=part: (part.unit, part.codes)  # type: ignore[misc]
        for n in options.made:
            sets[f"made {n:,}"] = lambda n=n: made(n, options.dimension)  # type: ignore[misc]
        rows = []
        for name, load in sets.items():
            vectors, codes = load()
            for _ in range(options.rounds):
                for method in options.methods:
                    rows.append({"set": name, "method": method} | measure(vectors, codes, method))
                    print(rows[-1], flush=True)
        result.table("Maps", rows)
        small = {name: load for name, load in sets.items() if len(load()[0]) <= PLACED_IN}
        placed = [{"set": name} | placing(*load()) for name, load in small.items()]
        if not placed:
            return
        result.table(
            "A tenth that came later: its 10 nearest on the map say the right class", placed
        )


def one(method: str, given: str, got: str) -> None:
    """In the process of its own: read vectors, write positions."""
    np.save(got, METHODS[method](np.load(given)))


def open_tsne(vectors: Vectors) -> npt.NDArray[Any]:
    """As it is, but for the threads."""
    from openTSNE import TSNE

    tsne = TSNE(n_jobs=os.cpu_count() or 1, random_state=SEED)
    return np.asarray(tsne.fit(principal_components(vectors)))


def umap(vectors: Vectors) -> npt.NDArray[Any]:
    """As it is; a seed takes it to one thread."""
    from umap import UMAP

    return np.asarray(
        UMAP(random_state=SEED, n_jobs=1).fit_transform(principal_components(vectors))
    )


def umap_without_seed(vectors: Vectors) -> npt.NDArray[Any]:
    """On all cores, another map each time."""
    from umap import UMAP

    return np.asarray(UMAP().fit_transform(principal_components(vectors)))


def pacmap(vectors: Vectors) -> npt.NDArray[Any]:
    """As it is."""
    from pacmap import PaCMAP

    laid = PaCMAP(random_state=SEED, apply_pca=False)
    return np.asarray(laid.fit_transform(principal_components(vectors), init="pca"))


METHODS: dict[str, Callable[[Vectors], npt.NDArray[Any]]] = {
    "ours": lay_out,
    "openTSNE": open_tsne,
    "UMAP": umap,
    "UMAP, no seed": umap_without_seed,
    "PaCMAP": pacmap,
}


def placing(vectors: Vectors, codes: Codes) -> dict[str, Any]:
    """How well newcomers are put: their 10 nearest on the map among those that were laid out."""
    order = np.random.default_rng(SEED).permutation(len(codes))
    new, old = np.split(order, [min(SAMPLE, len(order) // 10)])
    positions = lay_out(vectors[old])
    rows = {
        "median of 5": beside(positions, vectors[old], vectors[new]),
        "mean of 5": positions[nearest(vectors[new], vectors[old], r=5).rows].mean(axis=1),
        "the nearest": positions[nearest(vectors[new], vectors[old], r=1).rows[:, 0]],
    }
    return {
        name: float(np.mean(_voted(positions, codes[old], at) == codes[new]))
        for name, at in rows.items()
    }


def made(n: int, dimension: int) -> tuple[Vectors, Codes]:
    """Vectors with class structure, 100 classes."""
    data = make(n, classes=100, dimension=dimension)
    return data.vectors, data.codes


def measure(vectors: Vectors, codes: Codes, method: str) -> dict[str, Any]:
    """One map, laid out by a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        given, got = Path(folder) / "given.npy", Path(folder) / "got.npy"
        np.save(given, vectors)
        began, busy = time.perf_counter(), busy_seconds()
        subprocess.run(
            [sys.executable, "-m", "benchmarks.map", "--one", method, str(given), str(got)],
            check=True,
            env={**os.environ, "OMP_NUM_THREADS": str(os.cpu_count())},
        )
        wall, work = time.perf_counter() - began, busy_seconds() - busy
        positions = np.load(got)
    found: dict[str, Any] = {"seconds": wall, "processor s": work}
    found["trust"] = trust(vectors, positions)
    checked = len(vectors) <= CHECKED
    found["scikit-learn's"] = (
        float(trustworthiness(vectors, positions, n_neighbors=NEIGHBOURS)) if checked else "-"
    )
    found["10-NN on the map"] = agreement(positions, codes)
    return found


def trust(vectors: Vectors, positions: Vectors) -> float:
    """Trustworthiness of a sample of rows: ranks are among all references, and exact."""
    n, k = len(vectors), NEIGHBOURS
    rows = np.random.default_rng(SEED).permutation(n)[:SAMPLE]
    lost = 0.0
    for block in np.array_split(rows, max(1, len(rows) * n // 2**25)):
        near = _near(positions, block, k)
        far = _distances(vectors, block)
        own = np.take_along_axis(far, near, axis=1)
        ranks = np.stack([np.sum(far < own[:, [j]], axis=1) for j in range(k)], axis=1) + 1
        lost += float(np.maximum(ranks - k, 0).sum())
    return 1 - 2 * lost / (len(rows) * k * (2 * n - 3 * k - 1))


def agreement(positions: Vectors, codes: Codes) -> float:
    """Share of a sample whose nearest on the map are mostly of its own class."""
    rows = np.random.default_rng(SEED).permutation(len(codes))[:SAMPLE]
    voted = [np.bincount(votes).argmax() for votes in codes[_near(positions, rows, VOTERS)]]
    return float(np.mean(voted == codes[rows]))


def _voted(positions: Vectors, codes: Codes, at: Vectors) -> Codes:
    """What the references around these places are mostly called."""
    squares = ((at[:, None] - positions[None]) ** 2).sum(axis=2)
    near = np.argpartition(squares, VOTERS - 1, axis=1)[:, :VOTERS]
    return np.array([np.bincount(votes).argmax() for votes in codes[near]])


def _near(points: Vectors, rows: Codes, k: int) -> Codes:
    """(n, k) of the others, nearest first."""
    found = np.empty((len(rows), k), dtype=np.int64)
    for block in np.array_split(np.arange(len(rows)), max(1, len(rows) * len(points) // 2**25)):
        distances = _distances(points, rows[block])
        some = np.argpartition(distances, k - 1, axis=1)[:, :k]
        order = np.argsort(np.take_along_axis(distances, some, axis=1), axis=1)
        found[block] = np.take_along_axis(some, order, axis=1)
    return found


def _distances(points: Vectors, rows: Codes) -> npt.NDArray[np.float64]:
    """(n, N) squared; the own one is infinite."""
    points = points.astype(np.float64)
    squares = (points**2).sum(axis=1)
    distances = squares[rows, None] + squares[None] - 2 * points[rows] @ points.T
    distances[np.arange(len(rows)), rows] = np.inf
    return np.asarray(distances)


if __name__ == "__main__":
    main()
