"""Fixtures that every part of the suite shares."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from holotype.fingerprint import Fingerprint
    from holotype.store.port import VectorStore
    from tests.holotype.store.qdrant_http import QdrantHttp
    from tests.references import Pictures

# Before anything imports torch or numpy: two test workers on two cores, one thread each.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the machine's settings or touches its galleries."""
    for name in [n for n in os.environ if n.startswith("HOLOTYPE_") and "_TEST_" not in n]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOLOTYPE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HOLOTYPE_ONNX", "off")  # no process that outlives its test
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def fingerprint() -> Fingerprint:
    """The embedding space of `ColourEncoder`, so that a test may mix it with the store."""
    from tests.fakes import ColourEncoder

    return ColourEncoder().fingerprint


@pytest.fixture
def open_store(fingerprint: Fingerprint) -> Iterator[Callable[..., VectorStore]]:
    """Opens the embedded gallery of this test, creating it: `open_store(gallery="other")`.

    Keyword arguments are those of `Settings.load`, and `fingerprint`, `command`, `create`,
    `url`. Everything opened is closed when the test ends.
    """
    from holotype.settings import Settings
    from holotype.store import factory

    with contextlib.ExitStack() as opened:

        def open_it(
            *,
            fingerprint: Fingerprint | None = fingerprint,
            command: str = "a test",
            create: bool = True,
            url: str | None = None,
            **settings: Any,
        ) -> VectorStore:
            store = factory.open_store(
                Settings.load(**settings),
                fingerprint=fingerprint,
                command=command,
                create=create,
                url=url,
            )
            opened.callback(store.close)
            return store

        yield open_it


@pytest.fixture
def store(open_store: Callable[..., VectorStore]) -> VectorStore:
    """An empty embedded gallery."""
    return open_store()


@pytest.fixture
def pictures(fingerprint: Fingerprint) -> Pictures:
    """Makes references that fit `store`."""
    from tests.references import Pictures

    return Pictures(fingerprint.dimension)


@pytest.fixture
def qdrant_http() -> Iterator[QdrantHttp]:
    """A Qdrant server of this test, over real HTTP: `.url`, and `.faults` to make it fail."""
    from tests.holotype.store.qdrant_http import QdrantHttp

    with QdrantHttp() as server:
        yield server


@pytest.fixture(scope="session")
def lite0_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real EfficientNet-Lite0 weights as a checkpoint file, for backbone `tf_efficientnet_lite0`.

    The network is named with its tag, `demo.weights.BACKBONE`.
    """
    from demo import weights

    return weights.lite0_checkpoint(tmp_path_factory.mktemp("lite0"))
