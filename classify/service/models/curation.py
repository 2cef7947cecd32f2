"""What is wrong with the gallery, as far as it was looked at."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from classify.service.curation import Curated
from classify.service.models.common import Body, Model, example
from classify.service.watched_job import State


class Between(Body):
    """Which sets of duplicates to show."""

    between: Annotated[str, Field(min_length=1, max_length=70)] | None = None
    """Only those whose members differ in `group` or a metadata key."""


class CurationModel(Model):
    """What was found, and the job that looks anew."""

    model_config = example(
        {
            "state": "done",
            "step": None,
            "percent": None,
            "elapsed_s": None,
            "eta_s": None,
            "started_at": "2026-11-30T09:00:00+00:00",
            "finished_at": "2026-11-30T09:00:04+00:00",
            "error": None,
            "error_type": None,
            "current": True,
            "result": {"cohorts": []},
        }
    )

    state: State
    """Of the job."""
    step: str | None
    """What it is doing, in words, while it runs."""
    percent: float | None
    """Of the whole that is done, while it runs."""
    elapsed_s: float | None
    eta_s: float | None
    """Seconds that are left if the rest goes as what is done; null while it is too early to say."""
    started_at: str | None
    finished_at: str | None
    error: str | None
    """What happened and what to do, where it failed."""
    error_type: str | None
    """As in a problem."""
    current: bool
    """Whether the result is of the gallery as it is now."""
    result: dict[str, Any] | None
    """The last that was found, as `curate ... --json` prints it; null before anything was."""

    @classmethod
    def of(cls, curated: Curated) -> CurationModel:
        """The JSON form."""
        progress = {
            name: getattr(curated.progress, name)
            for name in cls.model_fields
            if name not in ("current", "result")
        }
        result = None if curated.result is None else dict(curated.result)
        return cls(**progress, current=curated.current, result=result)
