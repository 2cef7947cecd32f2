"""Verify a gallery that nobody has open, however damaged, and make a whole one of what is left.

A shard that is not what its ledger says is read as far as that goes (`salvage`), and written
anew. The old files stay beside the new ones, as `<shard>.damaged`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import qdrant_edge as qe

from holotype.errors import StoreDamaged, StoreError
from holotype.fingerprint import Fingerprint
from holotype.references import reference_id
from holotype.store import head_payload
from holotype.store.edge.checksums import Ledger
from holotype.store.edge.points import points_of
from holotype.store.edge.salvage import Salvaged, salvage
from holotype.store.edge.shard import Shard, ShardLayout
from holotype.store.edge.space import (
    create_heads,
    create_references,
    heads_layout,
    no_gallery,
    place_of,
    read_fingerprint,
    references_layout,
)
from holotype.store.edge.store import EdgeStore
from holotype.store.files import sync_folder, sync_tree
from holotype.store.integrity import reference_damage
from holotype.store.lock import OwnerLock
from holotype.store.payload import CHANGED_AT
from holotype.store.points import Point
from holotype.store.port import Damage, Verification

_LEDGER: Final = "ledger"
_LOST: Final = "it is lost"
_NEVER: Final = 2**62
"""More points than can be there."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one of the two shards is made, and what a point in it is."""

    layout: ShardLayout
    create: Callable[[Path, Fingerprint], Shard]
    id_of: Callable[[Point], str | None]
    """The id that its payload says; None where that says none."""
    problem: Callable[[Point, str | None], str | None]
    """What is wrong with a point that is to have this id; None where it is whole."""


def verify_gallery(
    home: Path, gallery: str, *, repair: bool, command: str, keep_free: int
) -> Verification:
    """See `holotype.store.factory.verify_store`.

    Raises:
        GalleryMissing, StoreLocked: see `EdgeStore.open`.
        StoreError: the gallery's own record is damaged, or the disk refuses.
    """
    folder = home / gallery
    fingerprint = read_fingerprint(folder)
    if fingerprint is None:
        raise no_gallery(folder)
    lock = OwnerLock.acquire(folder, command=command)
    try:
        place = place_of(folder, fingerprint)
        damages = []
        for kind in _kinds(fingerprint):
            damages += _check(place, kind, fingerprint, repair=repair)
    except OSError as error:
        raise StoreError(
            f"gallery {gallery!r} in {home} cannot be repaired ({error}): see to the folder and "
            "its disk, then do it again"
        ) from error
    finally:
        lock.release()
    if damages and not repair:  # it cannot be opened, so nobody can be answered from it
        return Verification(0, 0, damages)
    with EdgeStore.open(
        home, gallery, fingerprint=None, command=command, keep_free=keep_free
    ) as store:
        found = store.verify(repair=repair)
    return Verification(found.references, found.heads, [*damages, *found.damages])


def _kinds(fingerprint: Fingerprint) -> tuple[_Kind, _Kind]:
    def reference_problem(point: Point, id_: str | None) -> str | None:
        named = replace(point, id=id_ or point.id)
        return reference_damage(named, fingerprint.dimension)

    def head_problem(point: Point, id_: str | None) -> str | None:
        if id_ is None:
            return "its payload cannot be read"
        whole = len(point.vector) == fingerprint.dimension + 1 and np.isfinite(point.vector).all()
        return None if whole else "its numbers are not whole"

    return (
        _Kind(
            references_layout(fingerprint),
            create_references,
            lambda point: reference_id(str(point.payload.get("sha256"))),
            reference_problem,
        ),
        _Kind(
            heads_layout(fingerprint),
            create_heads,
            lambda point: head_payload.id_of(point.payload),
            head_problem,
        ),
    )


def _check(place: Path, kind: _Kind, fingerprint: Fingerprint, *, repair: bool) -> list[Damage]:
    """What is wrong with the files of a shard, mended where asked for."""
    name = kind.layout.name
    folder, aside = place / name, _aside(place, name)
    if repair and not folder.exists() and aside.exists():
        aside.rename(folder)  # a repair was killed between two renamings
    ledger = Ledger(folder)
    files: dict[str, str] = {}
    points: int | None = None
    try:
        points = ledger.points()
        files = ledger.damaged_files(thorough=True)
    except StoreDamaged as error:
        files[_LEDGER] = str(error)
    if not files and _opens(folder, kind.layout):
        return []
    found = [Damage(f"{name}/{file}", problem) for file, problem in files.items()]
    found = found or [Damage(name, "the engine cannot read all of it")]
    if not repair:
        return found
    files.pop(_LEDGER, None)
    kept, lost = _rebuild(place, kind, fingerprint, damaged=files, ledger=ledger)
    of = "" if points is None else f" of {points}"
    return [replace(d, mended=f"{kept}{of} points were kept") for d in found] + lost


def _opens(folder: Path, layout: ShardLayout) -> bool:
    try:
        Shard.load(folder, layout).close()
    except StoreDamaged:
        return False
    return True


def _rebuild(
    place: Path, kind: _Kind, fingerprint: Fingerprint, *, damaged: Iterable[str], ledger: Ledger
) -> tuple[int, list[Damage]]:
    """Write a shard anew with what can be read; how many points that is, and what is lost."""
    name = kind.layout.name
    scratch, aside = place / "repairing", _aside(place, name)
    shutil.rmtree(scratch, ignore_errors=True)
    lost: list[Damage] = []
    new = kind.create(scratch, fingerprint)
    try:
        new.flush()
        old = salvage(
            place / name, kind.layout, damaged=damaged, before=ledger.known, new=new.folder
        )
        if old is None:
            lost.append(Damage(name, "nothing in it can be read", mended="it is empty now"))
        else:
            with closing(old.shard):
                _copy(old, new, kind, lost)
        kept = new.points()
    finally:
        new.close()
    sync_tree(scratch)
    shutil.rmtree(aside, ignore_errors=True)
    ledger.begin(_NEVER)  # until the new one is there: killed here, it is all done again
    if (place / name).exists():
        (place / name).rename(aside)
    for part in sorted(scratch.iterdir()):  # the shard, then what its ledger says of it
        part.rename(place / part.name)
    scratch.rmdir()
    sync_folder(place)
    return kept, lost


def _copy(old: Salvaged, new: Shard, kind: _Kind, lost: list[Damage]) -> None:
    """Bring every point that can be read into the new shard, under its own id."""
    newest: dict[str, int] = {}
    for page in points_of(old.shard, lost):
        points = []
        for point in page:
            id_ = kind.id_of(point)
            if old.renamed and not point.payload:
                continue  # the place of a point that was removed
            problem = kind.problem(point, id_)
            if problem is not None or id_ is None:
                source = point.payload.get("source", "")
                lost.append(Damage(id_ or point.id, f"{problem} {source}".strip(), _LOST))
                continue
            changed_at = int(point.payload.get(CHANGED_AT, 0))
            if changed_at >= newest.get(id_, 0):
                newest[id_] = changed_at
                points.append(qe.Point(id_, point.vector.tolist(), point.payload))
        for key in sorted(_meta_keys(points) - new.indexed_keys()):
            new.index(key, qe.PayloadSchemaType.Keyword)
        if points:
            new.update(qe.UpdateOperation.upsert_points(points))


def _meta_keys(points: Iterable[qe.Point]) -> set[str]:
    return {f"meta.{name}" for point in points for name in (point.payload or {}).get("meta", ())}


def _aside(place: Path, name: str) -> Path:
    return place / f"{name}.damaged"
