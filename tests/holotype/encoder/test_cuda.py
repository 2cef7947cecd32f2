"""The CUDA side of batches in flight: its order on any machine, its vectors where CUDA is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from holotype.encoder import load_encoder
from holotype.encoder.cuda import CudaSlots
from holotype.encoder.forward import Forward
from holotype.encoder.pipelined_batches import Ring
from holotype.settings import Settings
from tests.holotype.encoder.test_encode import CPU, SmallMemory, pictures

Log = list[tuple[str, str, str]]


class LoggedEvent:
    """An event that writes down in which stream it was recorded and waited for."""

    def __init__(self, log: Log, name: str) -> None:
        self._log = log
        self._name = name

    def record(self, stream: str) -> None:
        """In a stream."""
        self._log.append((stream, "records", self._name))

    def wait(self, stream: str) -> None:
        """A stream waits."""
        self._log.append((stream, "waits for", self._name))

    def synchronize(self) -> None:
        """The host waits."""
        self._log.append(("host", "waits for", self._name))

    def elapsed_time(self, _: LoggedEvent) -> float:
        """Milliseconds."""
        return 500.0


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    """What streams and events were told, on a machine without CUDA."""
    log: Log = []
    names = iter(range(1000))
    empty = torch.empty

    def event(**_: bool) -> LoggedEvent:
        return LoggedEvent(log, f"e{next(names)}")

    def unpinned(*shape: object, pin_memory: bool = False, **options: object) -> torch.Tensor:
        return empty(*shape, **options)

    @contextlib.contextmanager
    def stream(name: str) -> Iterator[None]:
        yield

    monkeypatch.setattr(torch.cuda, "Stream", lambda _: "copies")
    monkeypatch.setattr(torch.cuda, "Event", event)
    monkeypatch.setattr(torch.cuda, "stream", stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: "compute")
    monkeypatch.setattr(torch, "empty", unpinned)
    return log


def test_slot__order_of_streams(log: Log) -> None:
    """A copy waits for the forward pass before, the forward pass for its copy, the host for both.

    e0 is "copied" and e1 "read" of the slot; then a flight's start and end.
    """
    network = SmallMemory(room=8)
    slot = CudaSlots(Forward(network, CPU), 8)(4)  # type: ignore[arg-type]
    for count in (4, 3):
        slot.wait()
        np.stack(pictures(count), out=slot.pixels[:count])
        flight = slot.launch(count)
        assert flight.vectors()[:, 0].tolist() == list(range(count))
        assert flight.seconds == 0.5
    assert network.batches == [4, 3]

    def launch(start: str, end: str) -> Log:
        return [
            ("host", "waits for", "e0"),
            ("copies", "waits for", "e1"),
            ("copies", "records", "e0"),
            ("compute", "waits for", "e0"),
            ("compute", "records", start),
            ("compute", "records", "e1"),
            ("compute", "records", end),
            ("host", "waits for", end),
        ]

    assert log == [("compute", "records", "e1"), *launch("e2", "e3"), *launch("e4", "e5")]


def test_slot__the_host_waits_only_for_the_copy_of_its_turn(log: Log) -> None:
    """Three batches begun in a row: the host waits once, for the first slot's copy."""
    ring = Ring(CudaSlots(Forward(SmallMemory(room=8), CPU), 8))  # type: ignore[arg-type]
    for _ in range(3):
        ring.begin(pictures(4))
    assert [event for who, _, event in log if who == "host"] == ["e0"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_cuda__gives_the_vectors_of_the_cpu(dinov2_checkpoint: Path, precision: str) -> None:
    """Many batches begun without waiting, through two slots: each vector is its picture's."""
    random = np.random.default_rng(0)
    pixels = list(random.integers(0, 256, (50, 56, 56, 3), np.uint8))
    on_cpu, on_cuda = (
        load_encoder(
            Settings.load(
                backbone="vit_small_patch14_dinov2",
                checkpoint=dinov2_checkpoint,
                image_size=56,
                device=device,
                precision=chosen,
                batch_size=4,
            )
        )
        for device, chosen in (("cpu", "fp32"), ("cuda", precision))
    )
    begun = [on_cuda.begin(pixels[start : start + 7]) for start in range(0, 50, 7)]
    vectors = np.concatenate([part.vectors() for part in begun])
    assert (vectors * on_cpu.encode(pixels)).sum(axis=1).min() > 0.999
    assert all(part.seconds > 0 for part in begun)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda__out_of_memory_halves_and_goes_on(dinov2_checkpoint: Path) -> None:
    """A batch that 600 MB of the device cannot hold is halved until it fits."""
    encoder = load_encoder(
        Settings.load(
            backbone="vit_small_patch14_dinov2",
            checkpoint=dinov2_checkpoint,
            image_size=224,
            device="cuda",
            batch_size=1024,
        )
    )
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, 6e8 / total))
    try:
        grey = [np.full((224, 224, 3), n % 256, np.uint8) for n in range(1024)]
        vectors = encoder.encode(grey)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert encoder.batch_size < 1024
    np.testing.assert_allclose(vectors[:256], vectors[256:512], atol=1e-2)
