"""Keep Python's garbage collector out of large imports.

Importing torch and timm makes some 400,000 objects, and all of them live as long as the process.
The collector walks them again and again while they become more, and twice more when the process
ends, and finds nothing. So it rests during the import, and what was imported is then frozen:
left out of every later collection, as the documentation of `gc.freeze` suggests. Collections of
a service that runs are shorter by the same objects.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_resting() -> Iterator[None]:
    """No collection inside; every object that is there at the end is never looked at again.

    Where the collector is off already, this does nothing: that was somebody's decision.
    """
    if not gc.isenabled():
        yield
        return
    gc.collect()  # or garbage of before would be frozen, and stay
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
