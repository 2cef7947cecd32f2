"""timm can be imported beside a torchvision whose operators do not load."""

from __future__ import annotations

from pathlib import Path

import pytest

from holotype.encoder import timm_import
from tests.holotype.encoder.fresh import run

PRETEND_MISSING = """
import torch
def refuse(path): raise OSError("libcudart.so.12: cannot open shared object file")
torch.ops.load_library = refuse
"""


def test_timm_import__timm_imports_where_operators_do_not_load() -> None:
    """With operators that cannot be loaded, timm imports and its transforms work."""
    code = PRETEND_MISSING + (
        "from holotype.encoder.timm_import import timm\n"
        "from PIL import Image\n"
        "t = timm.data.create_transform((3, 32, 32))\n"
        "print(tuple(t(Image.new('RGB', (50, 40))).shape))"
    )
    assert run(code) == "(3, 32, 32)"


def test_timm_import__declares_what_torchvision_registers() -> None:
    """Exactly the operators are declared for which torchvision registers shape functions."""
    code = PRETEND_MISSING + (
        "from holotype.encoder.timm_import import declare_missing_operators as declare\n"
        "print(declare() is not None, declare() is declare())\n"
        "print(hasattr(torch.ops.torchvision, 'nms'), hasattr(torch.ops.torchvision, 'qnms'))\n"
        "import torchvision"
    )
    assert run(code).splitlines() == ["True True", "True True"]


def test_timm_import__does_nothing_where_operators_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the compiled operators load, nothing is declared."""
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "_C.so").touch()
    (package / "_meta_registrations.py").write_text('@register_fake("torchvision::other_op")')
    spec = type("Spec", (), {"origin": str(package / "__init__.py")})
    loaded: list[str] = []
    monkeypatch.setattr(timm_import, "find_spec", lambda _name: spec)
    monkeypatch.setattr(timm_import.torch.ops, "load_library", loaded.append)
    assert timm_import.declare_missing_operators.__wrapped__() is None
    assert loaded == [str(package / "_C.so")]
    assert not hasattr(timm_import.torch.ops.torchvision, "other_op")


def test_timm_import__no_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without torchvision there is nothing to guard; timm's own error says what is missing."""
    monkeypatch.setattr(timm_import, "find_spec", lambda _name: None)
    assert timm_import.declare_missing_operators.__wrapped__() is None


def test_encoder__importing_the_package_loads_no_torch() -> None:
    """The protocol and the picture modules stay light: torch and timm come with `load_encoder`."""
    code = (
        "import sys, holotype.encoder, holotype.encoder.protocol, holotype.images.picture\n"
        "print([m for m in ('torch', 'timm', 'torchvision', 'pillow_heif') if m in sys.modules])"
    )
    assert run(code) == "[]"


def test_encoder__importing_load_encoder_alone_loads_nothing() -> None:
    """A command line that may need an encoder pays nothing for saying so."""
    code = (
        "import sys; from holotype.encoder import load_encoder\n"
        "print([m for m in ('torch', 'numpy', 'PIL', 'pydantic') if m in sys.modules])"
    )
    assert run(code) == "[]"
