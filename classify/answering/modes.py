"""The choices that a query has, as words of the command line. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Mode(StrEnum):
    """Who answers."""

    KNN = "knn"
    """The nearest references vote; they are the evidence."""
    LINEAR = "linear"
    """The active head."""
    AUTO = "auto"
    """Both, pooled: they err differently."""


MODE_NAMES: Mapping[Mode, str] = MappingProxyType(
    {Mode.KNN: "k-NN", Mode.LINEAR: "linear", Mode.AUTO: "auto"}
)
"""As people read them."""


class Vote(StrEnum):
    """How neighbours become a label."""

    MAJORITY = "majority"
    """One neighbour, one vote."""
    WEIGHTED = "weighted"
    """softmax(similarity / temperature) over the neighbours."""
    KRIGING = "kriging"
    """The weights that predict best where neighbours resemble each other, too."""


class MetricName(StrEnum):
    """In which space neighbours are near."""

    COSINE = "cosine"
    """Plain cosine between the stored vectors."""
    LEARNED = "learned"
    """The nearest by cosine, ranked again in the space that the active head whitened."""
