"""What the routes about keeping a gallery take and give."""

from __future__ import annotations

from classify.service.models.common import EXAMPLE_ID, Body, Model, example
from holotype.store.port import Verification


class VerifyBody(Body):
    """How to verify."""

    model_config = example({"repair": False})

    repair: bool = False
    """Remove what is broken, and mend what can be."""


class DamageModel(Model):
    """One thing that is wrong with what is stored."""

    model_config = example(
        {"item": EXAMPLE_ID, "problem": "its vector has length 0.5", "mended": None}
    )

    item: str
    """A reference's id, a head's version, or the name of what both lie in."""
    problem: str
    mended: str | None
    """What was done about it; null where nothing was."""


class VerificationModel(Model):
    """What looking at everything that is stored came to."""

    model_config = example({"references": 1204, "heads": 3, "damages": []})

    references: int
    """Those that are whole."""
    heads: int
    """Versions that are whole."""
    damages: list[DamageModel]

    @classmethod
    def of(cls, found: Verification) -> VerificationModel:
        """What the store found, as it goes out."""
        return cls(
            references=found.references,
            heads=found.heads,
            damages=[
                DamageModel(item=d.item, problem=d.problem, mended=d.mended) for d in found.damages
            ],
        )
