"""ONNX Runtime, silent: the one place that imports it.

Its wheels report every process and every model that is opened to their maker (since 1.29, see the
Privacy.md in them), unless this is set before the import. Whoever wants to report sets it to 0.
"""

from __future__ import annotations

import os

__all__ = ["onnxruntime"]

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime
