"""A command loads its encoder quickly; who imports the library finds its interpreter as it was."""

from __future__ import annotations

import gc
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from holotype.encoder import backbone, quick_start
from holotype.encoder.quick_start import (
    COMPILER,
    collector_resting,
    compiler_deferred,
    create_undrawn,
)
from holotype.encoder.timm_import import timm
from holotype.encoder.weights import StateDict
from tests.holotype.encoder.conftest import random_state
from tests.holotype.encoder.fresh import run

IMPORT_TIMM = (
    "import sys\n"
    "from holotype.encoder.quick_start import compiler_deferred\n"
    "with compiler_deferred():\n"
    "    from holotype.encoder.timm_import import timm\n"
    "import torch\n"
)
LOADED = "print([m for m in ('torch._dynamo', 'torch._dynamo.utils', 'sympy') if m in sys.modules])"
LOAD = (
    "import gc, sys\n"
    "from pathlib import Path\n"
    "import holotype\n"
    "from holotype.encoder import load_encoder\n"
    "from holotype.encoder.quick_start import load_quickly\n"
    "from holotype.errors import UnknownBackbone\n"
    "from holotype.settings import Settings\n"
)

NAMES = ("vit_small_patch14_dinov2", "tf_efficientnet_lite0", "test_convnext", "test_resnet",
         "vit_tiny_r_s16_p8_224", "swin_tiny_patch4_window7_224")  # fmt: skip


@pytest.fixture
def _unfrozen() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_load_encoder__leaves_the_interpreter_of_a_host_alone(dinov2_checkpoint: Path) -> None:
    """As a library: the real compiler is imported, and nothing is frozen."""
    code = LOAD + (
        f"load_encoder(Settings.load(checkpoint={str(dinov2_checkpoint)!r},"
        " image_size=28, device='cpu'))\n"
        "print(gc.get_freeze_count(), gc.isenabled(), 'torch._dynamo' in sys.modules)\n"
        "print(sys.modules['torchvision.ops.roi_align'].is_compile_supported.__module__)"
    )
    assert run(code).splitlines() == ["0 True True", "torch._dynamo.utils"]


def test_load_quickly__the_same_encoder(dinov2_checkpoint: Path) -> None:
    """A command's own way ends in the same embedding space, without the compiler."""
    code = LOAD + (
        f"settings = Settings.load(checkpoint={str(dinov2_checkpoint)!r},"
        " image_size=28, device='cpu')\n"
        "quick = load_quickly(settings)\n"
        "print(gc.get_freeze_count() > 1000, gc.isenabled())\n"
        f"{LOADED}\n"
        "print(quick.fingerprint == load_encoder(settings).fingerprint)"
    )
    assert run(code).splitlines() == ["True True", "[]", "True"]


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
        "from holotype.encoder.quick_start import compiler_deferred\n"
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


@pytest.mark.parametrize("missing", ["disable", "is_compile_supported"])
def test_deferred__a_surprise_leads_to_the_plain_import(
    missing: str, dinov2_checkpoint: Path
) -> None:
    """Where a library asks for more than the stand-ins have, an encoder loads all the same."""
    code = LOAD + (
        "from holotype.encoder import quick_start\n"
        "make = quick_start._stand_ins\n"
        "def poorer():\n"
        "    made = make()\n"
        f"    for module in made.values(): vars(module).pop({missing!r}, None)\n"
        "    return made\n"
        "quick_start._stand_ins = poorer\n"
        f"encoder = load_quickly(Settings.load(checkpoint={str(dinov2_checkpoint)!r},"
        " image_size=28, device='cpu'))\n"
        "print(encoder.dimension)\n"
    )
    dimension, loaded = run(code + LOADED).splitlines()
    assert dimension == "384"
    assert loaded == "['torch._dynamo', 'torch._dynamo.utils', 'sympy']"


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
        quick_start._disable(int)


@pytest.mark.usefixtures("_unfrozen")
def test_collector__rests_then_leaves_out() -> None:
    """No collection inside, what is there is frozen at the end, and collecting goes on."""
    gc.unfreeze()
    with collector_resting():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 1000


@pytest.mark.usefixtures("_unfrozen")
def test_collector__goes_on_after_an_error() -> None:
    """An import that fails does not leave the process without a collector."""
    with pytest.raises(ImportError), collector_resting():
        raise ImportError
    assert gc.isenabled()


@pytest.mark.usefixtures("_unfrozen")
def test_collector__decisions_of_others_stand() -> None:
    """Where the collector is off already, it stays off and nothing is frozen."""
    gc.unfreeze()
    gc.disable()
    with collector_resting():
        assert not gc.isenabled()
    assert not gc.isenabled()
    assert gc.get_freeze_count() == 0


@pytest.mark.parametrize(("before", "frozen"), [("", "True"), ("import torch", "False")])
def test_collector__only_where_torch_is_new(before: str, frozen: str) -> None:
    """A command freezes in a process that imports torch for it, and in no other."""
    code = f"{before}\n{LOAD}" + (
        "try: load_quickly(Settings.load(backbone='none'))\n"
        "except UnknownBackbone: print(gc.get_freeze_count() > 0, gc.isenabled())"
    )
    assert run(code) == f"{frozen} True"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name of each network that timm made."""
    names: list[str] = []
    create = backbone.create

    def count(name: str, overlay: dict[str, Any] | None) -> torch.nn.Module:
        names.append(name)
        return create(name, overlay)

    monkeypatch.setattr(backbone, "create", count)
    return names


def headless(name: str) -> StateDict:
    """Random weights of a network without its classifier."""
    wanted = timm.create_model(name, num_classes=0).state_dict().keys()
    return {key: tensor for key, tensor in random_state(name).items() if key in wanted}


@pytest.mark.parametrize("name", NAMES)
def test_undrawn__the_same_network(name: str, made: list[str]) -> None:
    """Every parameter and buffer is the plain way's to the bit, and it is made once."""
    state = headless(name)
    plain = backbone.create(name, {"state_dict": dict(state), "num_classes": 0})
    made.clear()
    network = create_undrawn(name, {"state_dict": dict(state), "num_classes": 0})
    ours, theirs = tensors(network), tensors(plain)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert made == [name]


def tensors(network: torch.nn.Module) -> StateDict:
    """All of a network's, the buffers that are in no checkpoint too."""
    return dict(network.named_parameters()) | dict(network.named_buffers())


def test_undrawn__nothing_is_drawn(made: list[str]) -> None:
    """Loading takes no random number."""
    state = headless("test_vit")
    torch.manual_seed(3)
    create_undrawn("test_vit", {"state_dict": state, "num_classes": 0})
    after = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(after, torch.rand(1))


def test_undrawn__a_weight_that_no_file_sets_is_drawn(made: list[str]) -> None:
    """Where timm tolerates a missing weight, it is a random number as ever."""
    state = headless("test_vit")
    del state["blocks.0.attn.qkv.weight"]
    network = create_undrawn("test_vit", {"state_dict": state})  # not strict: other classes
    drawn = network.get_parameter("blocks.0.attn.qkv.weight").detach()
    assert 0 < float(drawn.std()) < 1
    assert made == ["test_vit"] * 2


def test_undrawn__nan_in_the_file_stays(made: list[str]) -> None:
    """A damaged file is loaded as it is."""
    state = headless("test_vit")
    state["norm.bias"][0] = math.nan
    network = create_undrawn("test_vit", {"state_dict": state, "num_classes": 0})
    assert torch.equal(network.get_parameter("norm.bias").isnan(), state["norm.bias"].isnan())
