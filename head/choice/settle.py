"""Which feature map and how much shrinkage: settled by LDA out of fold, before the rest.

LDA is in closed form, so a setting costs one decomposition a fold. Settings are compared by
log loss, which moves where the accuracy of a few hundred references stands still.
"""

from __future__ import annotations

from dataclasses import dataclass

from head.choice.candidates import lda_candidate
from head.choice.search import Search, prepare
from head.choice.selection import Candidate
from head.data.training_set import TrainingSet
from head.fit.features import FeatureMap

SHRINKAGES = (0.5, 0.3, 0.7, 0.0)
"""Lower bounds of the shrinkage, first the one that serves the shared sets best; 0.0 leaves
Ledoit and Wolf's estimate."""


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """A search with its feature map and shrinkage settled."""

    search: Search
    shrinkage: float
    """Lower bound, for the final statistics."""
    lda: Candidate | None
    """LDA under this setting; None where a fold has no spread to learn."""

    @property
    def log_loss(self) -> float:
        """Of LDA; infinite where there is none."""
        return float("inf") if self.lda is None else self.lda.log_loss


def settle(training: TrainingSet, *, seed: int) -> Setting:
    """The feature map first, at the first shrinkage; then the shrinkage."""
    first, *others = SHRINKAGES
    searches = [prepare(training, features=features, seed=seed) for features in FeatureMap]
    tried = [_under(search, first) for search in searches]
    best = min(tried, key=lambda setting: setting.log_loss)
    if best.lda is None:
        return best
    estimated = next(s for s in searches if s.features is best.search.features)
    return min(
        [best, *(_under(estimated, shrinkage) for shrinkage in others)],
        key=lambda setting: setting.log_loss,
    )


def _under(estimated: Search, shrinkage: float) -> Setting:
    search = estimated.shrunk_at_least(shrinkage)
    lda = lda_candidate(search) if search.folds else None
    return Setting(search=search, shrinkage=shrinkage, lda=lda)
