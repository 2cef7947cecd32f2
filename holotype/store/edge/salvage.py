"""Open a damaged shard to read what is left of it; nobody writes to it any more.

Much of a shard follows from the rest, and can be had back whole:

- The log of a shard that was closed in order, the indexes of payloads and a few smaller files
  are made again by the engine where they are missing.
- Descriptions are the same in every new shard.
- Which point lies where (`mutable_id_tracker.*`) is lost without a word where the file is cut
  short. But a payload says which point it belongs to: every place gets some name to be read
  under, and what is found there says the right one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holotype.errors import StoreError
from holotype.store.edge.checksums import Entry
from holotype.store.edge.shard import Shard, ShardLayout

_MADE_AGAIN: Final = frozenset(
    {"payload_index", "deleted", "edge_config.json", "tracker_journal.dat"}
)
"""Parts of a path that the engine makes again; `wal` too, where nothing is in it alone."""

_AS_NEW: Final = frozenset(
    {"config.json", "segment.json", "version.info", "bitmask.dat", "gaps.dat"}
)
"""Files of which those of a new shard do for reading."""

_SUSPECTS: Final = ("payload_index", "edge_config.json", "deleted", "first-index", "wal")

_MAPPINGS, _VERSIONS, _PLACES = (
    "mutable_id_tracker.mappings",
    "mutable_id_tracker.versions",
    "status.dat",
)
_UUID: Final = b"\x02"
"""Begins an entry of the mappings: then a UUID of 16 bytes and a place of 4, little endian."""


@dataclass(frozen=True, slots=True)
class Salvaged:
    """A shard that can be read, more or less."""

    shard: Shard
    renamed: bool
    """Its points do not go by their own ids, and what has no payload was removed before."""


def salvage(
    folder: Path,
    layout: ShardLayout,
    *,
    damaged: Iterable[str],
    before: Mapping[str, Entry],
    new: Path,
) -> Salvaged | None:
    """Open the shard in `folder` as far as that is possible.

    Args:
        folder: its files are changed.
        layout: as it was made.
        damaged: files that are not as they were.
        before: all files, as they were when the shard was closed; empty after a crash.
        new: a new shard of this layout.

    Returns:
        None where nothing can be read.
    """
    renamed = False
    for file in sorted(damaged):
        renamed = _mend(folder, Path(file), before=before, new=new) or renamed
    if renamed:
        renamed = _rename_all(folder)
    opened = _load(folder, layout)
    if opened is None:
        for path in [p for p in folder.rglob("*") if p.name in _AS_NEW]:
            _from_new(folder, path.relative_to(folder), new)
        opened = _load(folder, layout)
    for part in _SUSPECTS:  # after a crash it is not known what is wrong: one by one, log last
        if opened is None:
            for path in folder.rglob(part):
                _drop(path)
            opened = _load(folder, layout)
    return None if opened is None else Salvaged(opened, renamed)


def _mend(folder: Path, file: Path, *, before: Mapping[str, Entry], new: Path) -> bool:
    """Do what can be done about one file; True where points must be named anew."""
    path = folder / file
    if file.name in {_MAPPINGS, _VERSIONS}:
        return True
    again = _MADE_AGAIN.intersection(file.parts)
    if "wal" in file.parts:
        _drop(folder / "wal")
    elif again:
        while path.name not in again:
            path = path.parent
        _drop(path)
    elif file.name in _AS_NEW:
        _from_new(folder, file, new)
    elif file.parts[-2:] == ("vectors", _PLACES):
        versions = folder.joinpath(*file.parts[:2], _VERSIONS)
        if versions.exists():  # 8 bytes for each place
            path.write_bytes((versions.stat().st_size // 8).to_bytes(8, "little"))
    elif file.as_posix() in before and path.exists():
        with path.open("r+b") as cut:
            cut.truncate(before[file.as_posix()].size)  # zeros are noticed where they are read
    return False


def _from_new(folder: Path, file: Path, new: Path) -> None:
    # Segments have random names; everything below them has the same one in every shard.
    for segment in (new / "segments").iterdir():
        source = segment.joinpath(*file.parts[2:])
        if source.exists():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, folder / file)


def _rename_all(folder: Path) -> bool:
    """Give every place of every segment a name; False where their number is not known."""
    named = False
    for segment in (folder / "segments").iterdir():
        count = segment / "vector_storage" / "vectors" / _PLACES
        if not count.exists():
            continue
        places = int.from_bytes(count.read_bytes(), "little")
        version = int(json.loads((segment / "segment.json").read_text())["version"])
        names = (
            _UUID + (place + 1).to_bytes(16, "little") + place.to_bytes(4, "little")
            for place in range(places)
        )
        (segment / _MAPPINGS).write_bytes(b"".join(names))
        (segment / _VERSIONS).write_bytes(version.to_bytes(8, "little") * places)
        named = True
    _drop(folder / "wal")  # it speaks of the points' own names
    return named


def _load(folder: Path, layout: ShardLayout) -> Shard | None:
    try:
        return Shard.load_anyhow(folder, layout)
    except StoreError:
        return None


def _drop(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
