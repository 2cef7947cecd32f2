"""Options and answers on their way to a service and back: forms and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from classify.answering.answers import Answer, Evidence, LabelScore, Novelty, Part
from classify.answering.modes import MetricName, Mode
from classify.answering.options import QueryOptions
from holotype.references import Reference, Where


def to_form(options: QueryOptions) -> dict[str, str | list[str]]:
    """The fields of `POST /v1/classify`; what is None is left out."""
    form: dict[str, str | list[str]] = {}
    for field in fields(options):
        value = getattr(options, field.name)
        if isinstance(value, Where):
            form[field.name] = value.expressions()
        elif isinstance(value, bool):
            form[field.name] = str(value).lower()
        elif value is not None:
            form[field.name] = str(value)
    return form


def answer_from(data: Mapping[str, Any]) -> Answer:
    """Inverse of `Answer.to_dict`."""
    best = [] if data["label"] is None else [{"label": data["label"], "score": data["score"]}]
    novelty, label_set = data["novelty"], data["label_set"]
    metric = data["metric"]
    return Answer(
        mode=Mode(data["mode"]),
        scores=_scores_from([*best, *data["runners_up"]]),
        calibrated=data["calibrated"],
        abstained=data["abstained"],
        label_set=None if label_set is None else tuple(label_set),
        novelty=None if novelty is None else Novelty(novelty["score"], novelty["unusual"]),
        parts=tuple(Part(Mode(p["mode"]), _scores_from(p["scores"])) for p in data["parts"]),
        neighbours=tuple(_evidence_from(neighbour) for neighbour in data["neighbours"]),
        voted=data["voted"],
        metric=None if metric is None else MetricName(metric),
        head=data["head"],
        known_as=data["known_as"],
        notices=tuple(data["notices"]),
    )


def _scores_from(data: Sequence[Mapping[str, Any]]) -> tuple[LabelScore, ...]:
    return tuple(LabelScore(s["label"], s["score"]) for s in data)


def _evidence_from(data: Mapping[str, Any]) -> Evidence:
    # An answer says of a neighbour what a person needs; the rest is at /v1/references/{id}.
    reference = Reference(
        id=data["id"],
        label=data["label"],
        sha256="",
        source=data["source"],
        width=0,
        height=0,
        added_at="",
        group=data["group"],
        meta=data["meta"],
    )
    return Evidence(
        reference,
        similarity=data["similarity"],
        weight=data["weight"],
        learned=data["learned_similarity"],
    )
