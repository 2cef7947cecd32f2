"""Wrong labels: how soon suspects find them, against peers, and what setting them right is worth.

    python -m benchmarks.label_noise --sets FOLDER [--part train] [--draws 3] [--first 100]

Labels of each set are flipped: 2, 5 and 10 % of them, to any other class (uniform), to the class
that each is most confused with by out-of-fold answers before the flips (confused), or half of each
(mixed). Then every reference is scored:

- suspects: the probability that its label is wrong (`curate.suspects.doubts`);
- 1 - p: one minus the out-of-fold probability of its label, which is what cleanlab ranks by
  (`self_confidence`); margin: that of the best other less its own (its `normalized_margin`). Its
  own choice of issues, by the confident joint, is told apart, where it is installed (`pip install
  --no-deps cleanlab==2.7.1 termcolor`: it asks for an older NumPy than it needs);
- mistakenness: FiftyOne's formula for classifications with logits (fiftyone-brain,
  `compute_mistakenness`): (m exp(-entropy) + 1) / 2 with m = 1 where the answer is another label,
  else -1;
- k-NN: the share of other labels among its 10 nearest by the whitened cosine;
- WANN: the size of the smallest neighbourhood whose majority confirms its label (arXiv 2408.14358).

All but the last two have the same out-of-fold probabilities. Told are the average precision, the
precision at the number of flips, and decisions a flip until 80 % of the flips are found, reading
one by one. Then how right the probabilities are; the accuracy on `val` of LDA trained on the noisy
labels, after every suspect above 90 % was accepted, and on the clean labels; and of k-NN and LDA
with references weighed by reliability.

`--neighbours` adds the last two scores, `--heads` tells the accuracies alone, `--scale` measures
the time of a look at made galleries instead.
"""

from __future__ import annotations

import argparse
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score

from benchmarks import synthetic
from benchmarks.accuracy.backbones import LITE0, add_backbone_options, open_encoder
from benchmarks.accuracy.features import Features, features_of
from benchmarks.accuracy.sets import add_set_options, find_sets
from benchmarks.harness import Result, benchmark, busy_seconds, once
from curate.out_of_fold import SHRINKAGE, OutOfFold, out_of_fold
from curate.suspects import Doubts, doubts, look
from curate.view import GalleryView
from head.choice.cross_validation import within_everything
from head.data.training_set import TrainingSet, mark_of
from head.fit.features import FeatureMap
from head.fit.lda import discriminants
from head.fit.whitening import Metric
from holotype.knn import nearest
from holotype.references import Codes, Floats, reference_id

RATES = (0.02, 0.05, 0.10)
KINDS = ("uniform", "confused", "mixed")
SETTINGS = [(kind, rate) for kind in KINDS for rate in RATES]
NOISE = (0.0, 0.05, 0.10, 0.20)
"""Mixed, for heads and votes."""
FOUND = 0.8
K = 10
LARGEST = 50
"""Neighbourhood."""
SURE = 0.9
VOTERS = 20
TEMPERATURE = 0.1
Scored = Callable[["Case"], Floats]


@dataclass(frozen=True, eq=False)
class Case:
    """A set with flipped labels, and what was found out about it."""

    clean: TrainingSet
    noisy: TrainingSet
    outs: OutOfFold
    found: Doubts

    @property
    def labels(self) -> Codes:
        """(M,) given."""
        return self.noisy.codes[self.outs.rows]

    @property
    def truth(self) -> Codes:
        """(M,)."""
        return self.clean.codes[self.outs.rows]

    @property
    def wrong(self) -> npt.NDArray[np.bool_]:
        """(M,) whether the label was flipped."""
        return self.labels != self.truth

    @cached_property
    def metric(self) -> Metric:
        """Of the noisy labels."""
        return metric_of(self.noisy)

    @cached_property
    def around(self) -> Codes:
        """(N, 50) labels of the nearest others by the whitened cosine."""
        return neighbourhood(self.noisy, self.metric)

    def corrected(self) -> TrainingSet:
        """After every suspect above `SURE` was accepted."""
        sure = self.found.p_wrong > SURE
        codes = self.noisy.codes.copy()
        codes[self.outs.rows[sure]] = self.found.proposed[sure]
        return replace(self.noisy, codes=codes)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_set_options(parser)
    add_backbone_options(parser)
    parser.add_argument("--part", choices=["train", "val"], default="train")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--first", type=int, default=100, help="number of the first draw")
    parser.add_argument("--scale", type=int, nargs="*", help="sizes of made galleries")
    parser.add_argument("--neighbours", action="store_true", help="k-NN and WANN, too")
    parser.add_argument("--heads", action="store_true", help="accuracies only, of the first draw")
    options = parser.parse_args()
    scores = SCORES | (BY_NEIGHBOURS if options.neighbours else {})
    settings = [] if options.heads else SETTINGS
    with benchmark("label_noise", options) as result:
        if options.scale is not None:
            tell_scale(result, options.scale or [25_000, 50_000, 100_000])
            return
        encoder = open_encoder(LITE0, options.image_size)
        ranked: dict[tuple[str, str, float], list[tuple[float, float, float]]] = defaultdict(list)
        peers: dict[tuple[str, float], list[tuple[int, int, int]]] = defaultdict(list)
        believed: list[tuple[Floats, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]] = []
        heads: dict[float, list[Mapping[str, float]]] = defaultdict(list)
        for found in find_sets(options.sets, options.only):
            features = features_of(found, encoder)
            val = features.of_part("val")
            part = training_of(features.of_part(options.part))
            confused = most_confused(part)
            for draw in range(options.first, options.first + options.draws):
                for kind, rate in settings:
                    case = case_of(part, flipped(part, kind, rate, draw, confused))
                    for name, score in scores.items():
                        ranked[name, kind, rate].append(figures(score(case), case.wrong))
                    peers[kind, rate].append(issues(case))
                    right = case.found.proposed == case.truth
                    believed.append((case.found.p_wrong.astype(float), case.wrong, right))
                if options.heads and draw == options.first:
                    for rate in NOISE:
                        case = case_of(part, flipped(part, "mixed", rate, draw, confused))
                        heads[rate].append(accuracies(case, val))
                print(f"{found.name}, draw {draw}", flush=True)
        if options.heads:
            tell_heads(result, heads)
            return
        tell_ranked(result, ranked, list(scores))
        tell_issues(result, peers)
        tell_believed(result, believed)


def training_of(features: Features) -> TrainingSet:
    """One part of a set, every picture a group of its own."""
    return TrainingSet(
        labels=tuple(np.unique(features.labels).tolist()),
        vectors=features.unit,
        codes=features.codes.astype(np.int64),
        groups=np.arange(len(features)),
        marks=np.array([mark_of(reference_id(digest)) for digest in features.digests.tolist()]),
    )


def case_of(clean: TrainingSet, noisy: TrainingSet) -> Case:
    """What is found out about these labels."""
    outs = out_of_fold(noisy)
    return Case(clean, noisy, outs, doubts(outs.probabilities, noisy.codes[outs.rows]))


def most_confused(training: TrainingSet) -> Codes:
    """(C,) the class that gets most of the probability that each does not get itself."""
    outs = out_of_fold(training)
    codes = training.codes[outs.rows]
    n_classes = len(training.labels)
    given = np.stack([outs.probabilities[codes == c].sum(axis=0) for c in range(n_classes)])
    np.fill_diagonal(given, -1)
    return np.asarray(given.argmax(axis=1))


def flipped(
    training: TrainingSet, kind: str, rate: float, draw: int, confused: Codes
) -> TrainingSet:
    """The same with a share of the labels wrong."""
    rng = np.random.default_rng([draw, KINDS.index(kind), round(1000 * rate)])
    rows = rng.choice(len(training), round(rate * len(training)), replace=False)
    n_classes = len(training.labels)
    anywhere = (training.codes[rows] + rng.integers(1, n_classes, len(rows))) % n_classes
    near = confused[training.codes[rows]]
    half = np.where(np.arange(len(rows)) % 2 == 0, anywhere, near)
    codes = training.codes.copy()
    codes[rows] = {"uniform": anywhere, "confused": near, "mixed": half}[kind]
    return replace(training, codes=codes)


# -- scores -------------------------------------------------------------------------


def own(case: Case) -> Floats:
    """(M,) probability of the given label."""
    p = np.take_along_axis(case.outs.probabilities, case.labels[:, None], axis=1)[:, 0]
    return p.astype(np.float64)


def margin(case: Case) -> Floats:
    """(M,) probability of the best other class less that of the label."""
    others = case.outs.probabilities.copy()
    np.put_along_axis(others, case.labels[:, None], -1, axis=1)
    return np.asarray(others.max(axis=1) - own(case))


def mistakenness(case: Case) -> Floats:
    """(M,) by FiftyOne's formula."""
    p = case.outs.probabilities.astype(np.float64)
    entropy = -(p * np.log(np.maximum(p, 1e-12))).sum(axis=1)
    differs = np.where(p.argmax(axis=1) != case.labels, 1.0, -1.0)
    return np.asarray((differs * np.exp(-entropy) + 1) / 2)


def neighbourhood(training: TrainingSet, metric: Metric) -> Codes:
    """(N, 50) labels of the nearest others by the whitened cosine."""
    white, groups = metric.whiten(training.vectors), training.groups
    return training.codes[nearest(white, white, r=LARGEST, groups=(groups, groups)).rows]


def disagreement(case: Case) -> Floats:
    """(M,) share of the `K` nearest that carry another label."""
    around = case.around[case.outs.rows, :K]
    return np.asarray((around != case.labels[:, None]).mean(axis=1))


def confirming(training: TrainingSet, around: Codes) -> Codes:
    """(N,) size of the smallest neighbourhood whose majority has the reference's own label."""
    sums = np.zeros((len(training), len(training.labels)))
    size = np.full(len(training), LARGEST)
    everyone = np.arange(len(training))
    for k in range(around.shape[1]):
        sums[everyone, around[:, k]] += 1
        confirmed = (sums.argmax(axis=1) == training.codes) & (size == LARGEST)
        size[confirmed] = k + 1
    return size


SCORES: dict[str, Scored] = {
    "suspects": lambda case: case.found.p_wrong.astype(np.float64),
    "1 - p": lambda case: -own(case),
    "margin": margin,
    "mistakenness": mistakenness,
}
BY_NEIGHBOURS: dict[str, Scored] = {
    "k-NN": disagreement,
    "WANN": lambda case: confirming(case.noisy, case.around)[case.outs.rows].astype(np.float64),
}


def figures(score: Floats, wrong: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Average precision, precision at the number of flips, decisions a flip to find 80 %."""
    n = int(wrong.sum())
    found = np.cumsum(wrong[np.argsort(-score, kind="stable")])
    decisions = int(np.searchsorted(found, np.ceil(FOUND * n))) + 1
    return float(average_precision_score(wrong, score)), found[n - 1] / n, decisions / n


def issues(case: Case) -> tuple[int, int, int]:
    """How many are named, how many of them rightly, and flips: by cleanlab's own choice."""
    try:
        from cleanlab.filter import find_label_issues
    except ImportError:
        return 0, 0, int(case.wrong.sum())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        named = find_label_issues(case.labels, case.outs.probabilities, n_jobs=1)
    return int(named.sum()), int((named & case.wrong).sum()), int(case.wrong.sum())


# -- heads --------------------------------------------------------------------------


def metric_of(training: TrainingSet) -> Metric:
    """By the within-class covariance."""
    within = within_everything(training, FeatureMap.PLAIN)
    assert within is not None
    return Metric.of(within.shrunk_at_least(SHRINKAGE), FeatureMap.PLAIN)


def accuracies(case: Case, val: Features) -> dict[str, float]:
    """On the other part of the set."""
    noisy, p_wrong = case.noisy, np.zeros(len(case.noisy))
    p_wrong[case.outs.rows] = np.minimum(case.found.p_wrong, 1)
    return {
        "LDA": by_lda(noisy, val),
        "accepted": by_lda(case.corrected(), val),
        "sure ones left out": by_lda(noisy.rows(np.flatnonzero(p_wrong <= SURE)), val),
        "clean": by_lda(case.clean, val),
        "k-NN": by_votes(case, val, np.ones(len(noisy))),
        "k-NN, WANN": by_votes(case, val, 1 / confirming(noisy, case.around)),
        "k-NN, 1 - p_wrong": by_votes(case, val, 1 - p_wrong),
    }


def by_lda(training: TrainingSet, val: Features) -> float:
    """Accuracy of shrinkage LDA."""
    within = within_everything(training, FeatureMap.PLAIN)
    assert within is not None
    logits = discriminants(within.shrunk_at_least(SHRINKAGE)).logits(val.unit)
    return float((logits.argmax(axis=1) == val.codes).mean())


def by_votes(case: Case, val: Features, weights: Floats) -> float:
    """Accuracy of the whitened k-NN, votes times weights."""
    metric, training = case.metric, case.noisy
    found = nearest(metric.whiten(val.unit), metric.whiten(training.vectors), r=VOTERS)
    votes = np.exp(found.similarities.astype(np.float64) / TEMPERATURE) * weights[found.rows]
    sums = np.zeros((len(val), len(training.labels)))
    np.add.at(sums, (np.arange(len(val))[:, None], training.codes[found.rows]), votes)
    return float((sums.argmax(axis=1) == val.codes).mean())


# -- tables -------------------------------------------------------------------------


def tell_ranked(
    result: Result,
    ranked: Mapping[tuple[str, str, float], list[tuple[float, float, float]]],
    names: list[str],
) -> None:
    """A table a figure: scores by kind and rate; means over sets and draws."""
    titles = ("Average precision", "Precision at the number of flips", "Decisions a flip to 80 %")
    for which, title in enumerate(titles):
        rows = []
        for name in names:
            row: dict[str, object] = {"score": name}
            for kind in KINDS:
                for rate in RATES:
                    mean = np.mean([f[which] for f in ranked[name, kind, rate]])
                    row[f"{kind} {rate:.0%}"] = round(float(mean), 3)
            rows.append(row)
        result.table(title, rows)
        if which == 0:
            ours, *peers = rows
            for column in list(ours)[1:]:
                best = max(float(str(row[column])) for row in peers)
                got = float(str(ours[column]))
                result.target(
                    f"average precision, {column}",
                    reach=f"{best:.3f}, the best of the others",
                    got=f"{got:.3f}",
                    met=got >= best,
                )


def tell_issues(
    result: Result, peers: Mapping[tuple[str, float], list[tuple[int, int, int]]]
) -> None:
    """What cleanlab names by itself."""
    result.table(
        "cleanlab's own issues",
        [
            {
                "noise": f"{kind} {rate:.0%}",
                "named a flip": round(sum(n for n, _, _ in some) / sum(f for *_, f in some), 2),
                "precision": round(
                    sum(r for _, r, _ in some) / max(sum(n for n, *_ in some), 1), 3
                ),
                "recall": round(sum(r for _, r, _ in some) / sum(f for *_, f in some), 3),
            }
            for (kind, rate), some in peers.items()
        ],
    )


def tell_believed(
    result: Result,
    believed: list[tuple[Floats, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]],
) -> None:
    """Whether as many labels are wrong as is said; wrong ones from before count as right."""
    p, wrong, right = (np.concatenate(parts) for parts in zip(*believed, strict=True))
    rows = []
    for low, high in [(0, 0.1), (0.1, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.01)]:
        some = (p >= low) & (p < high)
        rows.append(
            {
                "said": f"{low:g} to {min(high, 1):g}",
                "references": int(some.sum()),
                "mean": round(float(p[some].mean()), 3),
                "flipped": round(float(wrong[some].mean()), 3),
                "of flips": round(float((wrong & some).sum() / wrong.sum()), 3),
                "proposal right": round(float(right[some & wrong].mean()), 3),
            }
        )
    result.table("The probability that a label is wrong", rows)


def tell_heads(result: Result, heads: Mapping[float, list[Mapping[str, float]]]) -> None:
    """Accuracy on val, mixed noise, means over sets."""
    result.table(
        "Accuracy on val",
        [
            {"noise": f"{rate:.0%}"}
            | {name: round(float(np.mean([one[name] for one in some])), 4) for name in some[0]}
            for rate, some in heads.items()
        ],
    )


def tell_scale(result: Result, sizes: list[int]) -> None:
    """Seconds of a look, and how they grow."""
    rows = []
    for n in sizes:
        made = synthetic.make(n, classes=100)
        codes = made.codes.copy()
        rng = np.random.default_rng(0)
        chosen = rng.choice(n, n // 50, replace=False)
        codes[chosen] = (codes[chosen] + rng.integers(1, 100, len(chosen))) % 100
        ids = [reference_id(str(i)) for i in range(n)]
        training = TrainingSet(
            labels=tuple(f"class{c:03}" for c in range(100)),
            vectors=made.vectors,
            codes=codes,
            groups=np.arange(n),
            marks=np.array([mark_of(id_) for id_ in ids]),
        )
        view = GalleryView(ids=ids, groups=[None] * n, training=training)
        busy = busy_seconds()
        seconds = once(lambda view=view: look(view))  # type: ignore[misc]
        rows.append(
            {"references": n, "seconds": seconds, "processor seconds": busy_seconds() - busy}
        )
    first, last = rows[0], rows[-1]
    result.table("A look at made galleries of 384 dimensions and 100 classes, 2 % flipped", rows)
    growth = np.log(last["processor seconds"] / first["processor seconds"])
    exponent = float(growth / np.log(last["references"] / first["references"]))
    result.target(
        f"{last['references']:,} references",
        reach="60 s on two cores",
        got=f"{last['processor seconds']:.1f} s of processor, exponent {exponent:.2f}",
        met=last["processor seconds"] < 60,
    )


if __name__ == "__main__":
    main()
