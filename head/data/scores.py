"""How good predictions are: accuracy, and by class recall, precision and F1.

Macro figures are means over classes, so a rare class counts as much as a common one.

Shapes: M answers, C classes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from holotype.references import Codes, Floats


@dataclass(frozen=True, slots=True)
class Scores:
    """Shares in [0, 1]."""

    accuracy: float
    macro_accuracy: float
    """Mean recall over the classes that were scored."""
    macro_f1: float
    """Mean F1 over the same classes."""
    standard_error: float
    """Of `macro_accuracy`."""

    def to_dict(self) -> dict[str, float]:
        """JSON form."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class ByClass:
    """How each class fared. A share of nothing is NaN."""

    asked: Codes
    """(C,) how often it was the truth."""
    answered: Codes
    """(C,) how often it was predicted."""
    right: Codes
    """(C,) how often both."""

    @property
    def recall(self) -> Floats:
        """(C,) share of those of the class that were predicted as it."""
        return _share(self.right, self.asked)

    @property
    def precision(self) -> Floats:
        """(C,) share of those predicted as the class that are of it."""
        return _share(self.right, self.answered)

    @property
    def f1(self) -> Floats:
        """(C,) harmonic mean of both; 0 where one of them is 0."""
        return _share(2 * self.right, self.asked + self.answered)


def by_class(predicted: Codes, codes: Codes, *, n_classes: int) -> ByClass:
    """Count predictions (M,) against the truth (M,)."""
    counts = [
        np.bincount(some, minlength=n_classes)
        for some in (codes, predicted, codes[predicted == codes])
    ]
    return ByClass(*counts)


def score(predicted: Codes, codes: Codes, *, n_classes: int) -> Scores:
    """Compare predictions (M,) with the truth (M,); M at least 1."""
    classes = by_class(predicted, codes, n_classes=n_classes)
    scored = classes.asked > 0
    recall = classes.recall[scored]
    variance = recall * (1 - recall) / classes.asked[scored]
    return Scores(
        accuracy=float(np.mean(predicted == codes)),
        macro_accuracy=float(recall.mean()),
        macro_f1=float(classes.f1[scored].mean()),
        standard_error=float(np.sqrt(variance.sum()) / scored.sum()),
    )


def _share(part: Codes, whole: Codes) -> Floats:
    share: Floats = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return share


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """A difference in macro accuracy, measured on the same references."""

    mean: float
    standard_error: float


def paired_difference(
    first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_], codes: Codes
) -> PairedDifference:
    """Macro accuracy of the first less that of the second.

    Args:
        first: (M,) whether one predictor was right on each reference.
        second: (M,) whether the other was.
        codes: (M,) classes; M at least 1.
    """
    _, class_of, n = np.unique(codes, return_inverse=True, return_counts=True)
    gain = first.astype(float) - second.astype(float)
    mean = np.bincount(class_of, gain) / n
    variance = np.bincount(class_of, (gain - mean[class_of]) ** 2) / np.maximum(n - 1, 1)
    return PairedDifference(
        mean=float(mean.mean()),
        standard_error=float(np.sqrt((variance / n).sum()) / len(n)),
    )
