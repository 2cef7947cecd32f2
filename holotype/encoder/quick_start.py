"""Load an encoder in a process that is a command's own, and save half of the time.

Three things are done to the interpreter here that nobody may do to a host who only imports this
library; `holotype.encoder.load_encoder` does none of them, and gives the same encoder.

- *The compiler comes later.* `torch._dynamo` traces Python code for `torch.compile`; with sympy
  and all else that it needs it is some 800 modules, and takes longer to import than all of timm.
  It is imported because two modules name it: `torchvision.ops.roi_align` takes a function from it,
  and `timm.models.naflexvit` declares a method as not to be compiled. While timm is imported,
  stand-ins for these two names, and no others, are in the compiler's place; each asks the real one
  when it is called. Afterwards the stand-ins are gone, and whoever imports the compiler gets the
  real one. A version of timm or torchvision that asks for more fails to import beside them, and is
  then imported without.
- *The garbage collector rests.* Importing torch and timm makes some 400,000 objects, and all of
  them live as long as the process. The collector walks them again and again while they become
  more, and twice more when the process ends, and finds nothing. What was imported is frozen: left
  out of every later collection, as the documentation of `gc.freeze` suggests.
- *No weights are drawn only to be replaced.* timm fills every network with random numbers and then
  copies the pretrained ones over them: a quarter of the time to load ViT-S/14. What would have been
  drawn is NaN instead, so that a weight which the checkpoint does not set is noticed; such a
  network is made once more, the plain way.
"""

from __future__ import annotations

import functools
import gc
import inspect
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn
    from torch.overrides import TorchFunctionMode

    from holotype.encoder.backbone import Create
    from holotype.encoder.protocol import Encoder
    from holotype.settings import Settings

COMPILER = "torch._dynamo"

SURPRISES = (ImportError, AttributeError, TypeError)
"""What importing a module raises that asks the stand-ins for what they do not have."""


def load_quickly(settings: Settings) -> Encoder:
    """`holotype.encoder.load_encoder`, for a process that does nothing else."""
    # Only a process that is new to torch: freezing is a thing to do once, and to oneself.
    with nullcontext() if "torch" in sys.modules else collector_resting():
        try:
            with compiler_deferred():
                import holotype.encoder.timm_import  # noqa: F401
        except SURPRISES:
            # Whatever was in the way: it loads now, or says itself what is missing. What timm has
            # imported of itself by then would not be found in a second timm.
            for name in [name for name in sys.modules if name.partition(".")[0] == "timm"]:
                del sys.modules[name]
        from holotype.encoder.build import build_encoder
    return build_encoder(settings, create=create_undrawn)


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


def create_undrawn(name: str, overlay: dict[str, Any] | None) -> nn.Module:
    """`holotype.encoder.backbone.create`, without random weights that others replace."""
    from holotype.encoder import backbone

    create: Create = backbone.create
    with _undrawn():
        network = create(name, overlay)
    return create(name, overlay) if _has_nan(network) else network


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


def _undrawn() -> TorchFunctionMode:
    """Tensors stay as they are where they would be filled with random numbers."""
    import torch
    from torch import nn
    from torch.overrides import TorchFunctionMode

    # Those of `nn.init` that ask a mode themselves: it is off while they run.
    drawing = (torch.Tensor.uniform_, torch.Tensor.normal_,
               nn.init.uniform_, nn.init.normal_, nn.init.kaiming_uniform_)  # fmt: skip
    # The slow half of drawing from a truncated normal.
    of_what_is_drawn = (torch.Tensor.erfinv_,)

    class Undrawn(TorchFunctionMode):
        def __torch_function__(
            self,
            func: Any,
            types: Any,
            args: tuple[Any, ...] = (),
            kwargs: dict[str, Any] | None = None,
        ) -> Any:
            named = kwargs or {}
            if func in drawing:
                with torch.no_grad():
                    return (args[0] if args else named["tensor"]).fill_(math.nan)
            if func in of_what_is_drawn:
                return args[0]
            return func(*args, **named)

    return Undrawn()


def _has_nan(network: nn.Module) -> bool:
    # A sum is NaN if one term is: a single pass over memory, nothing allocated.
    return any(
        math.isnan(float(tensor.sum()))
        for tensor in network.state_dict().values()
        if tensor.is_floating_point()
    )
