"""Building the search index of an embedded gallery: `python -m holotype.store.edge.indexing`.

The engine builds it in one call that holds the interpreter lock for minutes, so this runs as
a process of its own (`holotype.store.optimize` starts it) that owns the gallery meanwhile.
Killed half-way it leaves the gallery as it was: the engine swaps a finished segment in.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from holotype.errors import HolotypeError
from holotype.store.edge.space import index_references, no_gallery, read_fingerprint
from holotype.store.lock import OwnerLock
from holotype.store.optimize import COMMAND, IndexReport


def build_index(home: Path, gallery: str) -> IndexReport:
    """Index all references that are not indexed yet.

    Raises:
        GalleryMissing: there is no such gallery.
        StoreLocked: somebody else owns it.
    """
    folder = home / gallery
    fingerprint = read_fingerprint(folder)
    if fingerprint is None:
        raise no_gallery(folder)
    lock = OwnerLock.acquire(folder, command=COMMAND)
    started = time.monotonic()
    try:
        references, indexed = index_references(folder, fingerprint)
    finally:
        lock.release()
    return IndexReport(references, indexed, seconds=time.monotonic() - started)


def main(home: str, gallery: str) -> int:
    """Build, and say on standard output what was built; errors go to standard error."""
    try:
        report = build_index(Path(home), gallery)
    except HolotypeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"{json.dumps(asdict(report))}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
