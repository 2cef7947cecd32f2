"""Memory must not grow with the folder."""

from __future__ import annotations

from pathlib import Path

from benchmarks.ingest_memory import in_a_process, make_files


def test_add__memory_is_flat(tmp_path: Path) -> None:
    """After the first files, eight times as many take no more memory (resident, real process)."""
    end: dict[int, float] = {}
    for size in (1_000, 8_000):
        make_files(tmp_path / str(size), size)
        end[size] = in_a_process(str(tmp_path), size, "pipeline")["end_mib"]
    # A record that were kept per file (about 1 kB with its thumbnail) would show as 7 MiB; between
    # two processes the allocator alone differs by up to 3.
    assert end[8_000] - end[1_000] < 5, end
