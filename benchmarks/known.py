"""Adding a known folder again: ingest against hashing alone.

    python -m benchmarks known [--files 1000] [--full]

Files of about 100 kB are added once with an encoder that only averages colours, and then
again: with the hashes of unchanged files kept (`ingest.hash_cache`), and with every file read.
Hashing alone is hashlib's sha256 in one thread. All in turns. `--full` is 5,000 files.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.harness import benchmark, in_turns
from holotype.intake.folders import Folders
from holotype.outcomes import Outcome
from holotype.settings import Settings
from ingest.adding import add
from ingest.hash_cache import Hashes, NoHashes, open_hashes
from ingest.opening import hash_file, open_backend
from tests.fakes import ColourEncoder

SIDE = 232
"""Pixels of a side: noise at quality 95 then takes about 100 kB."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    if options.full:
        options.files = 5_000
    with benchmark("known", options) as result, tempfile.TemporaryDirectory() as name:
        files = make_files(Path(name) / "images" / "noise", options.files)
        megabytes = sum(file.stat().st_size for file in files) / 1e6
        settings = Settings.load(home=Path(name) / "home")
        ingest(files[0].parents[1], settings, NoHashes(), Outcome.ADDED, len(files))
        with open_hashes(hash_file(settings)) as hashes:
            series = in_turns(
                {
                    "hashing alone": lambda _: hash_all(files),
                    "every file read": lambda _: ingest(
                        files[0].parents[1],
                        settings,
                        NoHashes(),
                        Outcome.ALREADY_PRESENT,
                        len(files),
                    ),
                    "unchanged files not read": lambda _: ingest(
                        files[0].parents[1], settings, hashes, Outcome.ALREADY_PRESENT, len(files)
                    ),
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
        for way, reach in (("every file read", 0.8), ("unchanged files not read", 10.0)):
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
    for file in files:
        pixels = random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(file, quality=95)
    return files


def hash_all(files: list[Path]) -> list[str]:
    """What cannot be done without where files are read."""
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


def ingest(folder: Path, settings: Settings, hashes: Hashes, expected: Outcome, count: int) -> None:
    """The whole job: open the gallery, find, hash, ask."""
    with open_backend(settings, command="benchmark", load=lambda _: ColourEncoder()) as backend:
        summary = add(Folders([folder]), backend, hashes=hashes)
    assert summary.counts[expected] == count, summary.counts


if __name__ == "__main__":
    main()
