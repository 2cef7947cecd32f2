"""Scores into probabilities, for each way of answering.

One temperature, fitted on out-of-fold scores (`head.fit.temperature`). It never changes which
label comes first.

No score claims more than the answers that it was fitted on can support. One more of them is
taken to have been wrong than was seen, in favour of the label that came nearest (the rule of
succession; `head.trust.abstention` counts the same way), and nothing is called more probable than
that leaves: 20 right answers of 20 support 21/22.

What the probabilities then allow (when to say "unknown", which labels to name together) is
taken from the same out-of-fold predictions.

Shapes: M scored references, Q queries, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from head.fit.temperature import fit_temperature, softmax
from head.steps import Step
from head.trust.abstention import Abstention
from head.trust.conformal import LabelSets
from head.trust.reliability import ReliabilityBin, calibration_error, reliability
from holotype.references import Codes, Floats
from holotype.votes import BEFORE_IT_WAS_STORED, BY_METRIC, Voting, vote_scores

if TYPE_CHECKING:
    from head.choice.cross_validation import CrossValidation
    from head.choice.selection import Choice
    from head.data.training_set import TrainingSet
    from head.fit.options import TrainOptions
    from head.trust.neighbours import LeftOutVotes

LINEAR, KNN, AUTO = "linear", "knn", "auto"
"""Modes, as `Head.calibration` names them."""

CALIBRATED_ON = 4000
"""Votes that the calibration of `knn` and `auto` is fitted on: the standard error of an
accuracy is then 0.8 points at most."""

TINY = 1e-12
"""Least probability whose logarithm is taken."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """How the scores of one mode become answers."""

    temperature: float
    abstention: Abstention
    label_sets: LabelSets
    figures: Mapping[str, float | None]
    """Of the out-of-fold predictions it was fitted on: `answers`, `accuracy`, `log_loss`,
    `calibration_error`."""
    bins: tuple[ReliabilityBin, ...] = ()
    """The same predictions by confidence; none in heads of before they were kept."""
    voting: Voting | None = None
    """How the neighbours voted; None where none did."""

    @classmethod
    def fit(
        cls, scores: npt.NDArray[np.floating], codes: Codes, *, voting: Voting | None = None
    ) -> Calibration:
        """From out-of-fold scores (M, C), such as logits, and the truth (M,).

        Args:
            scores: that did not see their reference.
            codes: the true classes.
            voting: how the scores' neighbours voted, where there were any.
        """
        temperature = fit_temperature(scores, codes)
        probabilities = supported(softmax(scores / temperature), len(codes))
        confidence = probabilities.max(axis=1)
        correct = probabilities.argmax(axis=1) == codes
        true = np.take_along_axis(probabilities, codes[:, None], axis=1)[:, 0]
        bins = reliability(confidence, correct)
        return cls(
            temperature=temperature,
            abstention=Abstention.fit(confidence, correct),
            label_sets=LabelSets.fit(true),
            figures={
                "answers": len(codes),
                "accuracy": float(correct.mean()),
                "log_loss": float(-np.log(np.maximum(true, TINY)).mean()),
                "calibration_error": calibration_error(bins),
            },
            bins=bins,
            voting=voting,
        )

    def probabilities(self, scores: npt.NDArray[np.floating]) -> Floats:
        """(Q, C) probabilities for scores of the same kind; a row sums to 1."""
        return self.supported(softmax(scores / self.temperature))

    def supported(self, probabilities: Floats) -> Floats:
        """Probabilities (Q, C) that claim no more than what this was fitted on supports."""
        return supported(probabilities, int(self.figures["answers"] or 0))

    def to_json(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "temperature": self.temperature,
            "abstention": self.abstention.to_json(),
            "label_sets": self.label_sets.to_json(),
            "figures": dict(self.figures),
            "bins": [one.to_json() for one in self.bins],
            "voting": None if self.voting is None else self.voting.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Calibration:
        """Inverse of `to_json`."""
        return cls(
            temperature=float(data["temperature"]),
            abstention=Abstention.from_json(data["abstention"]),
            label_sets=LabelSets.from_json(data["label_sets"]),
            figures=dict(data["figures"]),
            bins=tuple(ReliabilityBin.from_json(one) for one in data.get("bins", ())),
            voting=_voting(data),
        )


def calibrations(
    training: TrainingSet, choice: Choice, options: TrainOptions
) -> dict[str, Calibration]:
    """By mode; empty where nothing could be scored, `linear` alone where there is no metric."""
    from head.trust.neighbours import left_out_votes

    winner, search = choice.winner, choice.search
    if winner is None:
        return {}
    options.steps.begin(Step.CALIBRATING, of=len(search.folds))
    held_out = winner.logits
    linear = Calibration.fit(held_out, search.scored_codes)
    votes = left_out_votes(
        search,
        training,
        at_most=CALIBRATED_ON,
        voting=BY_METRIC,
        on_block=options.on_pass,
        on_fold=options.steps.did,
    )
    if votes is None:
        return {LINEAR: linear}
    codes = search.codes[votes.positions]
    by_votes = vote_scores(made_up_for(votes, search, training), floor=BY_METRIC.rule.floor)
    knn = Calibration.fit(by_votes, codes, voting=BY_METRIC)
    place = np.full(len(search.codes), -1)
    place[search.plan.scored] = np.arange(len(search.plan.scored))
    logits = held_out[place[votes.positions]]
    both = pooled_scores(linear.probabilities(logits), knn.probabilities(by_votes))
    return {LINEAR: linear, KNN: knn, AUTO: Calibration.fit(both, codes, voting=BY_METRIC)}


def made_up_for(votes: LeftOutVotes, search: CrossValidation, training: TrainingSet) -> Floats:
    """(M, C) sums as they would be if references that were left out had voted, too.

    They are missing from their own class alone, of which a query of that class will find them
    all: of a class of two, half of the vote.
    """
    codes, groups = search.codes[votes.positions], training.groups[search.plan.rows]
    sizes = np.bincount(search.codes)[codes]
    left_out = np.bincount(groups)[groups[votes.positions]]
    sums = np.maximum(votes.sums, 0.0)
    total = sums.sum(axis=1, keepdims=True)
    sums[np.arange(len(codes)), codes] *= sizes / np.maximum(sizes - left_out, 1)
    made_up: Floats = sums * total / np.maximum(sums.sum(axis=1, keepdims=True), TINY)
    return made_up


def supported(probabilities: Floats, answers: int) -> Floats:
    """(Q, C) drawn towards even odds, so that none is above (answers + 1) / (answers + 2)."""
    n_classes = probabilities.shape[1]
    if n_classes < 2:
        return probabilities
    share = n_classes / ((n_classes - 1) * (answers + 2))
    drawn: Floats = probabilities + (1 / n_classes - probabilities) * min(share, 1.0)
    return drawn


def pooled_scores(*probabilities: Floats) -> Floats:
    """Scores (Q, C) of several calibrated opinions (Q, C) together: the log of their mean.

    A mean of probabilities lets one doubtful opinion be outvoted; a mean of logarithms would
    let it veto.
    """
    scores: Floats = np.log(np.maximum(np.mean(probabilities, axis=0), TINY))
    return scores


def _voting(data: Mapping[str, Any]) -> Voting | None:
    """As it was stored; a calibration of before that says nothing."""
    if "voting" not in data:
        return BEFORE_IT_WAS_STORED
    return None if data["voting"] is None else Voting.from_json(data["voting"])
