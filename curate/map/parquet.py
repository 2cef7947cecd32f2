"""A map as a file for other viewers: a row a reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from holotype.errors import OutputError


def write_parquet(found: Mapping[str, Any], path: Path, *, gallery: str) -> None:
    """Columns id, x, y, label, group, error, novelty (null: unknown), neighbours (list of ids).

    Args:
        found: from `curate.map.told.map_of`.
        path: of the file; one that is there is replaced.
        gallery: its name, for the schema's metadata.

    Raises:
        OutputError: it cannot be written there.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    ids = found["ids"]
    labels, groups = found["labels"], [*found["groups"], None]  # -1: the last
    nearest = [[ids[row] for row in rows] for rows in found.get("neighbours", [[]] * len(ids))]
    table = pa.table(
        {
            "id": pa.array(ids, pa.string()),
            "x": pa.array(found["x"], pa.float32()),
            "y": pa.array(found["y"], pa.float32()),
            "label": pa.array([labels[code] for code in found["label"]], pa.string()),
            "group": pa.array([groups[code] for code in found["group"]], pa.string()),
            "error": pa.array(found["error"], pa.float32()),
            "novelty": pa.array(found["novelty"], pa.float32()),
            "neighbours": pa.array(nearest, pa.list_(pa.string())),
        }
    ).replace_schema_metadata({"gallery": gallery})
    try:
        pq.write_table(table, path)
    except OSError as error:
        raise OutputError(f"the map to {path}", error) from error
