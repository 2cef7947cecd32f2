"""The garbage collector rests while torch is imported, and forgets what was imported."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from holotype.encoder.collector import collector_resting
from tests.holotype.encoder.fresh import run


@pytest.fixture(autouse=True)
def _unfrozen() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_collector__rests_then_leaves_out() -> None:
    """No collection inside, what is there is frozen at the end, and collecting goes on."""
    gc.unfreeze()
    with collector_resting():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 1000


def test_collector__goes_on_after_an_error() -> None:
    """An import that fails does not leave the process without a collector."""
    with pytest.raises(ImportError), collector_resting():
        raise ImportError
    assert gc.isenabled()


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
    """Loading an encoder freezes in a process that imports torch for it, and in no other."""
    code = (
        f"{before}\n"
        "import gc\n"
        "from holotype.encoder import load_encoder\n"
        "from holotype.errors import UnknownBackbone\n"
        "from holotype.settings import Settings\n"
        "try: load_encoder(Settings.load(backbone='none'))\n"
        "except UnknownBackbone: print(gc.get_freeze_count() > 0, gc.isenabled())"
    )
    assert run(code) == f"{frozen} True"
