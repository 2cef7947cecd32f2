"""A head version as files that any program can read: safetensors and JSON.

`head.safetensors` holds `weights` (C, D), `bias` (C,), and where the head has them
`metric.matrix` (D, D), `metric.centre` (D,), `class_means` (C, D), `class_counts` (C,), all
float32. `head.json` holds version, labels (row order), temperature, the feature map, the
encoder's fingerprint and the report. Probabilities are
softmax((features(vectors) @ weights.T + bias) / temperature) of unit vectors; see
`head.fit.features` for the map.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from holotype.errors import HeadError

if TYPE_CHECKING:
    from head.versions.head import Head
    from holotype.fingerprint import Fingerprint

NUMBERS, DESCRIPTION = "head.safetensors", "head.json"


def export_head(head: Head, fingerprint: Fingerprint, folder: Path) -> list[Path]:
    """Write both files into a folder, which is made; each appears whole or not at all.

    Returns:
        What was written.

    Raises:
        HeadError: the folder cannot be written to.
    """
    from safetensors.numpy import save

    description = {
        "version": head.version,
        "created_at": head.record.created_at,
        "status": head.record.status,
        "labels": list(head.labels),
        "temperature": head.temperature,
        "features": str(head.features),
        "fingerprint": fingerprint.to_dict(),
        "report": dict(head.record.report),
    }
    text = json.dumps(description, ensure_ascii=False, indent=2)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [
            _write(folder / NUMBERS, save(_tensors(head))),
            _write(folder / DESCRIPTION, text.encode()),
        ]
    except OSError as error:
        raise HeadError(
            f"cannot export head {head.version} to {folder}: {error.strerror}"
        ) from error


def _tensors(head: Head) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    tensors = {"weights": head.weights, "bias": head.bias}
    if head.metric is not None:
        tensors["metric.matrix"] = head.metric.matrix
        tensors["metric.centre"] = head.metric.centre
    if head.class_means is not None:
        tensors["class_means"] = head.class_means.means
        tensors["class_counts"] = head.class_means.counts
    return {name: np.ascontiguousarray(tensor, np.float32) for name, tensor in tensors.items()}


def _write(path: Path, data: bytes) -> Path:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(data)
    return partial.replace(path)
