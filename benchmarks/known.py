"""Adding a known folder again: ingest against hashing alone.

    python -m benchmarks known [--files 5000]

Files of about 100 kB are added once with an encoder that only averages colours, and then
again: with the hashes of unchanged files kept, and with every file read (`ingest.known_files`).
Hashing alone is hashlib's sha256 in one thread. All in turns.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.harness import benchmark, in_turns
from holotype.intake.folders import Folders
from holotype.outcomes import Outcome
from holotype.settings import Settings
from ingest.adding import add
from ingest.backend import Backend
from ingest.known_files.cache import open_hashes
from ingest.known_files.interface import Hashes, NoHashes
from ingest.opening import hash_file, open_backend
from tests.fakes import ColourEncoder

EVERY, UNCHANGED = "every file read", "unchanged files not read"

BYTES = 100_000
"""Of a file. What a JPEG decoder ignores after the picture makes up the difference."""
SIDE = 64
"""Pixels."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with benchmark("known", options) as result, tempfile.TemporaryDirectory() as name:
        files = make_files(Path(name) / "images" / "noise", options.files)
        megabytes = sum(file.stat().st_size for file in files) / 1e6
        settings = Settings.load(home=Path(name) / "home")
        folder, count = files[0].parents[1], len(files)
        with (
            open_backend(
                settings, command="benchmark", load=lambda _: ColourEncoder(batch_size=32)
            ) as backend,
            open_hashes(hash_file(settings)) as hashes,
        ):
            ingest(folder, backend, NoHashes(), Outcome.ADDED, count)
            again = Outcome.ALREADY_PRESENT
            series = in_turns(
                {
                    "hashing alone": lambda _: hash_all(files),
                    EVERY: lambda _: ingest(folder, backend, NoHashes(), again, count),
                    UNCHANGED: lambda _: ingest(folder, backend, hashes, again, count),
                },
                rounds=options.rounds,
            )
        alone = series["hashing alone"]
        result.table(
            f"{len(files):,} known files of {1000 * megabytes / len(files):.0f} kB",
            [
                {
                    "way": way,
                    "files/s": len(files) / mine.p50,
                    "MB/s": megabytes / mine.p50,
                    "processor s": mine.work,
                    "x hashing alone": alone.over(mine),
                }
                for way, mine in series.items()
            ],
        )
        for way, reach in ((EVERY, 0.8), (UNCHANGED, 10.0)):
            speed = alone.over(series[way])
            result.target(
                f"adding a known folder again, {way}",
                reach=f"{reach:g}x the speed of hashing alone",
                got=f"{speed:.2f}x ({alone.work_over(series[way]):.2f}x by processor time)",
                met=speed >= reach,
            )


def make_files(folder: Path, count: int) -> list[Path]:
    """Different JPEG files of noise."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    files = [folder / f"{n:05}.jpg" for n in range(count)]
    picture = io.BytesIO()
    pixels = random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(picture, format="JPEG")
    for file in files:
        file.write_bytes(picture.getvalue() + random.bytes(BYTES - picture.tell()))
    return files


def hash_all(files: list[Path]) -> list[str]:
    """What cannot be done without where files are read."""
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


def ingest(folder: Path, backend: Backend, hashes: Hashes, expected: Outcome, count: int) -> None:
    """Find, look up or hash, ask; the gallery is open."""
    summary = add(Folders([folder]), backend, hashes=hashes)
    assert summary.counts[expected] == count, summary.counts


if __name__ == "__main__":
    main()
