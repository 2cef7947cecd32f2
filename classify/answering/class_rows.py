"""The second row of evidence: what an answer's own class has, where none of it is near.

A head, or many votes of the farther ones, may answer a label that none of the neighbours shown
carries. Then its own nearest references are looked up, by a search under its label; for other
queries nothing is done.

Shapes: Q queries, D dimensions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from classify.answering.answers import Evidence
from classify.answering.knn import Ranked, by_cosine, by_metric

if TYPE_CHECKING:
    from classify.answering.classifier import Searched
    from classify.answering.options import QueryOptions
    from head.fit.whitening import Metric
    from holotype.references import Vectors

ROW: Final = 4
"""References in it, at most, and at most as many as `evidence` asks for."""

RANKED: Final = 20
"""Nearest by cosine that a learned metric ranks again for it."""


def class_rows(
    store: Searched,
    vectors: Vectors,
    labels: Mapping[int, str],
    *,
    options: QueryOptions,
    metric: Metric | None,
    own_ids: Sequence[str | None],
) -> dict[int, tuple[Evidence, ...]]:
    """The nearest references that carry a query's label, nearest first.

    Args:
        store: where they are.
        vectors: (Q, D) unit rows.
        labels: by query (its row), of those that lack a row.
        options: the filter, and whether a query leaves itself out.
        metric: what neighbours are ranked by; None for plain cosine.
        own_ids: (Q,) see `Classifier.classify`.

    Raises:
        StoreError: the store cannot be searched.
    """
    by_label: dict[str, list[int]] = defaultdict(list)
    for query, label in labels.items():
        by_label[label].append(query)
    rows: dict[int, Ranked] = {}
    for label, queries in by_label.items():
        found = store.neighbours(
            vectors[queries],
            k=(ROW if metric is None else RANKED) + (1 if options.exclude_self else 0),
            where=options.where.only("label", label),
            with_vectors=metric is not None,
        )
        if options.exclude_self:
            found = [
                [n for n in row if n.id != own_ids[query]]
                for query, row in zip(queries, found, strict=True)
            ]
        ranked = (
            by_metric(vectors[queries], found, metric)
            if metric
            else by_cosine(found, with_places=False)
        )
        nearest = (one.nearest(min(ROW, options.evidence)) for one in ranked)
        rows.update(zip(queries, nearest, strict=True))
    wanted = list(dict.fromkeys(n.id for row in rows.values() for n in row.neighbours))
    references = {one.id: one for one in store.get(wanted)} if wanted else {}
    votes, learned = np.zeros(ROW), metric is not None
    return {q: row.evidence(references, votes, learned=learned) for q, row in rows.items()}
