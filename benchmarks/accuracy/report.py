"""Tables and targets of the accuracy benchmark."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.accuracy.features import Features
from benchmarks.accuracy.figures import (
    Pooled,
    auroc,
    binomial_interval,
    calibration_error,
    error_if_perfect,
    mean_of,
    paired,
)
from benchmarks.accuracy.measure import TUTORIAL_BEST, TUTORIAL_KNN, TUTORIAL_LAST, Measured
from benchmarks.accuracy.product import CALIBRATED, COVERAGE, ESTIMATOR, PRECISION
from benchmarks.harness import Result

KNN, HEAD, AUTO = "k-NN, learned metric", "head", "auto"
LARGEST_CALIBRATION_ERROR = 0.05

Row = dict[str, str | float]


def one_line(measured: Measured) -> str:
    """A sign of life."""
    split = "given parts" if measured.seed is None else f"split {measured.seed}"
    if measured.strangers:
        return f"{measured.set_name}, {split}, strangers"
    shown = {way: measured.found[way]["right"].mean() for way in (TUTORIAL_LAST, KNN, HEAD, AUTO)}
    return f"{measured.set_name}, {split}: " + ", ".join(f"{w} {v:.3f}" for w, v in shown.items())


def tell(result: Result, features: Sequence[Features], done: Sequence[Measured]) -> None:
    """Everything that was measured with one backbone."""
    compared = [measured for measured in done if not measured.strangers]
    sets = [_pooled(f, [m for m in compared if m.seed is not None]) for f in features]
    own_parts = [_pooled(f, [m for m in compared if m.seed is None]) for f in features]
    _accuracy(result, sets)
    _differences(result, sets)
    result.table("The sets' own parts: references from train, queries from val",
                 _accuracy_rows(own_parts))  # fmt: skip
    _estimator(result, [*sets, *own_parts])
    _trust(result, "random splits", sets)
    _trust(result, "the sets' own parts", own_parts)
    _strangers(result, features, [measured for measured in done if measured.strangers])


def _pooled(features: Features, measured: Sequence[Measured]) -> Pooled:
    mine = [m for m in measured if m.set_name == features.name]
    return Pooled(features, tuple(sorted(mine, key=lambda m: m.seed or 0)))


def _accuracy(result: Result, sets: Sequence[Pooled]) -> None:
    n = len(sets[0].splits)
    result.table(f"Accuracy, mean of {n} random splits", _accuracy_rows(sets))
    result.table(
        "Macro accuracy, the same splits",
        [_row(way, {s.features.name: s.macro_accuracy(way) for s in sets}) for way in _ways(sets)],
    )


def _accuracy_rows(sets: Sequence[Pooled]) -> list[Row]:
    return [_row(way, {s.features.name: s.accuracy(way) for s in sets}) for way in _ways(sets)]


def _ways(sets: Sequence[Pooled]) -> list[str]:
    return list(sets[0].splits[0].found)


def _row(way: str, values: dict[str, float]) -> Row:
    shown = {name: f"{value:.3f}" for name, value in values.items()}
    return {"": way, **shown, "mean": f"{mean_of(values):.3f}"}


def _differences(result: Result, sets: Sequence[Pooled]) -> None:
    pairs = [
        (KNN, TUTORIAL_KNN),
        (HEAD, TUTORIAL_LAST),
        (HEAD, TUTORIAL_BEST),
        (AUTO, TUTORIAL_LAST),
        (AUTO, TUTORIAL_BEST),
        (AUTO, HEAD),
        (KNN, "k-NN, learned metric, weighted vote"),
    ]
    rows = []
    for way, other in pairs:
        each = {s.features.name: paired([s], way, other).points() for s in sets}
        rows.append({"points of": way, "over": other, **each,
                     "mean": paired(sets, way, other).points()})  # fmt: skip
    result.table("Paired differences in points, with 95 % bootstrap intervals", rows)
    for way, other, least in ((KNN, TUTORIAL_KNN, 6.5), (HEAD, TUTORIAL_LAST, 2.5),
                              (AUTO, TUTORIAL_LAST, 3.0)):  # fmt: skip
        gain = paired(sets, way, other)
        result.target(f"{way} over {other}", reach=f"{least:+.1f} points", got=gain.points(),
                      met=100 * gain.value >= least)  # fmt: skip
    lowest = min(paired([s], HEAD, TUTORIAL_BEST).value for s in sets)
    result.target(f"{HEAD} over {TUTORIAL_BEST} on every set", reach="not below",
                  got=f"at least {100 * lowest:+.1f} points", met=lowest >= 0)  # fmt: skip


def _estimator(result: Result, sets: Sequence[Pooled]) -> None:
    """The scikit-learn estimator and a gallery, asked the same."""
    rows, same = [], []
    for pooled in sets:
        theirs, ours = pooled.all(ESTIMATOR, "label"), pooled.all(AUTO, "label")
        apart = pooled.all(ESTIMATOR, "confidence") - pooled.all(AUTO, "confidence")
        same.append(float((theirs == ours).mean()))
        own = pooled.splits[0].seed is None
        rows.append({
            "set": pooled.features.name,
            "splits": "its own parts" if own else f"{len(pooled.splits)} random",
            "accuracy, gallery": f"{pooled.accuracy(AUTO):.4f}",
            "accuracy, estimator": f"{pooled.accuracy(ESTIMATOR):.4f}",
            "answers": len(ours),
            "other label": int((theirs != ours).sum()),
            "confidence apart, at most": f"{np.abs(apart).max():.1e}",
        })  # fmt: skip
    result.table("The estimator and a gallery, auto, asked the same", rows)
    result.target("answers of estimator and gallery with one label", reach="0.999",
                  got=f"at least {min(same):.4f}", met=min(same) >= 0.999)  # fmt: skip


def _trust(result: Result, what: str, sets: Sequence[Pooled]) -> None:
    rows, errors, outside = [], [], []
    for pooled in sets:
        for way in CALIBRATED:
            right, said = pooled.all(way, "right"), ~pooled.all(way, "abstained").astype(bool)
            covered = float(pooled.all(way, "covered").mean())
            errors.append(calibration_error(pooled.all(way, "confidence"), right))
            # The splits share pictures: what counts is how many different ones there are.
            n = len(np.unique(np.concatenate([split.queries for split in pooled.splits])))
            low, high = binomial_interval(n, COVERAGE)
            if not low <= covered <= high:
                outside.append(f"{pooled.features.name} {way} {covered:.3f}")
            rows.append({
                "set": pooled.features.name,
                "": way,
                "calibration error": f"{errors[-1]:.3f}",
                "of perfect ones": f"{error_if_perfect(pooled.all(way, 'confidence')):.3f}",
                f"in the {COVERAGE:.0%} set": f"{covered:.3f}",
                "binomial": f"{low:.3f} to {high:.3f}",
                "labels in it": f"{pooled.all(way, 'set size').mean():.1f}",
                f"answered at {PRECISION:.0%}": f"{said.mean():.3f}",
                "right of those": f"{right[said].mean():.3f}" if said.any() else "none",
            })  # fmt: skip
    result.table(f"Calibration, label sets and abstention: {what}", rows)
    largest = max(errors)
    result.target(f"calibration error, {what}", reach=f"at most {LARGEST_CALIBRATION_ERROR}",
                  got=f"{largest:.3f}", met=largest <= LARGEST_CALIBRATION_ERROR)  # fmt: skip
    result.target(f"coverage of {COVERAGE:.0%} sets, {what}", reach="in the binomial interval",
                  got="; ".join(outside) or "all inside", met=not outside)  # fmt: skip


def _strangers(result: Result, features: Sequence[Features], drawn: Sequence[Measured]) -> None:
    if not drawn:
        return
    rows, gains = [], []
    for way in drawn[0].found:
        values = {f.name: auroc([m for m in drawn if m.set_name == f.name], way) for f in features}
        rows.append(_row(way, values))
        gains.append(values)
    draws = len(drawn) // len(features)
    result.table(f"AUROC, a fifth of the classes held out, {draws} draws", rows)
    novelty, softmax = gains[0], gains[1]
    least = min(novelty[name] - softmax[name] for name in novelty)
    result.target("novelty over the largest softmax on every set", reach="above",
                  got=f"at least {least:+.3f} AUROC", met=least > 0)  # fmt: skip
