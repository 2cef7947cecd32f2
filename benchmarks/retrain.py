"""Training a head against scikit-learn: LDA, and one logistic regression.

    python -m benchmarks retrain [--references 5000 --classes 50] [--full]
    python -m benchmarks retrain --references 1000000 --statistics
    python -m benchmarks retrain --jobs [--rounds 5]

Long-tailed synthetic classes (`benchmarks.synthetic`); accuracy is on others of the same
classes. The library's search compares LDA, logistic regressions of every strength and their
average by cross-validation and fits the best; scikit-learn fits once, with one C.
`--jobs` times the whole command on small galleries instead (`benchmarks.retrain_jobs`).
`--full` is 100,000 references of 1,000 classes, for hours that nobody needs the machine.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import retrain_jobs, synthetic
from benchmarks.harness import Result, benchmark, in_turns, reset_peak, resident_mib
from benchmarks.synthetic import Synthetic
from head.choice.cross_validation import within_everything
from head.choice.refit import Refit
from head.choice.selection import choose
from head.data.training_set import TrainingSet
from head.fit.lda import discriminants
from head.fit.options import TrainOptions
from head.fit.statistics import gather, within_class
from holotype.references import Vectors

HELD_OUT = 5_000
C = 10.0
"""Of scikit-learn's single fit, between its default and what unit vectors like best."""

LIMIT_GIB = 4.0
SHRINKAGE = 0.5

Predict = Callable[[Vectors], npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Fit:
    """One way of training, done once."""

    name: str
    seconds: float
    processor: float
    accuracy: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--references", type=int, default=5_000)
    parser.add_argument("--classes", type=int, default=50)
    parser.add_argument("--full", action="store_true", help="100,000 of 1,000 classes")
    parser.add_argument("--statistics", action="store_true", help="LDA and metric only")
    parser.add_argument("--jobs", action="store_true", help="the command, on small galleries")
    parser.add_argument("--rounds", type=int, default=5, help="of --jobs")
    options = parser.parse_args()
    if options.full:
        options.references, options.classes = 100_000, 1_000
    with benchmark("retrain", options) as result:
        if options.jobs:
            retrain_jobs.measure(result, rounds=options.rounds)
        else:
            train_alone(result, options)


def train_alone(result: Result, options: argparse.Namespace) -> None:
    """Without a gallery or a process."""
    data = synthetic.make(options.references, classes=options.classes)
    held_out = synthetic.make(HELD_OUT, classes=options.classes, seed=1)
    if options.statistics:
        statistics_alone(result, data, held_out, options.classes)
    else:
        against_lda(result, data, held_out, options.classes)
        against_one_fit(result, data, held_out, options.classes)


def statistics_alone(result: Result, data: Synthetic, held_out: Synthetic, classes: int) -> None:
    """The streaming pass: time and memory."""
    reset_peak()
    fit = fitted("statistics, LDA, metric", lambda: our_lda(data, classes), held_out)
    peak = resident_mib("VmHWM") / 1024
    result.table(
        f"{len(data):,} x {synthetic.DIMENSION}, {classes:,} classes",
        [row(fit) | {"peak resident GiB": peak}],
    )
    result.target(
        f"memory at {len(data):,} references",
        reach="under 4 GiB resident",
        got=f"{peak:.2f} GiB, the vectors included",
        met=peak < LIMIT_GIB,
    )


def against_lda(result: Result, data: Synthetic, held_out: Synthetic, classes: int) -> None:
    """Statistics, LDA and metric, in turns with scikit-learn's LDA."""
    series = in_turns(
        {
            "statistics, LDA, metric": lambda _: our_lda(data, classes),
            "scikit-learn LDA": lambda _: their_lda(data),
        },
        rounds=3,
        warm=0,
    )
    accuracies = {
        "statistics, LDA, metric": accuracy(our_lda(data, classes), held_out),
        "scikit-learn LDA": accuracy(their_lda(data), held_out),
    }
    ratio = series["statistics, LDA, metric"].over(series["scikit-learn LDA"])
    rows = [
        {
            "training": name,
            "s": mine.p50,
            "processor s": mine.work,
            "x scikit-learn": mine.over(series["scikit-learn LDA"]),
            "accuracy": round(accuracies[name], 4),
        }
        for name, mine in series.items()
    ]
    result.table(f"Closed form, {len(data):,} references of {classes:,} classes", rows)
    seconds = series["statistics, LDA, metric"].p50
    result.target(
        "LDA and metric against scikit-learn's LDA",
        reach="a tenth of its time, or 30 s",
        got=f"{ratio:.2f}x, {seconds:.1f} s",
        met=ratio <= 0.1 or seconds <= 30,
    )


def against_one_fit(result: Result, data: Synthetic, held_out: Synthetic, classes: int) -> None:
    """The whole candidate search against one logistic regression of scikit-learn."""
    ours = fitted("all candidates, and a final fit", lambda: our_head(data), held_out)
    theirs = fitted(f"scikit-learn lbfgs, C = {C:g}", lambda: their_logistic(data), held_out)
    result.table(
        f"Iterative, {len(data):,} references of {classes:,} classes", [row(ours), row(theirs)]
    )
    result.target(
        "the whole candidate search against scikit-learn's single fit",
        reach="less time, accuracy not lower",
        got=f"{ours.seconds / theirs.seconds:.2f}x the time "
        f"({ours.processor / theirs.processor:.2f}x of the processor), "
        f"{ours.accuracy:.4f} against {theirs.accuracy:.4f}",
        met=ours.seconds < theirs.seconds and ours.accuracy >= theirs.accuracy,
    )


def fitted(name: str, work: Callable[[], Predict], held_out: Synthetic) -> Fit:
    """Train once, and score."""
    started, busy = time.perf_counter(), time.process_time()
    predict = work()
    seconds, processor = time.perf_counter() - started, time.process_time() - busy
    return Fit(name, seconds, processor, accuracy(predict, held_out))


def row(fit: Fit) -> dict[str, Any]:
    """A line of the table."""
    return {
        "training": fit.name,
        "s": fit.seconds,
        "processor s": fit.processor,
        "accuracy": round(fit.accuracy, 4),
    }


def accuracy(predict: Predict, held_out: Synthetic) -> float:
    """Share of held-out vectors that get their class."""
    return float((predict(held_out.vectors) == held_out.codes).mean())


def our_lda(data: Synthetic, classes: int) -> Predict:
    """Statistics in one pass, the LDA layer, and the whitening that is the metric."""
    parts = np.zeros(len(data), dtype=np.int64)
    moments = gather(data.vectors, data.codes, parts, n_classes=classes)[0]
    within = within_class(moments, data.vectors, data.codes)
    assert within is not None
    within = within.shrunk_at_least(SHRINKAGE)
    within.whitening()
    layer = discriminants(within)
    seen = moments.counts > 0
    return lambda vectors: np.where(seen, layer.logits(vectors), -np.inf).argmax(axis=1)


def our_head(data: Synthetic) -> Predict:
    """What `retrain` trains."""
    names, codes = np.unique(data.codes, return_inverse=True)
    numbers = np.arange(len(data))
    training = TrainingSet(
        labels=tuple(f"class{name:04}" for name in names),
        vectors=data.vectors,
        codes=codes.astype(np.int64),
        groups=numbers,
        marks=numbers,
    )
    choice = choose(training)
    for candidate in choice.candidates:
        print(f"  {candidate.name}: {candidate.scores.accuracy:.4f} out of fold", flush=True)
    search = choice.search
    within = within_everything(training, search.features, search.span)
    within = None if within is None else within.shrunk_at_least(search.shrinkage)
    layer = Refit(training, search, within, TrainOptions()).winner(choice.winner)
    return lambda vectors: names[layer.logits(search.features.of(vectors)).argmax(axis=1)]


def their_lda(data: Synthetic) -> Predict:
    """scikit-learn's LDA as it comes."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    model = LinearDiscriminantAnalysis().fit(data.vectors, data.codes)
    return lambda vectors: model.predict(vectors)


def their_logistic(data: Synthetic) -> Predict:
    """scikit-learn's logistic regression as it comes, with one C."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=C, solver="lbfgs")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it ends after 100 steps
        model.fit(data.vectors, data.codes)
    return lambda vectors: model.predict(vectors)


if __name__ == "__main__":
    main()
