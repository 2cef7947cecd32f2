"""The two classifiers of the tutorial that this project started from.

Shapes: N references, Q queries, D dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from holotype.references import Codes, Vectors

Right = npt.NDArray[np.bool_]

NEIGHBOURS = 5
DROPOUT, LEARNING_RATE, WEIGHT_DECAY, LAST_RATE = 0.2, 0.5, 1e-5, 1e-6
EPOCHS, BATCH_SIZE = 20, 64


def knn(references: Vectors, codes: Codes, queries: Vectors, truth: Codes) -> Right:
    """(Q,) right or wrong: scikit-learn's k-NN, k = 5, Euclidean, on un-normalised vectors."""
    from sklearn.neighbors import KNeighborsClassifier

    fitted = KNeighborsClassifier(n_neighbors=NEIGHBOURS).fit(references, codes)
    right: Right = fitted.predict(queries) == truth
    return right


@dataclass(frozen=True, slots=True, eq=False)
class HeadOutcome:
    """What the tutorial's head got right."""

    last: Right
    """(Q,) after the last epoch."""
    flattered: Right
    """(Q,) after the epoch that was best on these very queries."""


def head(
    references: Vectors, codes: Codes, queries: Vectors, truth: Codes, *, seed: int
) -> HeadOutcome:
    """Dropout and a linear layer; Adam, cosine schedule."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    layer = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(references.shape[1], int(codes.max()) + 1))
    optimiser = torch.optim.Adam(layer.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimiser, T_max=EPOCHS, eta_min=LAST_RATE
    )
    x, y, q = torch.from_numpy(references), torch.from_numpy(codes), torch.from_numpy(queries)
    epochs: list[Right] = []
    for _ in range(EPOCHS):
        layer.train()
        for rows in torch.randperm(len(x)).split(BATCH_SIZE):  # type: ignore[no-untyped-call]
            optimiser.zero_grad()
            nn.functional.cross_entropy(layer(x[rows]), y[rows]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        schedule.step()
        layer.eval()
        with torch.no_grad():
            epochs.append(layer(q).argmax(dim=1).numpy() == truth)
    best = max(epochs, key=lambda right: right.mean())
    return HeadOutcome(last=epochs[-1], flattered=best)
