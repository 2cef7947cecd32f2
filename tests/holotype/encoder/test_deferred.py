"""timm comes without torch's compiler, and the compiler is there for whoever asks."""

from __future__ import annotations

import sys

import pytest

from holotype.encoder import deferred
from holotype.encoder.deferred import COMPILER, compiler_deferred
from tests.holotype.encoder.fresh import run

IMPORT_TIMM = "import sys\nfrom holotype.encoder.guarded import timm\nimport torch\n"
LOADED = "print([m for m in ('torch._dynamo', 'torch._dynamo.utils', 'sympy') if m in sys.modules])"


def test_deferred__timm_comes_without_the_compiler() -> None:
    """Importing timm imports neither the compiler nor what it brings, and leaves no stand-in."""
    assert run(IMPORT_TIMM + LOADED) == "[]"


def test_deferred__an_encoder_works_without_the_compiler() -> None:
    """Nothing that makes a network or runs it asks for the compiler."""
    code = IMPORT_TIMM + (
        "for name in ('vit_small_patch14_dinov2', 'tf_efficientnet_lite0'):\n"
        "    network = timm.create_model(name, num_classes=0).eval()\n"
        "    size = network.pretrained_cfg['input_size']\n"
        "    network.forward_features(torch.zeros(1, *size))\n"
    )
    assert run(code + LOADED) == "[]"


def test_deferred__the_compiler_works_afterwards() -> None:
    """A host that compiles gets the real compiler, and so does torchvision when it asks."""
    code = IMPORT_TIMM + (
        "print(sys.modules['torchvision.ops.roi_align'].is_compile_supported('cpu'))\n"
        "print(torch.compile(lambda x: 2 * x, backend='eager')(torch.ones(2)).tolist())\n"
        "print(torch._dynamo.__file__ is not None)"
    )
    assert run(code).splitlines() == ["True", "[2.0, 2.0]", "True"]


def test_deferred__what_is_not_to_be_compiled_is_not() -> None:
    """A function declared so while timm was imported works, alone and beside compiled code."""
    code = (
        "import sys, torch\n"
        "from holotype.encoder.deferred import compiler_deferred\n"
        "with compiler_deferred():\n"
        "    @torch.compiler.disable\n"
        "    def plain(x):\n"
        "        'Keeps its docstring.'\n"
        "        return x.sin()\n"
        "print(plain.__doc__, 'torch._dynamo' in sys.modules)\n"
        "graphs = []\n"
        "def backend(graph, inputs): graphs.append(graph.code); return graph\n"
        "x = torch.ones(1)\n"
        "print(torch.equal(plain(x), x.sin()))\n"
        "compiled = torch.compile(lambda x: plain(2 * x) + 1, backend=backend)\n"
        "print(torch.equal(compiled(x), (2 * x).sin() + 1))\n"
        "print(len(graphs) > 0, any('sin' in graph for graph in graphs))"
    )
    assert run(code).splitlines() == [
        "Keeps its docstring. False",
        "True",
        "True",
        "True False",
    ]


def test_deferred__a_surprise_leads_to_the_plain_import() -> None:
    """Where a library asks for more than the stand-ins have, timm is there all the same."""
    code = (
        "from holotype.encoder import deferred\n"
        "make = deferred._stand_ins\n"
        "def poorer():\n"
        "    made = make()\n"
        "    for name in ('disable', 'is_compile_supported'):\n"
        "        for module in made.values():\n"
        "            vars(module).pop(name, None)\n"
        "    return made\n"
        "deferred._stand_ins = poorer\n"
    )
    code += IMPORT_TIMM + "print(len(timm.list_models()) > 1000)\n" + LOADED
    assert run(code).splitlines() == ["True", "['torch._dynamo', 'torch._dynamo.utils', 'sympy']"]


def test_deferred__the_compiler_of_the_host_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the compiler is imported already, nothing takes its place."""
    compiler = object()
    monkeypatch.setitem(sys.modules, COMPILER, compiler)
    with compiler_deferred():
        assert sys.modules[COMPILER] is compiler
    assert sys.modules[COMPILER] is compiler


def test_deferred__only_functions() -> None:
    """What is no function cannot be disabled later, and says so."""
    with pytest.raises(TypeError, match="only a function can be disabled later, not <class 'int'>"):
        deferred._disable(int)
