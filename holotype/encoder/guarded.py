"""timm, importable on every machine: the one place that imports it (see `guard`, `deferred`)."""

from holotype.encoder.deferred import SURPRISES, compiler_deferred
from holotype.encoder.guard import declare_missing_operators

declare_missing_operators()

try:
    with compiler_deferred():
        import timm
except SURPRISES:
    import timm  # whatever was in the way: it loads now, or says itself what is missing

__all__ = ["timm"]
