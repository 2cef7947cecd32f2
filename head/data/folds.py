"""Cross-validation folds that never split a group.

A class is dealt out over the folds as evenly as its groups allow, so every fold has the
class mix of the gallery. Classes that cannot be both trained and tested are handled by a
rule: a class whose references form a single group (one reference, for instance) is in
every training part and is never scored.

scikit-learn's `StratifiedGroupKFold` refuses galleries whose classes are all smaller than the
number of folds, and compares every group with every fold in Python (`docs/LAB.md`).

Shapes: N references.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from holotype.references import Codes

N_FOLDS = 5
NEVER_SCORED = -1
"""Fold number of references that are always trained on."""

MOST_DIVISIONS = 5
"""A tenth gained nothing more: the luck of the references is left (`docs/LAB.md`)."""

FITTED_AT_MOST = 3_000
"""References times divisions: bounds the time."""


def stratified_folds(
    codes: Codes, groups: Codes, *, n_folds: int = N_FOLDS, seed: int = 0
) -> Codes:
    """Deal groups to folds.

    Args:
        codes: (N,) class of each reference.
        groups: (N,) group of each reference. A group with several classes counts as one of
            that class of which it holds most.
        n_folds: at least 2.
        seed: the same seed gives the same folds.

    Returns:
        (N,) fold numbers 0 .. n_folds - 1, or `NEVER_SCORED`.
    """
    _, group_of = np.unique(groups, return_inverse=True)
    sizes = np.bincount(group_of)
    class_of_group = _main_class(codes, group_of, len(sizes))
    fold_of_group = np.full(len(sizes), NEVER_SCORED, dtype=np.int64)
    rng = np.random.default_rng(seed)
    start = 0
    for members in _by_class(class_of_group):
        if len(members) < 2:
            continue
        members = rng.permutation(members)
        members = members[np.argsort(-sizes[members], kind="stable")]
        fold_of_group[members] = _deal(sizes[members], n_folds, start)
        # Small classes would otherwise all lie in the first folds.
        start = (start + len(members)) % n_folds
    return fold_of_group[group_of]


def divisions_of(references: int) -> int:
    """Into how many `lasting_folds` so many references are divided; 0 where they are many."""
    return min(MOST_DIVISIONS, FITTED_AT_MOST // references)


def lasting_folds(codes: Codes, groups: Codes, marks: Codes, *, division: int) -> Codes:
    """Folds that stay: the fold of a group is a hash of its smallest mark, whoever else is there.

    Two heads that were trained at different times on nearly the same references can so be asked
    about a reference by models that were trained without nearly the same others. The folds are
    less even than `stratified_folds`; a class whose groups would all lie in one has its group of
    the smallest hash moved to the next.

    Args:
        codes: (N,) class of each reference.
        groups: (N,) group of each reference, with the class of most of them.
        marks: (N,) what names each reference.
        division: another number is another division.

    Returns:
        (N,) fold numbers 0 .. N_FOLDS - 1, or `NEVER_SCORED`.
    """
    _, group_of = np.unique(groups, return_inverse=True)
    n_groups = int(group_of.max()) + 1
    smallest = np.full(n_groups, np.iinfo(np.int64).max)
    np.minimum.at(smallest, group_of, marks)
    hashed = _hashed(smallest, division)
    fold_of_group = (hashed % np.uint64(N_FOLDS)).astype(np.int64)
    for members in _by_class(_main_class(codes, group_of, n_groups)):
        if len(members) < 2:
            fold_of_group[members] = NEVER_SCORED
        elif len(np.unique(fold_of_group[members])) == 1:
            moved = members[hashed[members].argmin()]
            fold_of_group[moved] = (fold_of_group[moved] + 1) % N_FOLDS
    return fold_of_group[group_of]


def _hashed(marks: Codes, division: int) -> npt.NDArray[np.uint64]:
    """64 well-mixed bits of each mark (the finaliser of SplitMix64, Steele et al., 2014)."""
    mixed = marks.astype(np.uint64) + np.uint64((division + 1) * 0x9E3779B97F4A7C15 % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    hashed: npt.NDArray[np.uint64] = mixed ^ (mixed >> np.uint64(31))
    return hashed


def _main_class(codes: Codes, group_of: Codes, n_groups: int) -> Codes:
    pairs, counts = np.unique(np.stack([group_of, codes]), axis=1, return_counts=True)
    order = np.lexsort((-pairs[1], counts))  # the last one written wins: most, then lowest class
    main = np.empty(n_groups, dtype=np.int64)
    main[pairs[0][order]] = pairs[1][order]
    return main


def _by_class(class_of_group: Codes) -> list[Codes]:
    order = np.argsort(class_of_group, kind="stable")
    boundaries = np.flatnonzero(np.diff(class_of_group[order])) + 1
    return np.split(order, boundaries)


def _deal(sizes: Codes, n_folds: int, start: int) -> Codes:
    """Folds for groups of descending size: each goes to the lightest fold so far."""
    load = np.zeros(n_folds, dtype=np.int64)
    dealt = np.empty(len(sizes), dtype=np.int64)
    preference = (np.arange(n_folds) - start) % n_folds
    n_large = int(np.count_nonzero(sizes > 1))
    for i in range(n_large):
        fold = int(np.lexsort((preference, load))[0])
        dealt[i] = fold
        load[fold] += sizes[i]
    dealt[n_large:] = _fill(load, len(sizes) - n_large, preference)
    return dealt


def _fill(load: Codes, n_singles: int, preference: Codes) -> Codes:
    """The same rule for single references, at once: the `n_singles` lowest free places."""
    places = load[:, None] + np.arange(n_singles)[None, :]
    fold = np.broadcast_to(np.arange(len(load))[:, None], places.shape)
    rank = np.broadcast_to(preference[:, None], places.shape)
    lowest = np.lexsort((rank.ravel(), places.ravel()))[:n_singles]
    return fold.ravel()[lowest]
