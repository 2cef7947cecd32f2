"""Where some classes have few references: what balance and a cap on votes per class change.

    python -m benchmarks.accuracy.imbalance --sets FOLDER [--kept 3] [--draws 3]

In a gallery of a set's `train` part, a random half of the classes keeps `--kept` references
each. Queries are the whole `val` part. Recall is told apart for those rare classes and for the
others; nothing is chosen here.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.accuracy.backbones import LITE0, add_backbone_options, open_encoder
from benchmarks.accuracy.features import Features, features_of
from benchmarks.accuracy.product import ask, trained_gallery
from benchmarks.accuracy.sets import add_set_options, find_sets
from benchmarks.accuracy.splits import given_split
from benchmarks.harness import benchmark
from classify.answering.modes import MetricName, Mode
from classify.answering.options import QueryOptions
from holotype.references import Codes

WAYS: dict[str, QueryOptions] = {
    "plain cosine": QueryOptions(metric=MetricName.COSINE),
    "plain cosine, balance 0.5": QueryOptions(metric=MetricName.COSINE, balance=0.5),
    "plain cosine, balance 1": QueryOptions(metric=MetricName.COSINE, balance=1),
    "plain cosine, class cap 3": QueryOptions(metric=MetricName.COSINE, class_cap=3),
    "learned metric": QueryOptions(),
    "learned metric, balance 0.5": QueryOptions(balance=0.5),
    "learned metric, balance 1": QueryOptions(balance=1),
    "learned metric, class cap 3": QueryOptions(class_cap=3),
    "head": QueryOptions(mode=Mode.LINEAR),
    "auto": QueryOptions(mode=Mode.AUTO),
}


def main() -> None:
    """Measure every way on every set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_set_options(parser)
    add_backbone_options(parser)
    parser.add_argument("--kept", type=int, default=3, help="references of a rare class")
    parser.add_argument("--draws", type=int, default=3)
    options = parser.parse_args()
    with benchmark("accuracy_imbalance", options) as result:
        encoder = open_encoder(LITE0, options.image_size)
        every: dict[str, list[Mapping[str, float]]] = defaultdict(list)
        for found in find_sets(options.sets, options.only):
            features = features_of(found, encoder)
            recalls: dict[str, list[Mapping[str, float]]] = defaultdict(list)
            for draw in range(options.draws):
                for name, recall in measure(features, draw, kept=options.kept).items():
                    recalls[name].append(recall)
            result.table(features.name, rows(recalls))
            for name, found_here in recalls.items():
                every[name] += found_here
        result.table("mean of the sets", rows(every))


def measure(features: Features, draw: int, *, kept: int) -> dict[str, Mapping[str, float]]:
    """Mean recall of rare, other and all classes, by way."""
    split = given_split(features)
    rng = np.random.default_rng(draw)
    n_classes = int(features.codes.max()) + 1
    rare = rng.permutation(n_classes)[: n_classes // 2]
    references = thinned(features, split.references, rare, kept, rng)
    truth = features.codes[split.queries]
    is_rare = np.isin(np.arange(n_classes), rare)
    found = {}
    with trained_gallery(features, references, seed=draw) as store:
        for name, options in WAYS.items():
            right = ask(store, features, split.queries, options).right
            asked = np.bincount(truth, minlength=n_classes)
            recall = np.bincount(truth[right], minlength=n_classes) / np.maximum(asked, 1)
            found[name] = {
                "rare classes": float(recall[is_rare & (asked > 0)].mean()),
                "other classes": float(recall[~is_rare & (asked > 0)].mean()),
                "all classes": float(recall[asked > 0].mean()),
            }
    return found


def thinned(
    features: Features, references: Codes, rare: Codes, kept: int, rng: np.random.Generator
) -> Codes:
    """The references, with `kept` at random of each rare class."""
    codes = features.codes[references]
    parts = [references[~np.isin(codes, rare)]]
    parts += [rng.permutation(references[codes == label])[:kept] for label in rare.tolist()]
    return np.sort(np.concatenate(parts))


def rows(recalls: Mapping[str, Sequence[Mapping[str, float]]]) -> list[dict[str, object]]:
    """Mean recalls, a line a way."""
    return [
        {"way": name}
        | {key: round(float(np.mean([one[key] for one in found])), 3) for key in found[0]}
        for name, found in recalls.items()
    ]


if __name__ == "__main__":
    main()
