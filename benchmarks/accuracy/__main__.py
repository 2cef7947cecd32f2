"""Accuracy of the tutorial's classifiers and of this project's, on the same vectors.

    python -m benchmarks.accuracy --sets FOLDER [--backbone NAME[@CHECKPOINT]] [--splits 10]

Every set's pictures are joined and split 80/20, stratified, near-duplicates on one side.
References go into a real gallery, `retrain` trains on it with its defaults, and the
classifier answers the queries; the tutorial's classifiers get the same vectors. A run that
was interrupted goes on where it was.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from benchmarks.accuracy import kept, report
from benchmarks.accuracy.backbones import LITE0, add_backbone_options, open_encoder
from benchmarks.accuracy.features import Features, features_of
from benchmarks.accuracy.measure import Task, run_all
from benchmarks.accuracy.sets import add_set_options, find_sets
from benchmarks.accuracy.splits import describe
from benchmarks.harness import Result, benchmark


def main() -> None:
    """Measure each backbone on each set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_set_options(parser)
    add_backbone_options(parser)
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--strangers", type=int, default=5, help="draws of held-out classes")
    parser.add_argument("--jobs", type=int, default=2, help="splits measured at a time")
    options = parser.parse_args()
    sets = find_sets(options.sets, options.only)
    with benchmark("accuracy", options) as result:
        for backbone in options.backbone or [LITE0]:
            encoder = open_encoder(backbone, options.image_size)
            features = [features_of(found, encoder) for found in sets]
            print(f"\n## {encoder.fingerprint.backbone}, {encoder.recipe.image_size} px")
            result.table("Sets", describe(features))
            measure(result, features, options)


def measure(result: Result, features: Sequence[Features], options: argparse.Namespace) -> None:
    """All tasks on one backbone, then the tables."""
    seeds: list[int | None] = [None, *range(options.splits)]
    tasks = [Task(f, seed) for seed in seeds for f in features]
    tasks += [Task(f, seed, strangers=True) for seed in range(options.strangers) for f in features]
    before = [(task, kept.load(task)) for task in tasks]
    done = [measured for _, measured in before if measured is not None]
    by_name = {f.name: f for f in features}
    for measured in run_all([task for task, found in before if not found], jobs=options.jobs):
        kept.save(measured, by_name[measured.set_name])
        done.append(measured)
        print(f"{len(done)} of {len(tasks)}: {report.one_line(measured)}", flush=True)
    report.tell(result, features, done)


if __name__ == "__main__":
    main()
