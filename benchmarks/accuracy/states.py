"""How many answers are answered, unsure and unknown, and how many of them are right.

    python -m benchmarks.accuracy.states --sets FOLDER [--choosing] [--draws 5]

References are the pictures of a set's `train` part, a fifth of the classes held out; `retrain`
trains on them with its defaults. Asked are the `val` parts: pictures of the classes that are
there (known), of those that were held out (near strangers), and of the other sets (far ones).
With `--choosing` only the `train` parts are looked at, split 80/20: settings are chosen there.

Shapes: Q queries.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.backbones import LITE0, add_backbone_options, open_encoder
from benchmarks.accuracy.features import Features, features_of
from benchmarks.accuracy.measure import STRANGERS
from benchmarks.accuracy.product import trained_gallery
from benchmarks.accuracy.sets import add_set_options, find_sets
from benchmarks.accuracy.splits import Strangers, without_classes
from benchmarks.harness import Result, benchmark
from classify.answering.answers import Answer, State
from classify.answering.classifier import Classifier
from classify.answering.modes import Mode
from classify.answering.options import QueryOptions

KNOWN, NEAR, FAR = "known", "near strangers", "far strangers"
STATES: tuple[State, ...] = get_args(State)
LEVELS = (0.95, 0.98, 0.99, 0.995)
"""Of `--unknown-at`, for what it trades."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Q answers to one kind of query by one mode."""

    set_name: str
    mode: Mode
    kind: str
    state: npt.NDArray[np.str_]
    """(Q,)."""
    right: npt.NDArray[np.bool_]
    """(Q,) whether the most probable label is the true one."""
    stranger_than: npt.NDArray[np.float64]
    """(Q,) share of the references that are less strange."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_set_options(parser)
    add_backbone_options(parser)
    parser.add_argument("--draws", type=int, default=5, help="draws of held-out classes")
    parser.add_argument("--choosing", action="store_true", help="look at the train parts alone")
    options = parser.parse_args()
    encoder = open_encoder((options.backbone or [LITE0])[0], options.image_size)
    features = [features_of(found, encoder) for found in find_sets(options.sets, options.only)]
    if options.choosing:
        features = [found.of_part("train") for found in features]
    with benchmark("states", options) as result:
        asked = []
        for seed in range(options.draws):
            for found in features:
                asked += ask(found, features, seed=seed, choosing=options.choosing)
                print(f"{found.name}, draw {seed}", flush=True)
        tell(result, asked)


def ask(
    of: Features, features: Sequence[Features], *, seed: int, choosing: bool
) -> Iterator[Asked]:
    """One gallery, asked for everything in every mode."""
    split = without_classes(of, seed, share=STRANGERS) if choosing else _of_val(of, seed)
    others = [f if choosing else f.of_part("val") for f in features if f.name != of.name]
    kinds = {
        KNOWN: (of.unit[split.known], of.labels[split.known]),
        NEAR: (of.unit[split.unknown], of.labels[split.unknown]),
        FAR: (np.concatenate([f.unit for f in others]), np.concatenate([f.labels for f in others])),
    }
    with trained_gallery(of, split.references, seed=seed) as store:
        classifier = Classifier(store)
        for mode in Mode:
            for kind, (vectors, labels) in kinds.items():
                answers = classifier.classify(vectors, QueryOptions(mode=mode, evidence=0))
                yield _asked(of.name, mode, kind, answers, labels)


def _of_val(features: Features, seed: int) -> Strangers:
    """The set's own parts, a share of the classes held out."""
    split = without_classes(features, seed, share=STRANGERS)
    held_out = np.isin(features.codes, features.codes[split.unknown])
    val = features.parts == "val"
    return Strangers(
        references=np.flatnonzero(~val & ~held_out),
        known=np.flatnonzero(val & ~held_out),
        unknown=np.flatnonzero(val & held_out),
    )


def _asked(
    name: str, mode: Mode, kind: str, answers: Sequence[Answer], labels: npt.NDArray[np.str_]
) -> Asked:
    return Asked(
        set_name=name,
        mode=mode,
        kind=kind,
        state=np.array([answer.state for answer in answers]),
        right=np.array([a.best == label for a, label in zip(answers, labels, strict=True)]),
        stranger_than=np.array([a.novelty.stranger_than if a.novelty else 0.0 for a in answers]),
    )


def tell(result: Result, asked: Sequence[Asked]) -> None:
    """The tables, and what was to be reached."""
    names = dict.fromkeys(one.set_name for one in asked)
    rows, levels, least_apart, most_lost = [], [], 1.0, 0.0
    for name in names:
        for mode in Mode:
            kinds = {kind: _pooled(asked, name, mode, kind) for kind in (KNOWN, NEAR, FAR)}
            rows += [_row(name, mode, kind, found) for kind, found in kinds.items()]
            known = kinds[KNOWN]
            sure = known.right[known.state == "answered"].mean()
            least_apart = min(least_apart, sure - known.right[known.state == "unsure"].mean())
            most_lost = max(most_lost, float((known.state == "unknown").mean()))
        levels += [
            _levels(name, kind, _pooled(asked, name, Mode.AUTO, kind))
            for kind in (KNOWN, NEAR, FAR)
        ]
    result.table("Share of the queries in each state, and of right answers in it", rows)
    result.table("Share of the queries that is unknown, by --unknown-at", levels)
    result.target("answered over unsure, known queries", reach="right more often everywhere",
                  got=f"at least {100 * least_apart:+.0f} points",
                  met=bool(least_apart > 0))  # fmt: skip
    result.target("known queries called unknown", reach="at most 3 % on every set",
                  got=f"at most {most_lost:.1%}", met=most_lost <= 0.03)  # fmt: skip


def _pooled(asked: Sequence[Asked], name: str, mode: Mode, kind: str) -> Asked:
    mine = [a for a in asked if (a.set_name, a.mode, a.kind) == (name, mode, kind)]
    return Asked(
        set_name=name,
        mode=mode,
        kind=kind,
        state=np.concatenate([one.state for one in mine]),
        right=np.concatenate([one.right for one in mine]),
        stranger_than=np.concatenate([one.stranger_than for one in mine]),
    )


def _row(name: str, mode: Mode, kind: str, found: Asked) -> Mapping[str, str | int]:
    row: dict[str, str | int] = {
        "set": name,
        "mode": str(mode),
        "queries": kind,
        "n": len(found.state),
    }
    for state in STATES:
        inside = found.state == state
        row[state] = f"{inside.mean():.3f}"
        if kind == KNOWN:
            row[f"right if {state}"] = f"{found.right[inside].mean():.3f}" if inside.any() else "-"
        else:
            row[f"right if {state}"] = ""
    return row


def _levels(name: str, kind: str, found: Asked) -> Mapping[str, str]:
    shares = {f"{level:.1%}": f"{(found.stranger_than >= level).mean():.3f}" for level in LEVELS}
    return {"set": name, "queries": kind, **shares}


if __name__ == "__main__":
    main()
