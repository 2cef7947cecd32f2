"""Few references: what a class that was just added is worth, and what scores claim.

    python -m benchmarks.newcomers --sets FOLDER [--draws 8] [--first 0] [--trained 8]

Galleries are drawn from the train parts, real ones with real retrains, and asked in auto mode,
whose parts are the answers of k-NN and head. Queries are pictures of the same classes that are
no reference and no near-duplicate of one.

1. New classes: a head is trained on eight classes (`--trained`) of 25 references (fewer where a
   set has fewer); three more classes then come with 1, 2, 3, 5 and 10 references (`--given`), one
   by one and all at once. Told are the recall of the new class, what the old classes lose, and
   the calibration error on the new class's queries; beside it 1-NN by the same metric.
2. Small galleries: 15 classes of 2, 3, 5, 10 and 20 references, trained and asked: accuracy,
   mean score, calibration error, log loss, and the highest score of any answer. Left out where
   `--trained` is not eight.

Nothing was chosen on these draws (`docs/LAB.md`).
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.backbones import LITE0, add_backbone_options, open_encoder
from benchmarks.accuracy.features import Features, features_of
from benchmarks.accuracy.product import reference_of, trained_gallery
from benchmarks.accuracy.sets import add_set_options, find_sets
from benchmarks.harness import Result, benchmark
from classify.answering.answers import LabelScore
from classify.answering.classifier import Classifier
from classify.answering.modes import Mode
from classify.answering.options import QueryOptions
from head.trust.reliability import calibration_error, reliability
from head.versions import registry
from holotype.knn import nearest
from holotype.references import Codes, Where
from holotype.store.port import VectorStore

OLD_CLASSES, OLD_REFERENCES = 8, 25
NEW_CLASSES, GIVEN = 3, (1, 2, 3, 5, 10)
REACH = {1: 0.60, 2: 0.70, 3: 0.75, 5: 0.80, 10: 0.85}
"""Recall of a new class beside eight."""
SMALL_CLASSES, SIZES = 15, (2, 3, 5, 10, 20)
ASKED_AT_MOST = 20
"""Queries of a class."""
LEAST = 1e-6
"""Probability whose logarithm is taken where a label was not named at all."""
MODES = (Mode.AUTO, Mode.KNN, Mode.LINEAR)


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """Q answers of one mode."""

    right: npt.NDArray[np.bool_]
    confidence: npt.NDArray[np.float64]
    true: npt.NDArray[np.float64]
    """Probability of the true label."""

    def of(self, rows: npt.NDArray[np.bool_]) -> Told:
        """Some of them."""
        return Told(self.right[rows], self.confidence[rows], self.true[rows])

    @classmethod
    def joined(cls, parts: Sequence[Told]) -> Told:
        """All of them."""
        return cls(
            np.concatenate([part.right for part in parts]),
            np.concatenate([part.confidence for part in parts]),
            np.concatenate([part.true for part in parts]),
        )

    @property
    def error(self) -> float:
        """Of calibration."""
        return calibration_error(reliability(self.confidence, self.right))


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Row numbers of a gallery, by class, and queries that are like none of its references."""

    references: Mapping[int, Codes]
    queries: Mapping[int, Codes]

    def rows(self, classes: Sequence[int]) -> Codes:
        """References of these classes."""
        return np.concatenate([self.references[c] for c in classes])

    def asked(self, classes: Sequence[int]) -> Codes:
        """Queries of these classes."""
        return np.concatenate([self.queries[c] for c in classes])


def main() -> None:
    """Measure both on every set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_set_options(parser)
    add_backbone_options(parser)
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--first", type=int, default=0, help="number of the first draw")
    parser.add_argument("--step", type=int, default=1, help="from one draw's number to the next")
    parser.add_argument("--trained", type=int, default=OLD_CLASSES, help="classes of the head")
    parser.add_argument("--given", type=int, nargs="+", default=GIVEN, help="references of a new")
    options = parser.parse_args()
    draws = range(options.first, options.first + options.draws * options.step, options.step)
    with benchmark("newcomers", options) as result:
        encoder = open_encoder(LITE0, options.image_size)
        sets = [
            features_of(found, encoder).of_part("train")
            for found in find_sets(options.sets, options.only)
        ]
        new: list[Mapping[str, Any]] = []
        for draw in draws:
            for features in sets:
                new += new_classes(features, draw, trained=options.trained, given=options.given)
                print(f"new classes, draw {draw}, {features.name}", flush=True)
            tell_new(result, new, options.given)
        if options.trained != OLD_CLASSES:
            return
        small: list[tuple[int, Mode, Told]] = []
        for draw in draws:
            for features in sets:
                small += small_galleries(features, draw)
                print(f"small galleries, draw {draw}, {features.name}", flush=True)
        tell_small(result, small)


def new_classes(
    features: Features, draw: int, *, trained: int, given: Sequence[int]
) -> Iterator[Mapping[str, Any]]:
    """One gallery: what each new class and all of them together are answered, at each size."""
    rng = np.random.default_rng([draw, len(features)])
    classes = [c for c, n in enumerate(np.bincount(features.codes)) if n > max(GIVEN) + 5]
    n_old = min(trained, len(classes) - NEW_CLASSES)
    chosen = rng.permutation(classes)[: n_old + NEW_CLASSES].tolist()
    old, new = chosen[:n_old], chosen[n_old:]
    sizes = dict.fromkeys(old, OLD_REFERENCES) | dict.fromkeys(new, max(given))
    drawn = draw_rows(features, sizes, rng)
    with trained_gallery(features, drawn.rows(old), seed=draw) as store:
        classifier = Classifier(store)
        before = ask(classifier, features, drawn.asked(old))
        for n in given:
            for newcomers in [*([c] for c in new), new]:
                rows = np.concatenate([drawn.references[c][:n] for c in newcomers])
                store.add([reference_of(features, row) for row in rows.tolist()])
                queries = drawn.asked([*old, *newcomers])
                is_new = np.isin(features.codes[queries], newcomers)
                nearest = by_nearest(store, features, np.r_[drawn.rows(old), rows], queries)
                for mode, told in ask(classifier, features, queries).items():
                    yield {
                        "set": features.name,
                        "draw": draw,
                        "mode": mode,
                        "given": n,
                        "at once": len(newcomers),
                        "new": told.of(is_new),
                        "old": told.of(~is_new),
                        "before": before[mode],
                        "nearest new": nearest[is_new],
                        "nearest old": nearest[~is_new],
                    }
                for c in newcomers:
                    store.remove(where=Where.equal("label", label_of(features, c)))


def small_galleries(features: Features, draw: int) -> Iterator[tuple[int, Mode, Told]]:
    """Balanced galleries of each size, trained and asked."""
    for size in SIZES:
        rng = np.random.default_rng([draw, len(features), size])
        classes = [c for c, n in enumerate(np.bincount(features.codes)) if n >= size + 4]
        chosen = rng.permutation(classes)[:SMALL_CLASSES].tolist()
        drawn = draw_rows(features, dict.fromkeys(chosen, size), rng)
        with trained_gallery(features, drawn.rows(chosen), seed=draw) as store:
            for mode, told in ask(Classifier(store), features, drawn.asked(chosen)).items():
                yield size, mode, told


def draw_rows(features: Features, sizes: Mapping[int, int], rng: np.random.Generator) -> Drawn:
    """So many references of each class, leaving five queries at least, and its queries."""
    references, queries = {}, {}
    for c, wanted in sizes.items():
        rows = rng.permutation(np.flatnonzero(features.codes == c))
        n = min(wanted, len(rows) - 5)
        references[c] = rows[:n]
        rest = rows[n:]
        alone = ~np.isin(features.groups[rest], features.groups[rows[:n]])
        queries[c] = rest[alone][:ASKED_AT_MOST]
    return Drawn(references, queries)


def ask(classifier: Classifier, features: Features, queries: Codes) -> dict[Mode, Told]:
    """The answers of auto mode and those of its parts."""
    options = QueryOptions(mode=Mode.AUTO, top=len(set(features.labels.tolist())), evidence=0)
    answers = classifier.classify(features.unit[queries], options)
    labels = features.labels[queries].tolist()
    scores: dict[Mode, list[Sequence[LabelScore]]] = defaultdict(list)
    for answer in answers:
        scores[Mode.AUTO].append(answer.scores)
        for part in answer.parts:
            scores[part.mode].append(part.scores)
    return {
        mode: Told(
            right=np.array([s[0].label == t for s, t in zip(found, labels, strict=True)]),
            confidence=np.array([s[0].score for s in found]),
            true=np.array(
                [
                    next((one.score for one in s if one.label == t), 0.0)
                    for s, t in zip(found, labels, strict=True)
                ]
            ),
        )
        for mode, found in scores.items()
    }


def by_nearest(
    store: VectorStore, features: Features, references: Codes, queries: Codes
) -> npt.NDArray[np.bool_]:
    """Whether the nearest reference by the head's metric has the right label."""
    head = registry.active(store)
    assert head is not None
    assert head.metric is not None
    whitened = head.metric.whiten(features.unit)
    found = nearest(whitened[queries], whitened[references], r=1).rows[:, 0]
    return np.asarray(features.codes[references][found] == features.codes[queries])


def label_of(features: Features, c: int) -> str:
    """A class's name."""
    return str(features.labels[features.codes == c][0])


def tell_new(result: Result, found: Sequence[Mapping[str, Any]], given: Sequence[int]) -> None:
    """The tables of new classes, and what was to be reached."""
    for at_once in (1, NEW_CLASSES):
        rows: list[dict[str, Any]] = []
        for mode in MODES:
            for n in given:
                some = [
                    f for f in found if (f["mode"], f["given"], f["at once"]) == (mode, n, at_once)
                ]
                rows.append({"mode": mode.value, "references": n} | summary(some))
        result.table(f"New classes, {at_once} at a time", rows)
        for row in rows[: len(given)]:
            m = int(row["references"])
            if m not in REACH:
                continue
            error = {1: 0.1, 5: 0.05, 10: 0.05}.get(m, 1.0)
            result.target(
                f"{at_once} at a time, {m} references",
                reach=f"recall {REACH[m]:.2f}, old classes -1.0 points, error {error}",
                got=f"{row['recall']:.3f}, {row['old classes, points']:+.1f}, "
                f"{row['calibration error, new']:.3f}",
                met=row["recall"] >= REACH[m]
                and row["old classes, points"] >= -1.0
                and row["calibration error, new"] <= error,
            )


def summary(some: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Means over galleries; calibration errors of all their answers together."""
    new, old = (Told.joined([f[key] for f in some]) for key in ("new", "old"))
    before = [f["before"].right.mean() for f in some]
    lost = [f["old"].right.mean() - b for f, b in zip(some, before, strict=True)]
    nearest = [f["nearest old"].mean() - b for f, b in zip(some, before, strict=True)]
    return {
        "recall": round(float(np.mean([f["new"].right.mean() for f in some])), 3),
        "old classes, points": round(100 * float(np.mean(lost)), 1),
        "old classes before": round(float(np.mean(before)), 3),
        "calibration error, new": round(new.error, 3),
        "calibration error, old": round(old.error, 3),
        "1-NN's recall": round(float(np.mean([f["nearest new"].mean() for f in some])), 3),
        "1-NN on old, points": round(100 * float(np.mean(nearest)), 1),
    }


def tell_small(result: Result, found: Sequence[tuple[int, Mode, Told]]) -> None:
    """The table of small galleries."""
    rows = []
    for mode in MODES:
        for size in SIZES:
            told = Told.joined([t for s, m, t in found if (s, m) == (size, mode)])
            rows.append(
                {
                    "mode": mode.value,
                    "references a class": size,
                    "accuracy": round(float(told.right.mean()), 3),
                    "mean score": round(float(told.confidence.mean()), 3),
                    "calibration error": round(told.error, 3),
                    "log loss": round(float(-np.log(np.maximum(told.true, LEAST)).mean()), 3),
                    "highest score": round(float(told.confidence.max()), 5),
                }
            )
    result.table("Small galleries", rows)


if __name__ == "__main__":
    main()
