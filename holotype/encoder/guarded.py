"""timm, importable on every machine: the one place that imports it (see `guard`)."""

from holotype.encoder.guard import declare_missing_operators

declare_missing_operators()

import timm  # noqa: E402  # after the guard, which is the point of this module

__all__ = ["timm"]
