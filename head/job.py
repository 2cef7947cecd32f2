"""The retrain job: export, compare, judge, fit, save, make active. Reads as the architecture.

What it promises: one retrain at a time (a lease in the store); a new version is complete
in the store before the pointer moves, and the pointer moves in one write; whatever goes
wrong before that leaves the active head answering.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from head.options import RetrainOptions, RetrainResult, RetrainStatus
from head.steps import Step, Steps
from head.versions import registry
from head.versions.lease import HeldLease, only_retrain
from head.versions.retrain_need import gallery_state, need_of
from holotype.errors import HeadBusy, UnknownHead
from holotype.history import Action

if TYPE_CHECKING:
    from head.data.training_set import TrainingSet
    from head.fit.options import TrainOptions
    from head.steps import Tell
    from head.versions.head import Head
    from holotype.references import Vectors
    from holotype.store.port import VectorStore

    Train = Callable[[TrainingSet, Head | None, TrainOptions], Head]
    Allocate = Callable[[int, int], Vectors]

KEPT_VERSIONS = 10
"""Older versions are forgotten, unless active or within reach of a rollback."""


def retrain(
    store: VectorStore,
    options: RetrainOptions | None = None,
    *,
    tell: Tell = lambda _: None,
    check: Callable[[], None] = lambda: None,
    train: Train | None = None,
    allocate: Allocate | None = None,
) -> RetrainResult:
    """Train a head on the whole gallery and make it active.

    Args:
        store: the gallery.
        options: see `RetrainOptions`.
        tell: told how far it is, again and again (`head.steps`).
        check: called again and again until the head is trained; what it raises ends the run.
        train: the way of training; `head.train.train` unless given.
        allocate: makes an array (rows, columns) of float32 for the vectors; one in memory
            unless given.

    Raises:
        HeadBusy: another retrain is running on this gallery, or ran when this one stood still.
        TooFewReferences: the gallery holds fewer than two classes.
    """
    options, steps = options or RetrainOptions(), Steps(tell)
    if options.if_needed:
        need = need_of(store)
        if not need.is_met(options.min_new):
            return RetrainResult(
                RetrainStatus.NOT_NEEDED, need.describe(options.min_new), need.since
            )
    with only_retrain(store) as lease:

        def on_pass() -> None:
            lease.check()
            check()

        # Imported late, as all that trains: a run that finds nothing to do must not pay for it.
        from head.fit.options import TrainOptions

        how = TrainOptions(
            options.seed, options.device, in_place=True, steps=steps, on_pass=on_pass
        )
        return _retrain(store, options, lease, how, train or _train_here, allocate)


def _train_here(training: TrainingSet, champion: Head | None, options: TrainOptions) -> Head:
    from head.train import train

    return train(training, champion, options)


def _retrain(
    store: VectorStore,
    options: RetrainOptions,
    lease: HeldLease,
    how: TrainOptions,
    train: Train,
    allocate: Allocate | None,
) -> RetrainResult:
    from head.data.training_set import export_training_set

    def on_batch(share: float) -> None:
        how.on_pass()
        how.steps.to(share)

    how.steps.begin(Step.READING)
    started, started_at = time.monotonic(), datetime.now(UTC)
    before = {record.version for record in store.heads()}
    training, state = export_training_set(store, allocate=allocate, on_batch=on_batch)
    trained = train(training, _champion(store), how).to_stored()
    comparison = trained.record.report["comparison"]
    held = comparison is not None and comparison["worse"] and not options.force
    when = started_at.isoformat(timespec="seconds")
    known = {
        "gallery": {"name": store.gallery, **gallery_state(state)},
        "fingerprint": store.fingerprint.to_dict(),
        "trained_at": when,
        "duration_s": round(time.monotonic() - started, 3),
    }
    record = replace(
        trained.record,
        version=version_at(started_at),
        created_at=when,
        status="held" if held else "ready",
        report={**known, **trained.record.report},
    )
    how.on_pass()  # the last word of who may end it
    how.steps.begin(Step.PUBLISHING)
    lease.renew()
    store.save_head(replace(trained, record=record))
    _only_one_finished(store, lease, {*before, record.version})
    if not held:
        registry.promote(store, record.version, action=Action.new("retrain", who="retrain"))
    _forget_old_versions(store)
    how.steps.finish()
    return RetrainResult(
        status=RetrainStatus.HELD if held else RetrainStatus.ACTIVATED,
        reason=_reason(record.version, comparison if held else None),
        version=record.version,
        report=record.report,
    )


def _champion(store: VectorStore) -> Head | None:
    """None where no head answers, one that is damaged included: the run is to mend that."""
    try:
        return registry.active(store)
    except UnknownHead:
        return None


def _only_one_finished(store: VectorStore, lease: HeldLease, versions: set[str]) -> None:
    """The lease may have lapsed and come back: nobody else may have trained in between."""
    lease.renew()
    others = sorted({record.version for record in store.heads()} - versions)
    if others:
        raise HeadBusy(
            f"this retrain stood still, and another one made head {others[-1]} meanwhile: this "
            "one made no head active"
        )


def _reason(version: str, worse: Mapping[str, Any] | None) -> str:
    if worse is None:
        return f"head {version} answers from now on"
    return (
        f"head {version} was kept but held: against head {worse['champion']}, which goes on "
        f"answering, {worse['reason']}. `retrain --force` or `retrain promote {version}` "
        "overrules this"
    )


def version_at(when: datetime) -> str:
    """The name of a head made then; names sort by time, within a second too."""
    fraction = when.microsecond * 0x10000 // 1_000_000
    return f"{when:%Y%m%d-%H%M%S}-{fraction:04x}"


def _forget_old_versions(store: VectorStore) -> None:
    pointer = store.active_head()
    reachable = set() if pointer is None else {pointer.version, *pointer.history}
    versions = [record.version for record in store.heads()]
    for version in versions[:-KEPT_VERSIONS]:
        if version not in reachable:
            store.remove_head(version)
