"""How good out-of-fold predictions are: accuracy, macro accuracy, macro F1.

Macro figures are means over classes, so a rare class counts as much as a common one.

Shapes: M scored references, C classes.
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


def score(predicted: Codes, codes: Codes, *, n_classes: int) -> Scores:
    """Compare predictions (M,) with the truth (M,); M at least 1."""
    correct = predicted == codes
    n = np.bincount(codes, minlength=n_classes).astype(float)
    right = np.bincount(codes[correct], minlength=n_classes).astype(float)
    answered = np.bincount(predicted, minlength=n_classes).astype(float)
    scored = n > 0
    recall = right[scored] / n[scored]
    f1 = 2 * right[scored] / (n[scored] + answered[scored])
    variance = recall * (1 - recall) / n[scored]
    return Scores(
        accuracy=float(correct.mean()),
        macro_accuracy=float(recall.mean()),
        macro_f1=float(f1.mean()),
        standard_error=float(np.sqrt(variance.sum()) / scored.sum()),
    )


def recalls(predicted: Codes, codes: Codes, *, n_classes: int) -> Floats:
    """(C,) share of each class that was predicted right; NaN for a class never scored."""
    n = np.bincount(codes, minlength=n_classes).astype(float)
    right = np.bincount(codes[predicted == codes], minlength=n_classes).astype(float)
    recall: Floats = np.divide(right, n, out=np.full(n_classes, np.nan), where=n > 0)
    return recall


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
