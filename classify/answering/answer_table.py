"""The answers to many queries as columns, for programs that compute with them.

Shapes: Q queries, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from classify.answering.answers import Answer, Evidence, QueryResult
from holotype.columns import pandas_module
from holotype.references import Floats

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """One answer a query, in order. Iterating gives the answers (`classify.answering.answers`).

    A picture that could not be read has None for an answer; `problems` says why.
    """

    results: Sequence[QueryResult]
    """Q of them: each query by its name, with its answer or its problem."""
    classes: tuple[str, ...]
    """The C labels that could be answered, sorted."""

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[Answer | None]:
        return (result.answer for result in self.results)

    def __getitem__(self, query: int) -> Answer | None:
        return self.results[query].answer

    @property
    def labels(self) -> list[str | None]:
        """Q labels; None where the answer is unknown or there is none."""
        return [None if answer is None else answer.label for answer in self]

    @property
    def scores(self) -> Floats:
        """(Q, C) float64 in [0, 1]: probabilities where an answer is calibrated, else shares.

        0 where an answer does not name the class; a row of NaN where there is no answer.
        """
        column = {label: i for i, label in enumerate(self.classes)}
        scores = np.zeros((len(self), len(column)))
        for row, answer in zip(scores, self, strict=True):
            if answer is None:
                row[:] = np.nan
                continue
            for score in answer.scores:
                if score.label in column:  # its class may be gone since
                    row[column[score.label]] = score.score
        return scores

    @property
    def neighbours(self) -> list[tuple[Evidence, ...]]:
        """The references that voted, nearest first, of each of the Q queries."""
        return [() if answer is None else answer.neighbours for answer in self]

    @property
    def problems(self) -> dict[int, str]:
        """Why there is no answer, by the index of the query."""
        return {i: r.problem for i, r in enumerate(self.results) if r.problem is not None}

    def to_pandas(self) -> pandas.DataFrame:
        """A row a query: its name, its answer and its problem.

        Columns: `query`, `state`, `label`, `score`, `mode`, `calibrated`, `why`, `problem`.

        Raises:
            UsageError: pandas is not installed.
        """
        names = ("state", "label", "score", "mode", "calibrated", "why")
        rows = [
            {
                "query": result.query,
                **{name: getattr(result.answer, name, None) for name in names},
                "problem": result.problem,
            }
            for result in self.results
        ]
        return pandas_module().DataFrame(rows, columns=["query", *names, "problem"])
