"""What the engine calls a panic: an error that it did not expect, such as a damaged file.

It reaches Python as an exception outside of `Exception`, after a text on standard error that
no setting turns off.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

_STANDARD_ERROR: Final = 2

_MOST: Final = 1 << 16

_one_at_a_time = threading.Lock()
"""Of a process's one standard error."""


def is_panic(error: BaseException) -> bool:
    """Whether this is the engine's panic, whose class cannot be imported."""
    return type(error).__module__ == "pyo3_runtime" and type(error).__name__ == "PanicException"


@contextmanager
def unprinted() -> Iterator[None]:
    """Keep what a panic prints from the terminal: its exception says the same.

    Whatever else is written to standard error meanwhile (milliseconds) comes after it.
    """
    with _one_at_a_time, ExitStack() as kept:
        try:
            terminal = os.dup(_STANDARD_ERROR)
            kept.callback(os.close, terminal)
            aside = os.memfd_create("stderr")  # in memory: the disk may be full
            kept.callback(os.close, aside)
        except (OSError, AttributeError):  # no standard error, or no Linux: then it is printed
            yield
            return
        with suppress(OSError):
            sys.stderr.flush()
        os.dup2(aside, _STANDARD_ERROR)
        try:
            yield
        except BaseException as error:
            if is_panic(error) or is_panic(error.__cause__ or error):
                os.ftruncate(aside, 0)
            raise
        finally:
            os.dup2(terminal, _STANDARD_ERROR)
            with suppress(OSError):  # nobody reads it, or its disk is full
                os.write(_STANDARD_ERROR, os.pread(aside, _MOST, 0))
