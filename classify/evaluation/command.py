"""`classify eval`: what to evaluate, and where the outcome goes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classify.answering.classifier import Classifier
from classify.answering.modes import MetricName, Mode
from classify.evaluation import table
from classify.evaluation.evaluation import Evaluation, Subject
from classify.evaluation.figures import figures_of, to_dict
from classify.evaluation.gallery import GalleryArrays, export_gallery
from classify.evaluation.images import evaluate_images
from classify.evaluation.learning import LearningCurve, learning_curve
from classify.evaluation.leave_one_out import evaluate_leave_one_out
from classify.evaluation.methods import compared
from holotype import console
from holotype.access import Access
from holotype.encoder import quick_start
from holotype.errors import OutputError, UsageError
from holotype.intake.folders import Folders
from holotype.intake.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from classify.answering.options import QueryOptions
    from holotype.fingerprint import Fingerprint
    from holotype.intake.incoming import Incoming, Source
    from holotype.settings import Settings
    from holotype.store.port import VectorStore


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalRequest:
    """What `classify eval` was asked for."""

    folder: Path | None
    manifest: Path | None
    leave_one_out: bool
    learning_curve: bool
    near_duplicate: float
    splits_are_classes: bool
    html: Path | None
    as_json: bool

    def __post_init__(self) -> None:
        asked = [self.folder is not None, self.manifest is not None, self.leave_one_out]
        if sum(asked) != 1:
            raise UsageError("name what to evaluate: one of DIR, --manifest or --leave-one-out")
        if not 0 < self.near_duplicate <= 1:
            raise UsageError(
                f"near-duplicate = {self.near_duplicate}: a cosine above 0, up to 1 (none is one)"
            )
        if self.html is not None and not self.html.absolute().parent.is_dir():
            raise UsageError(f"{self.html}: there is no such folder to write into")


def run_eval(request: EvalRequest, settings: Settings, options: QueryOptions) -> int:
    """Evaluate, print, write the page; returns the exit code."""
    images = _images(request)
    with Access(
        settings, command="classify eval", load=quick_start.load_quickly, here=True
    ) as access:
        store = access.store
        if images is not None or store.fingerprint.space is None:
            access.require_same_encoder()
        options = replace(options, where=options.where.among(store.known_counts()))
        classifier = Classifier(store)
        classifier.candidates(options)
        evaluation = (
            _leave_one_out(request, store, classifier, options)
            if images is None
            else _on_images(request, images, access, classifier, options)
        )
    figures = figures_of(evaluation)
    for notice in evaluation.remarks:
        console.say(f"notice: {notice}")
    for item in evaluation.unreadable:
        console.say(f"not classified: {item.name}: {item.reason}")
    for line in [] if images is None else images.left_out.lines():
        console.say(f"notice: {line}")
    _say_absent(evaluation)
    if request.learning_curve and evaluation.learning is None:
        console.say("notice: no learning curve: fewer than two classes have references to spare")
    if request.as_json:
        console.out_json(to_dict(evaluation, figures))
    else:
        table.show(evaluation, figures)
    if request.html is not None:
        from classify.evaluation.page.page import render

        try:
            request.html.write_text(
                render(evaluation, figures, service=_service(settings)), encoding="utf-8"
            )
        except OSError as error:
            raise OutputError(f"the page {request.html}", error) from error
        console.say(f"wrote {request.html}")
    if not evaluation.names:
        return console.EXIT_NOTHING_DONE
    incomplete = evaluation.unreadable or (images is not None and images.left_out.empty)
    return console.EXIT_SOME_FAILED if incomplete else console.EXIT_DONE


def _service(settings: Settings) -> str:
    """Where `classify serve` with the same settings shows its page."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return (settings.public_url or f"http://{host}:{settings.port}").rstrip("/")


def _images(request: EvalRequest) -> Source | None:
    if request.folder is not None:
        return Folders([request.folder], splits_are_classes=request.splits_are_classes)
    if request.manifest is None:
        return None
    found = Manifest(request.manifest)
    for notice in found.notices:
        console.say(f"notice: {request.manifest}: {notice}")
    return found


def _on_images(
    request: EvalRequest,
    images: Iterable[Incoming],
    access: Access,
    classifier: Classifier,
    options: QueryOptions,
) -> Evaluation:
    store, settings = access.store, access.settings
    modes = {Mode.KNN: options}
    if classifier.snapshot().head is not None:
        modes |= {mode: replace(options, mode=mode) for mode in (Mode.LINEAR, Mode.AUTO)}
    encoder = access.encoder()
    with console.progress("evaluated", "images") as progress:
        evaluation = evaluate_images(
            images,
            store=store,
            classifier=classifier,
            encoder=encoder,
            modes=modes,
            subject=_subject(request, store, classifier, options, head=Mode.LINEAR in modes),
            batch_size=encoder.batch_size,
            workers=settings.workers or os.cpu_count() or 1,
            progress=progress,
        )
    if request.learning_curve:
        gallery = export_gallery(store, where=options.where, near_duplicate=request.near_duplicate)
        evaluation = replace(evaluation, learning=_learning(gallery, options))
    return replace(evaluation, settings=_settings(options, request))


def _leave_one_out(
    request: EvalRequest, store: VectorStore, classifier: Classifier, options: QueryOptions
) -> Evaluation:
    evaluation, gallery = evaluate_leave_one_out(
        store,
        options=options,
        near_duplicate=request.near_duplicate,
        subject=_subject(request, store, classifier, options, head=False),
        say=console.say,
    )
    curve = _learning(gallery, options) if request.learning_curve else None
    return replace(evaluation, learning=curve, settings=_settings(options, request))


def _learning(gallery: GalleryArrays, options: QueryOptions) -> LearningCurve | None:
    return learning_curve(
        gallery.vectors,
        gallery.classes,
        gallery.independent,
        gallery.labels,
        train=partial(
            compared,
            cosine=options.voting(MetricName.COSINE),
            learned=options.voting(MetricName.LEARNED),
        ),
    )


def _subject(
    request: EvalRequest,
    store: VectorStore,
    classifier: Classifier,
    options: QueryOptions,
    *,
    head: bool,
) -> Subject:
    candidates = classifier.candidates(options)
    active = classifier.snapshot().head if head else None
    how = (
        "every reference classified from the others, never from its own group or near-duplicates"
        if request.leave_one_out
        else "images of known class, classified by the gallery as it is"
    )
    return Subject(
        gallery=store.gallery,
        fingerprint=store.fingerprint.id,
        backbone=_made_by(store.fingerprint),
        references=candidates.total,
        classes=len(candidates.counts),
        head=active.version if active else None,
        source="leave-one-out"
        if request.leave_one_out
        else str(request.folder or request.manifest),
        method=how,
    )


def _made_by(fingerprint: Fingerprint) -> str:
    if fingerprint.space is not None:
        return f"vectors of space {fingerprint.space}"
    return f"{fingerprint.backbone}, {fingerprint.image_size} px"


def _settings(options: QueryOptions, request: EvalRequest) -> Mapping[str, Any]:
    return {
        "k": options.k,
        "vote": options.vote.value if options.vote else None,
        "metric": options.metric.value if options.metric else None,
        "rerank": options.rerank,
        "temperature": options.temperature,
        "class_cap": options.class_cap,
        "balance": options.balance,
        "where": [f"{c.key}{c.op}{c.value}" for c in options.where.conditions],
        "near_duplicate": request.near_duplicate,
    }


def _say_absent(evaluation: Evaluation) -> None:
    if not evaluation.absent:
        return
    n = sum(evaluation.absent.values())
    names = ", ".join(sorted(evaluation.absent)[:5])
    more = f" and {len(evaluation.absent) - 5} more" if len(evaluation.absent) > 5 else ""
    console.say(
        f"notice: {n} queries are of classes that cannot be answered ({names}{more}); "
        "the figures leave them out"
    )
