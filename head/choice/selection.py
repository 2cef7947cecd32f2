"""How a candidate for the head is judged, and which one wins.

Candidates are compared out of fold, on the same group-aware folds. The best macro accuracy
wins. A candidate ties with it where it is behind by less than a share of the standard error of
their difference, taken on the same references. Along a path ties go to the simpler, which is the
stronger penalty; between kinds of heads to the smaller log loss, which still tells heads apart
where the accuracy of a few hundred references does not.

Shapes: M scored references, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from head.choice.search import Search
from head.data.scores import Scores, paired_difference, score
from head.fit.lda import LinearLayer
from head.fit.temperature import fit_temperature, log_loss

Logits = npt.NDArray[np.float32]

TIE = 0.5
"""Standard errors of the paired difference in macro accuracy within which candidates tie."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A candidate and how it did out of fold."""

    name: str
    kind: str
    """One of the kinds of `head.choice.candidates`."""
    search: Search
    layers: tuple[LinearLayer, ...]
    """One for each scored fold, trained without it."""
    scores: Scores
    log_loss: float
    """Nats, after the temperature."""
    temperature: float
    correct: npt.NDArray[np.bool_]
    """(M,) in the order of `SearchPlan.scored`."""
    strength: float | None = None
    """C of the logistic regression in it."""

    @property
    def logits(self) -> Logits:
        """(M, C) out of fold, before the temperature; computed at every call."""
        return self.search.held_out_logits(self.layers)

    def to_dict(self) -> dict[str, Any]:
        """For the report."""
        return {
            "name": self.name,
            "kind": self.kind,
            "C": self.strength,
            **self.scores.to_dict(),
            "log_loss": self.log_loss,
        }


def assess(
    name: str,
    kind: str,
    search: Search,
    layers: Sequence[LinearLayer],
    *,
    strength: float | None = None,
) -> Candidate:
    """Score the layers, one a fold, on the references that each was trained without."""
    codes, logits = search.scored_codes, search.held_out_logits(layers)
    temperature, predicted = fit_temperature(logits, codes), logits.argmax(axis=1)
    return Candidate(
        name=name,
        kind=kind,
        search=search,
        layers=tuple(layers),
        scores=score(predicted, codes, n_classes=search.n_classes),
        log_loss=log_loss(logits, codes, temperature),
        temperature=temperature,
        correct=predicted == codes,
        strength=strength,
    )


def simplest(candidates: Sequence[Candidate]) -> Candidate:
    """The first of those that tie with the best; candidates come simplest first."""
    return next(_tied(candidates))


def surest(candidates: Sequence[Candidate]) -> Candidate:
    """The one of the least log loss of those that tie with the best."""
    return min(_tied(candidates), key=lambda candidate: candidate.log_loss)


def _tied(candidates: Sequence[Candidate]) -> Iterator[Candidate]:
    best = max(candidates, key=lambda candidate: candidate.scores.macro_accuracy)
    return (candidate for candidate in candidates if ties(candidate, best))


def ties(candidate: Candidate, best: Candidate) -> bool:
    """Whether `candidate` is behind `best` by no more than `TIE`, or not at all."""
    difference = paired_difference(candidate.correct, best.correct, best.search.scored_codes)
    return difference.mean >= -TIE * difference.standard_error
