"""What the defaults of the vote were chosen from: leave-one-out on the training parts alone.

    python -m benchmarks.accuracy.choose_defaults --sets FOLDER

Every picture of a set's `train` part is a query, all others outside its group (near-duplicates
joined) are references. The learned metric comes from the folds that the query is not in.
The `val` parts are not looked at.

Shapes: N pictures, Q queries, D dimensions.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.backbones import LITE0, add_backbone_options, open_encoder
from benchmarks.accuracy.features import Features, features_of
from benchmarks.accuracy.sets import add_set_options, find_sets
from benchmarks.harness import Result, benchmark
from head.choice.selection import settle
from head.data.training_set import TrainingSet
from head.fit.features import FeatureMap
from head.fit.whitening import Metric
from holotype.knn import Knn
from holotype.references import Codes, Vectors
from holotype.votes import VoteRule, Voting, Weighting

NEIGHBOURS = (1, 3, 5, 10, 20, 50, 100)
TEMPERATURES = (0.02, 0.05, 0.07, 0.1, 0.2)
RERANKED = (20, 50, 100, 200)
NUGGETS = (0.03, 0.1, 0.3, 1.0)
DEFAULT_RERANKED = 100


@dataclass(frozen=True, slots=True)
class Setting:
    """A way to vote."""

    rule: VoteRule
    k: int
    """Neighbours that vote."""
    reranked: int | None = None
    """Nearest by cosine that the learned metric ranks again; None: plain cosine."""

    def right(self, features: Features, white: Vectors, queries: Codes) -> npt.NDArray[np.bool_]:
        """(Q,) whether the references outside a query's group vote for its class.

        Args:
            features: N pictures.
            white: (N, D) unit rows in a whitened space that the queries had no part in.
            queries: (Q,) rows.
        """
        voters = Knn(
            vectors=features.unit,
            classes=features.codes,
            n_classes=int(features.codes.max()) + 1,
            voting=Voting(candidates=self.reranked or self.k, k=self.k, rule=self.rule),
            placed=None if self.reranked is None else white,
            groups=features.groups,
        )
        tallies = voters.tallies(
            features.unit[queries], placed=white[queries], groups=features.groups[queries]
        )
        answered = np.concatenate([tally.ranking()[:, 0] for tally in tallies])
        return np.asarray(answered == features.codes[queries])


def main() -> None:
    """Try every setting on every set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_set_options(parser)
    add_backbone_options(parser)
    options = parser.parse_args()
    with benchmark("accuracy_defaults", options) as result:
        for backbone in options.backbone or [LITE0]:
            encoder = open_encoder(backbone, options.image_size)
            found = find_sets(options.sets, options.only)
            features = [features_of(each, encoder).of_part("train") for each in found]
            choose(result, features)


def choose(result: Result, features: Sequence[Features]) -> None:
    """One table a question."""
    tables = {
        "Plain cosine: k, and T of the weighted vote (equal: a majority)": _cosine_settings(),
        f"Learned metric, {DEFAULT_RERANKED} ranked again, weighted vote": _weighted_settings(),
        "Learned metric, kriging: how many are ranked again and vote": _reranked_settings(),
        "Learned metric, kriging: the nugget": _nugget_settings(),
    }
    settings = {name: setting for table in tables.values() for name, setting in table.items()}
    right = {f.name: _leave_one_out(f, settings) for f in features}
    for title, table in tables.items():
        rows = []
        for name in table:
            each = {f.name: right[f.name][name] for f in features}
            mean = float(np.mean(list(each.values())))
            rows.append({"": name} | {n: f"{v:.4f}" for n, v in each.items()} | {"mean": mean})
        best = max(rows, key=lambda row: row["mean"])
        result.table(title, [row | {"mean": f"{row['mean']:.4f}{' <' * (row is best)}"}
                             for row in rows])  # fmt: skip


def _cosine_settings() -> dict[str, Setting]:
    return {
        f"cosine, k = {k}, {name}": Setting(rule, k)
        for k in NEIGHBOURS
        for name, rule in _weighted_rules().items()
    }


def _weighted_settings() -> dict[str, Setting]:
    return {
        f"learned, k = {k}, {name}": Setting(rule, k, DEFAULT_RERANKED)
        for k in NEIGHBOURS
        for name, rule in _weighted_rules().items()
    }


def _weighted_rules() -> dict[str, VoteRule]:
    rules = {"equal": VoteRule(weighting=Weighting.EQUAL)}
    return rules | {f"T = {t}": VoteRule(temperature=t) for t in TEMPERATURES}


def _reranked_settings() -> dict[str, Setting]:
    rule = VoteRule(weighting=Weighting.KRIGING)
    return {f"kriging, R = {r}": Setting(rule, r, r) for r in RERANKED}


def _nugget_settings() -> dict[str, Setting]:
    r = DEFAULT_RERANKED
    return {
        f"kriging, R = {r}, nugget {nugget}": Setting(
            VoteRule(weighting=Weighting.KRIGING, nugget=nugget), r, r
        )
        for nugget in NUGGETS
    }


def _leave_one_out(features: Features, settings: Mapping[str, Setting]) -> dict[str, float]:
    """Accuracy of each setting."""
    print(f"{features.name}: {len(features)} pictures", flush=True)
    right: dict[str, list[npt.NDArray[np.bool_]]] = {name: [] for name in settings}
    search, _ = settle(_training_set(features), seed=0)
    for fold in search.folds:
        assert fold.within is not None
        # The search's vectors are mapped already.
        white = Metric.of(fold.within, FeatureMap.PLAIN).whiten(search.vectors)
        queries = np.flatnonzero(fold.scored)
        for name, setting in settings.items():
            right[name].append(setting.right(features, white, queries))
    return {name: float(np.concatenate(parts).mean()) for name, parts in right.items()}


def _training_set(features: Features) -> TrainingSet:
    return TrainingSet(
        labels=tuple(np.unique(features.labels).tolist()),
        vectors=features.unit,
        codes=features.codes.astype(np.int64),
        groups=features.groups.astype(np.int64),
        marks=np.arange(len(features)),
    )


if __name__ == "__main__":
    main()
