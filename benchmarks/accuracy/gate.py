"""How often a retrain is held that is as good as the head before it, or three points worse.

    python -m benchmarks.accuracy.gate --sets FOLDER [--only plankton] [--retrains 200]
    python -m benchmarks.accuracy.gate --synthetic 200 600 5000

A simulated gallery is drawn from a set's `train` part (one picture of each group of
near-duplicates, the leading directions of its vectors) or made; what is left over is the large
held-out part that says how good a head truly is. A champion is trained on it, and challengers
with another seed on

- the same references but for one in a hundred, or but for a quarter of them: truly as good;
- the same but for a quarter, so many of which carry the label of the next similar class that
  accuracy on the held-out part is 3 points lower in the mean (set on retrains of its own).

Shapes: N references, D dimensions, C classes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import beta

from benchmarks import synthetic
from benchmarks.accuracy.backbones import LITE0, add_backbone_options, open_encoder
from benchmarks.accuracy.features import Features, features_of
from benchmarks.accuracy.sets import FOLDER_VARIABLE, find_sets
from benchmarks.harness import OUT, Result, benchmark
from head.choice.cross_validation import within_everything
from head.choice.refit import Refit
from head.choice.repeats import OutOfFold, out_of_fold
from head.choice.selection import Choice, choose, settle
from head.data.training_set import TrainingSet
from head.fit.features import FeatureMap
from head.fit.lda import LinearLayer
from head.fit.options import TrainOptions
from head.versions.champion import TOLERANCE, Comparison, judge
from head.versions.head import Head
from holotype.heads import HeadRecord
from holotype.references import Codes, Vectors

DIRECTIONS = 48
"""Leading principal directions that are kept: 200 retrains of each kind take minutes."""

GALLERY, REPLACED, FEW = 0.45, 0.25, 0.01
"""Shares: of a set's pictures in the gallery, of the gallery that is exchanged."""

HELD_OUT = 5_000
"""Synthetic references that say how good a head truly is."""

WORSE = 0.03
PILOT, PILOT_RETRAINS = 10_000, 40
"""Numbers from which retrains are drawn that set the mislabelling, and how many."""


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """A gallery, what may be exchanged for a part of it, and what truly tells heads apart."""

    vectors: Vectors
    codes: Codes
    n_classes: int
    gallery: Codes
    """Rows."""
    fresh: Codes
    held_out: Codes

    def training_set(self, rows: Codes, codes: Codes | None = None) -> TrainingSet:
        """Those rows, under these labels."""
        return TrainingSet(
            labels=tuple(f"{c:03}" for c in range(self.n_classes)),
            vectors=self.vectors[rows],
            codes=self.codes[rows] if codes is None else codes,
            groups=np.arange(len(rows)),
            marks=rows,
        )

    def exchanged(self, share: float) -> Codes:
        """The gallery's rows but for a share."""
        n = round(share * len(self.gallery))
        return np.sort(np.concatenate([self.gallery[n:], self.fresh[:n]]))

    def mislabelled(self, share: float, rng: np.random.Generator) -> TrainingSet:
        """A quarter exchanged, a share of which carries the label of the most similar class."""
        rows = self.exchanged(REPLACED)
        means = np.stack(
            [self.vectors[self.codes == c].mean(axis=0) for c in range(self.n_classes)]
        )
        nearness = means @ means.T
        np.fill_diagonal(nearness, -np.inf)
        wrong = np.isin(rows, self.fresh) & (rng.random(len(rows)) < share)
        codes = np.where(wrong, nearness.argmax(axis=1)[self.codes[rows]], self.codes[rows])
        return self.training_set(rows, codes)

    def accuracy(self, layer: LinearLayer, features: FeatureMap) -> float:
        """On the held-out part."""
        logits = layer.logits(features.of(self.vectors[self.held_out]))
        return float((logits.argmax(axis=1) == self.codes[self.held_out]).mean())


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A head, as far as the comparison looks at it."""

    training: TrainingSet
    predictions: OutOfFold | None
    accuracy: float
    """True."""

    @classmethod
    def on(cls, draw: Draw, training: TrainingSet, seed: int, *, whole: bool) -> Trained:
        """Search, fit to everything, predict out of fold: as a retrain does."""
        options = TrainOptions(seed=seed, device="cpu")
        choice = choose(training, options) if whole else _of_lda(training, seed)
        search, features = choice.search, choice.search.features
        within = within_everything(training, features, search.span)
        within = within and within.shrunk_at_least(search.shrinkage)
        layer = Refit(training, search, within, options).winner(choice.winner)
        accuracy = draw.accuracy(layer, features)
        return cls(training, out_of_fold(training, choice, options), accuracy)

    def head(self) -> Head:
        """What a challenger is compared with."""
        labels, columns = self.training.labels, self.training.vectors.shape[1]
        return Head(
            record=HeadRecord("champion", "", status="ready", labels=labels),
            labels=labels,
            weights=np.zeros((len(labels), columns), np.float32),
            bias=np.zeros(len(labels), np.float32),
            held_out=None if self.predictions is None else self.predictions.kept(self.training),
        )

    def against(self, champion: Trained) -> dict[str, Any]:
        """The comparison, with the true difference."""
        found: Comparison = judge(self.training, self.predictions, champion.head())
        kept = replace(found, regressions=()).to_dict()
        return {**kept, "true_difference": self.accuracy - champion.accuracy}


def _of_lda(training: TrainingSet, seed: int) -> Choice:
    search, lda = settle(training, seed=seed)
    return Choice(search, () if lda is None else (lda,), lda)


World = Callable[[np.random.Generator], Draw]


def main() -> None:
    """Simulate retrains on each set and each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=Path, help=f"as for {FOLDER_VARIABLE}; default: none")
    parser.add_argument("--only", nargs="*", help="names of sets; default: all")
    add_backbone_options(parser)
    parser.add_argument("--synthetic", type=int, nargs="*", default=[], metavar="REFERENCES")
    parser.add_argument("--retrains", type=int, default=200)
    parser.add_argument(
        "--whole", action="store_true", help="search as a retrain does; default: LDA's settings"
    )
    options = parser.parse_args()
    with benchmark("gate", options) as result:
        for name, world in _worlds(options):
            simulate(result, name, world, retrains=options.retrains, whole=options.whole)


def simulate(result: Result, name: str, world: World, *, retrains: int, whole: bool) -> None:
    """All retrains of one world, then its table."""
    share = mislabelling(world, whole=whole)
    verdicts: dict[str, list[dict[str, Any]]] = {}
    OUT.mkdir(exist_ok=True)
    for number in range(retrains):
        for kind, verdict in one_retrain(world, share, number, whole=whole).items():
            verdicts.setdefault(kind, []).append(verdict)
        (OUT / f"gate-{name.replace(' ', '-')}.json").write_text(json.dumps(verdicts))
    result.table(
        f"{name}: {share:.0%} of a quarter mislabelled in the last row",
        [{"challenger": kind} | _row(found) for kind, found in verdicts.items()],
    )


def one_retrain(
    world: World, share: float, number: int, *, whole: bool
) -> dict[str, dict[str, Any]]:
    """A champion, and what becomes of its challengers."""
    rng = np.random.default_rng(number)
    draw = world(rng)
    champion = Trained.on(draw, draw.training_set(np.sort(draw.gallery)), seed=0, whole=whole)
    challengers = {
        "as good, 1 % exchanged": draw.training_set(draw.exchanged(FEW)),
        "as good, a quarter exchanged": draw.training_set(draw.exchanged(REPLACED)),
        "worse, a quarter exchanged": draw.mislabelled(share, rng),
    }
    return {
        kind: Trained.on(draw, training, seed=number + 1, whole=whole).against(champion)
        for kind, training in challengers.items()
    }


def mislabelling(world: World, *, whole: bool) -> float:
    """The share that costs `WORSE`, from pilot retrains at two shares."""
    shares = (0.4, 0.8)
    costs = [float(np.mean(list(_costs(world, share, whole=whole)))) for share in shares]
    slope = (costs[1] - costs[0]) / (shares[1] - shares[0])
    return float(np.clip(shares[0] + (WORSE - costs[0]) / max(slope, 1e-3), 0.05, 1.0))


def _costs(world: World, share: float, *, whole: bool) -> Iterator[float]:
    for number in range(PILOT, PILOT + PILOT_RETRAINS):
        rng = np.random.default_rng(number)
        draw = world(rng)
        pair = draw.training_set(draw.exchanged(REPLACED)), draw.mislabelled(share, rng)
        good, bad = (Trained.on(draw, training, seed=0, whole=whole) for training in pair)
        yield good.accuracy - bad.accuracy


def _row(found: Sequence[dict[str, Any]]) -> dict[str, str]:
    held = sum(verdict["worse"] for verdict in found)
    low, high = interval(held, len(found))
    true = 100 * np.array([verdict["true_difference"] for verdict in found])
    within = [v["worse"] for v in found if v["true_difference"] > -TOLERANCE]
    errors = [verdict["standard_error"] for verdict in found if verdict["standard_error"]]
    return {
        "true difference, points": f"{true.mean():+.2f}",
        "standard error of a comparison": f"{100 * float(np.mean(errors)):.2f}",
        "held": f"{held} of {len(found)}",
        "95 % interval": f"{100 * low:.1f} to {100 * high:.1f} %",
        "held of those within the tolerance": f"{sum(within)} of {len(within)}",
    }


def interval(held: int, n: int) -> tuple[float, float]:
    """Of a share, by Clopper and Pearson (1934)."""
    low = float(beta.ppf(0.025, held, n - held + 1)) if held else 0.0
    high = float(beta.ppf(0.975, held + 1, n - held)) if held < n else 1.0
    return low, high


def _worlds(options: argparse.Namespace) -> Iterator[tuple[str, World]]:
    if options.sets:
        encoders = [open_encoder(b, options.image_size) for b in options.backbone or [LITE0]]
        for found in find_sets(options.sets, options.only):
            for encoder in encoders:
                yield found.name, _of_set(features_of(found, encoder).of_part("train"))
    for n in options.synthetic:
        yield f"synthetic {n}", _synthetic(n)


def _of_set(features: Features) -> World:
    _, alone = np.unique(features.groups, return_index=True)
    vectors = features.unit[alone] - features.unit[alone].mean(axis=0)
    axes = np.linalg.svd(vectors, full_matrices=False)[2][:DIRECTIONS]
    vectors = _unit(vectors @ axes.T)
    codes = features.codes[alone].astype(np.int64)

    def draw(rng: np.random.Generator) -> Draw:
        rows, n = rng.permutation(len(codes)), round(GALLERY * len(codes))
        parts = np.split(rows, [n, n + round(REPLACED * n)])
        return Draw(vectors, codes, int(codes.max()) + 1, *parts)

    return draw


def _synthetic(n: int) -> World:
    classes = max(10, n // 50)

    def draw(rng: np.random.Generator) -> Draw:
        total = n + round(REPLACED * n) + HELD_OUT
        seed = int(rng.integers(2**32))
        made = synthetic.make(total, classes=classes, dimension=DIRECTIONS, seed=seed)
        parts = np.split(np.arange(total), [n, total - HELD_OUT])
        return Draw(made.vectors, made.codes, classes, *parts)

    return draw


def _unit(rows: Vectors) -> Vectors:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


if __name__ == "__main__":
    main()
