"""The folder of an embedded gallery.

    HOME/<gallery>/
        owner.lock, owner.json     who uses it now (`holotype.store.lock`)
        gallery.json               format, fingerprint; written last, so it marks a whole gallery
        spaces/<fingerprint id>/
            references/            a shard: vectors of D, Cosine
            heads/                 a shard: rows of D + 1, Dot

A gallery without `gallery.json` is one whose creation was interrupted before it held
anything; the next creation starts over.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import qdrant_edge as qe

from holotype.errors import StoreError
from holotype.fingerprint import Fingerprint
from holotype.store.edge.shard import Shard
from holotype.store.files import read_json, sync_folder, write_json
from holotype.store.head_payload import KIND, VERSION
from holotype.store.payload import CHANGED_AT, KEYWORD_KEYS

FORMAT = 1
GALLERY_FILE = "gallery.json"
_REFERENCES, _HEADS = "references", "heads"


@dataclass(frozen=True, slots=True)
class Space:
    """The two open shards of a gallery and what makes their vectors comparable."""

    fingerprint: Fingerprint
    references: Shard
    heads: Shard

    def close(self) -> None:
        """Flush and close both; calling it twice is fine."""
        try:
            self.references.close()
        finally:
            self.heads.close()


def read_fingerprint(folder: Path) -> Fingerprint | None:
    """The gallery's fingerprint; None where there is no whole gallery in `folder`.

    Raises:
        StoreError: `gallery.json` is damaged or of a newer version of Holotype.
    """
    path = folder / GALLERY_FILE
    try:
        data = read_json(path)
        if data is None:
            return None
        if data["format"] != FORMAT:
            raise StoreError(
                f"{path} has format {data['format']}, this version of Holotype reads {FORMAT}: "
                "use the version that made it, or a newer one"
            )
        return Fingerprint.from_dict(data["fingerprint"])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} is damaged ({error}): restore it from a backup") from error


def create_space(folder: Path, fingerprint: Fingerprint) -> Space:
    """Create a gallery in `folder`, which this process owns, or start an interrupted one over."""
    place = folder / "spaces" / fingerprint.id
    shutil.rmtree(place, ignore_errors=True)
    for name in (_REFERENCES, _HEADS):
        (place / name).mkdir(parents=True)
    size = fingerprint.dimension
    space = Space(
        fingerprint=fingerprint,
        references=Shard.create(
            place / _REFERENCES, _REFERENCES, size=size, distance=qe.Distance.Cosine
        ),
        # Dot, because Cosine would normalise what it stores: a head's rows are numbers.
        heads=Shard.create(place / _HEADS, _HEADS, size=size + 1, distance=qe.Distance.Dot),
    )
    for key in KEYWORD_KEYS:
        space.references.index(key, qe.PayloadSchemaType.Keyword)
    space.references.index(CHANGED_AT, qe.PayloadSchemaType.Integer)
    for key in (KIND, VERSION):
        space.heads.index(key, qe.PayloadSchemaType.Keyword)
    space.references.flush()
    space.heads.flush()
    for made in (place, place.parent, folder):
        sync_folder(made)
    write_json(folder / GALLERY_FILE, {"format": FORMAT, "fingerprint": fingerprint.to_dict()})
    return space


def open_space(folder: Path, fingerprint: Fingerprint) -> Space:
    """Reopen the gallery in `folder`, which this process owns."""
    place = folder / "spaces" / fingerprint.id
    references = Shard.load(place / _REFERENCES, _REFERENCES)
    try:
        heads = Shard.load(place / _HEADS, _HEADS)
    except StoreError:
        references.close()
        raise
    return Space(fingerprint=fingerprint, references=references, heads=heads)
