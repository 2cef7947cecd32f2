"""References as columns, for programs that compute with them.

Shapes: N references, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from holotype.arrow import record_batch
from holotype.errors import OutputError, StoreMoved, UsageError
from holotype.references import EVERYTHING, VectorBatch, Vectors, Where
from holotype.store.port import WHENEVER

if TYPE_CHECKING:
    import pandas

    from holotype.access import AnyStore

T = TypeVar("T")

EXPORTS = 3
"""How often an export starts again when references come or go under it."""


@dataclass(frozen=True, slots=True, eq=False)
class References:
    """An export: row i of every column is one reference, in id order."""

    ids: list[str]
    """N UUIDs."""
    vectors: Vectors
    """(N, D) float32, unit rows."""
    labels: list[str]
    groups: list[str | None]
    """None where a reference is independent of all others."""

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def read(cls, gallery: AnyStore, *, where: Where = EVERYTHING) -> References:
        """All that match, of one moment where others let it be.

        Raises:
            UnknownFilterKey: the filter names a key that no reference carries.
        """
        dimension = gallery.fingerprint.dimension
        return exported(gallery, lambda batches: cls.of(batches, dimension), where=where)

    @classmethod
    def of(cls, batches: Iterable[VectorBatch], dimension: int) -> References:
        """All of these batches, (n, D) each."""
        found = cls([], np.empty((0, dimension), np.float32), [], [])
        vectors = [found.vectors]
        for batch in batches:
            found.ids.extend(batch.ids)
            found.labels.extend(batch.labels)
            found.groups.extend(batch.groups)
            vectors.append(batch.vectors)
        return cls(found.ids, np.concatenate(vectors), found.labels, found.groups)

    def to_pandas(self) -> pandas.DataFrame:
        """Columns `id`, `vector` (each (D,) float32), `label` and `group`.

        Raises:
            UsageError: pandas is not installed.
        """
        columns = {"id": self.ids, "vector": list(self.vectors), "label": self.labels}
        return pandas_module().DataFrame(columns | {"group": self.groups})

    def to_parquet(self, path: str | Path) -> None:
        """The same columns as a file, which `ingest add --vectors` takes.

        Raises:
            OutputError: it cannot be written there.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_batches([record_batch(self)])
        try:
            pq.write_table(table, path)
        except OSError as error:
            raise OutputError(f"the vectors to {path}", error) from error


def exported(
    gallery: AnyStore, take: Callable[[Iterable[VectorBatch]], T], *, where: Where = EVERYTHING
) -> T:
    """What `take` makes of an export, which is of one moment where others let it be.

    It is called again, with another export, when references come or go under it.

    Raises:
        UnknownFilterKey: the filter names a key that no reference carries.
    """
    for _ in range(EXPORTS - 1):
        with suppress(StoreMoved):
            return take(gallery.export(where=where))
    return take(gallery.export(where=where, changed_until=WHENEVER))


def pandas_module() -> Any:
    """The library, which only who asks for its tables needs.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise UsageError("a table takes pandas: pip install 'holotype[pandas]'") from error
    return pandas
