"""Small batches side by side, one thread each."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import nn

from holotype.encoder.cpu_threads import CHUNK, Lanes, even_chunks, one_thread
from tests.holotype.encoder.test_encode import encoder_with, pictures


def test_cpu_threads__in_order_and_single_threaded() -> None:
    """Results keep their order; inside a lane torch uses one thread, outside as many as before."""
    before = torch.get_num_threads()
    lanes = Lanes(3)
    meet = threading.Barrier(3)

    def work(item: int) -> tuple[int, int]:
        meet.wait(timeout=30)  # passes only if all three lanes run at once
        return item, torch.get_num_threads()

    assert lanes.map(work, range(6)) == [(item, 1) for item in range(6)]
    assert torch.get_num_threads() == before
    seen: list[int] = []
    other = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert seen == [before]


def test_one_thread__inside_only() -> None:
    """Inside torch uses one thread, afterwards as many as before, after an error too."""

    @one_thread()
    def fail() -> None:
        seen.append(torch.get_num_threads())
        raise ZeroDivisionError

    seen: list[int] = []
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError):
            fail()
        assert (seen, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)


def test_cpu_threads__error() -> None:
    """An error in a lane reaches the caller."""
    with pytest.raises(ZeroDivisionError):
        Lanes(2).map(lambda item: 1 // item, [1, 0])


class Mean(nn.Module):
    """Averages pictures, and remembers how many came and in which thread."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[int, str]] = []

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        self.calls.append((len(pixels), threading.current_thread().name))
        return pixels.float().mean(dim=(1, 2))


@pytest.mark.parametrize(
    ("count", "at_most", "lanes", "sizes"),
    [
        (29, 8, 2, [8, 7, 7, 7]),
        (17, 8, 2, [5, 4, 4, 4]),
        (16, 8, 2, [8, 8]),
        (7, 8, 2, [4, 3]),
        (32, 8, 3, [6, 6, 5, 5, 5, 5]),
        (3, 8, 4, [1, 1, 1]),
        (5, 1, 2, [1] * 5),
        (0, 8, 2, []),
    ],
)
def test_even_chunks(count: int, at_most: int, lanes: int, sizes: list[int]) -> None:
    """No lane waits for another's longer or extra piece, and no item is lost or moved."""
    chunks = even_chunks(range(count), at_most=at_most, lanes=lanes)
    assert [len(chunk) for chunk in chunks] == sizes
    assert [item for chunk in chunks for item in chunk] == list(range(count))


@pytest.mark.parametrize("count", [2, 7, 16, 41])
def test_encode__lanes_share_the_work(count: int) -> None:
    """Pictures are split evenly over the lanes, in chunks that fit the cache, and stay in order."""
    network = Mean()
    encoder = encoder_with(network, batch_size=32, lanes=Lanes(2))
    assert encoder.encode(pictures(count))[:, 0].tolist() == list(range(count))
    sizes = [size for size, _ in network.calls]
    assert sum(sizes) == count
    assert max(sizes) <= min(CHUNK, -(-count // 2))
    assert max(sizes) - min(sizes) <= 1
    assert all(name.startswith("encode") for _, name in network.calls)


def test_encode__one_picture_gets_all_cores() -> None:
    """A single picture runs in the caller's thread, where torch may use every core."""
    network = Mean()
    vectors = encoder_with(network, batch_size=32, lanes=Lanes(2)).encode(pictures(1))
    assert vectors.tolist() == np.zeros((1, 3)).tolist()
    assert network.calls == [(1, threading.current_thread().name)]


def test_encode__batch_size_bounds_chunks() -> None:
    """A smaller batch size than the chunk is obeyed."""
    network = Mean()
    encoder_with(network, batch_size=3, lanes=Lanes(2)).encode(pictures(20))
    assert max(size for size, _ in network.calls) == 3
