"""Import timm without torch's compiler, which takes longer to import than all of timm.

`torch._dynamo` traces Python code for `torch.compile`; with sympy and all else that it needs it is
some 800 modules. Nothing here compiles. It is imported all the same, because two modules name it
when they are imported: `torchvision.ops.roi_align` takes a function from it, and
`timm.models.naflexvit` declares a method as not to be compiled. While timm is imported, stand-ins
for these two names are in the compiler's place; each asks the real one when it is called.
Afterwards the stand-ins are gone, and whoever imports the compiler gets the real one.

The stand-ins hold these names and no others. A version of timm or torchvision that asks for more
fails to import beside them, and is then imported without (see `guarded`).
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

COMPILER = "torch._dynamo"

SURPRISES = (ImportError, AttributeError, TypeError)
"""What importing a module raises that asks the stand-ins for what they do not have."""


@contextmanager
def compiler_deferred() -> Iterator[None]:
    """Imports inside get stand-ins for the compiler, unless it is imported already."""
    if COMPILER in sys.modules:
        yield
        return
    stand_ins = _stand_ins()
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            sys.modules.pop(name, None)


def _stand_ins() -> dict[str, ModuleType]:
    package, utils = ModuleType(COMPILER), ModuleType(f"{COMPILER}.utils")
    package.__path__ = []  # a package without further modules
    vars(package).update(disable=_disable, utils=utils)
    vars(utils).update(is_compile_supported=_is_compile_supported)
    return {module.__name__: module for module in (package, utils)}


def _is_compile_supported(device: str) -> Any:
    from torch._dynamo.utils import is_compile_supported

    return is_compile_supported(device)


def _disable(
    function: Callable[..., Any] | None = None, *settings: Any, **named: Any
) -> Callable[..., Any]:
    """`torch._dynamo.disable`, applied when the function is called instead of when it is made."""
    if function is None:
        return lambda decorated: _disable(decorated, *settings, **named)
    if not inspect.isfunction(function):
        raise TypeError(f"only a function can be disabled later, not {function!r}")

    @functools.wraps(function)
    def disabled(*args: Any, **kwargs: Any) -> Any:
        from torch._dynamo import disable

        later: Callable[..., Any] = disable(function, *settings, **named)  # type: ignore[no-untyped-call]
        return later(*args, **kwargs)

    return disabled
