"""timm, importable on every machine: the one place that imports it.

timm needs torchvision's pure-Python transforms only. But torchvision's wheel on PyPI is linked
against CUDA; beside a CPU-only torch its operators do not load, and then importing it fails with
"operator torchvision::nms does not exist": it registers shape functions for operators that were
never declared. Declaring them first, without an implementation, lets the import pass; calling one
still fails, and nothing here calls one. Where the operators load, nothing is declared.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch

__all__ = ["timm"]

_FAKE = re.compile(r"""register_fake\(\s*["']torchvision::(\w+)["']""")
_PLACEHOLDER = "(Tensor placeholder) -> Tensor"


@cache  # the declaration lives as long as the returned object, and must be made once
def declare_missing_operators() -> torch.library.Library | None:
    """Declare torchvision's operators if they cannot be loaded.

    Returns:
        What holds the declarations, None where there was nothing to do.
    """
    spec = find_spec("torchvision")  # finds it without running it
    if spec is None or spec.origin is None:
        return None  # timm's own ImportError says it better
    folder = Path(spec.origin).parent
    if _operators_load(folder):
        return None
    source = folder / "_meta_registrations.py"
    names = _FAKE.findall(source.read_text(encoding="utf-8")) if source.exists() else []
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in names:
        library.define(f"{name}{_PLACEHOLDER}")  # type: ignore[no-untyped-call]
    return library


def _operators_load(folder: Path) -> bool:
    extensions = [*folder.glob("_C*.so"), *folder.glob("_C*.pyd"), *folder.glob("_C*.dylib")]
    for extension in extensions:
        try:
            torch.ops.load_library(str(extension))  # type: ignore[no-untyped-call]
        except OSError:  # a library that it links against is missing
            return False
    return bool(extensions)


declare_missing_operators()

import timm  # noqa: E402  the operators must be there before
