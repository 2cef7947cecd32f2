"""A person at the page's suspects: wrong labels set right, and what that takes in keystrokes.

    python -m benchmarks curating --sets FOLDER [--only pollen] [--draws 5 --wrong 30]

Labels of a set's train part are exchanged, for any other class (`any`), or every second of them
for the class whose mean is nearest (`half nearest`). A person who knows the truth then goes
through the page's list as it is (`classify.service.still_open`): Enter where the proposed label
is true of all that is shown, K where it is true of none, and one by one where it is true of some.
Told are the wrong labels that are right after fewer than 40 keystrokes, and the mean recall over
classes of the next head on the val part. Nothing was chosen on these draws (`docs/LAB.md`).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.accuracy.backbones import LITE0, add_backbone_options, open_encoder
from benchmarks.accuracy.features import Features, features_of
from benchmarks.accuracy.sets import add_set_options, find_sets
from benchmarks.harness import benchmark
from classify.service.curation import OPTIONS
from curate.out_of_fold import out_of_fold
from curate.suspects import ABOVE, Cohort, find_suspects
from curate.view import GalleryView
from head.train import train
from holotype.columns import References
from holotype.references import Codes

KEYS = 40
KINDS = ("any", "half nearest")


def main() -> None:
    """Measure every set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_set_options(parser)
    add_backbone_options(parser)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--first", type=int, default=1000, help="number of the first draw")
    parser.add_argument("--wrong", type=int, default=30)
    options = parser.parse_args()
    with benchmark("curating", options) as result:
        encoder = open_encoder(LITE0, options.image_size)
        for found in find_sets(options.sets, options.only):
            features = features_of(found, encoder)
            rows = [
                path(features, kind, draw, options.wrong)
                for kind in KINDS
                for draw in range(options.first, options.first + options.draws)
            ]
            result.table(f"{found.name}: {options.wrong} wrong labels", rows)


def path(features: Features, kind: str, draw: int, wrong: int) -> Mapping[str, Any]:
    """One gallery, its person, and three heads."""
    known, asked = features.of_part("train"), features.of_part("val")
    names, true = np.unique(known.labels, return_inverse=True)
    given = exchanged(known, true, kind, np.random.default_rng(draw), wrong)
    view = view_of(known, names[given])
    found = find_suspects(view, out_of_fold(view.training), above=OPTIONS["suspects"]["above"])
    after, keys, decisions = decided(view, found.cohorts, names, given, true)

    def recall(codes: Codes) -> float:
        head = train(view_of(known, names[codes]).training)
        answers = np.array(head.labels)[head.probabilities(asked.unit).argmax(axis=1)]
        right = answers == asked.labels
        return float(np.mean([right[asked.labels == name].mean() for name in names]))

    return {
        "kind": kind,
        "draw": draw,
        "decisions listed": decisions,
        "keystrokes": keys,
        "set right": int((given != true).sum() - (after != true).sum()),
        "recall, true labels": round(recall(true), 3),
        "wrong labels": round(recall(given), 3),
        "set right by keys": round(recall(after), 3),
    }


def exchanged(
    known: Features, true: Codes, kind: str, rng: np.random.Generator, wrong: int
) -> Codes:
    """(N,) labels of which some are wrong."""
    classes = int(true.max()) + 1
    means = np.stack([known.unit[true == code].mean(axis=0) for code in range(classes)])
    likeness = means @ means.T - 2 * np.eye(classes)
    given = true.copy()
    for place, row in enumerate(rng.permutation(len(true))[:wrong]):
        other = (true[row] + 1 + rng.integers(classes - 1)) % classes
        near = kind == KINDS[1] and place % 2
        given[row] = likeness[true[row]].argmax() if near else other
    return given


def view_of(known: Features, labels: Any) -> GalleryView:
    """The pictures under these labels, as a gallery has them."""
    ids = [f"{digest[:8]}-{digest[8:12]}-{digest[12:24]}" for digest in known.digests]
    return GalleryView.of(
        References(
            ids, np.asarray(known.unit, np.float32), list(map(str, labels)), [None] * len(ids)
        )
    )


def decided(
    view: GalleryView, cohorts: list[Cohort], names: Any, given: Codes, true: Codes
) -> tuple[Codes, int, int]:
    """Labels after fewer than `KEYS` keystrokes, how many there were, and decisions listed."""
    row_of = {id_: row for row, id_ in enumerate(view.ids)}
    code_of = {str(name): code for code, name in enumerate(names)}
    parts = []
    for likely in (True, False):
        some = [[m for m in one.members if (m.p_wrong >= ABOVE) is likely] for one in cohorts]
        parts += sorted(filter(None, some), key=lambda part: -sum(m.p_wrong for m in part))
    after, keys = given.copy(), 0
    for part in parts:
        proposed = code_of[part[0].proposed]
        right = [true[row_of[member.id]] == proposed for member in part]
        needed = 1 if all(right) or not any(right) else 1 + len(part)
        if keys + needed >= KEYS:
            break
        keys += needed
        for member, is_right in zip(part, right, strict=True):
            if is_right:
                after[row_of[member.id]] = proposed
    return after, keys, len(parts)


if __name__ == "__main__":
    main()
