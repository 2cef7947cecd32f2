"""The folder of an embedded gallery.

    HOME/<gallery>/
        owner.lock, owner.json     who uses it now (`holotype.store.lock`)
        gallery.json               format, fingerprint; written last, so it marks a whole gallery
        spaces/<fingerprint id>/
            references/            a shard: vectors of D, Cosine
            heads/                 a shard: rows of D + 1, Dot
            <shard>.ledger, .files what must be in it (`holotype.store.edge.checksums`)
        reserve                    given up on a full disk (`holotype.store.edge.disk_space`)

A gallery without `gallery.json` is one whose creation was interrupted before it held
anything; the next creation starts over.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import qdrant_edge as qe

from holotype.errors import GalleryMissing, StoreDamaged, StoreError
from holotype.fingerprint import Fingerprint
from holotype.store.edge.shard import ALWAYS_KB, HEADS, NEVER_KB, REFERENCES, Shard, ShardLayout
from holotype.store.files import read_json, sync_folder, write_json
from holotype.store.head_payload import KIND, VERSION
from holotype.store.missing import gallery_missing
from holotype.store.payload import CHANGED_AT, KEYWORD_KEYS

FORMAT = 1
GALLERY_FILE = "gallery.json"


@dataclass(frozen=True, slots=True)
class Space:
    """The two open shards of a gallery and what makes their vectors comparable."""

    fingerprint: Fingerprint
    references: Shard
    heads: Shard

    def flush(self) -> None:
        """Bring both to the disk."""
        self.references.flush()
        self.heads.flush()

    def __enter__(self) -> Space:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
        StoreDamaged: what it speaks of is not there.
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
        fingerprint = Fingerprint.from_dict(data["fingerprint"])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} is damaged ({error}): restore it from a backup") from error
    place = place_of(folder, fingerprint)
    if not place.is_dir():
        raise StoreDamaged(
            f"{path} speaks of {place.name}, which is not in {place.parent}: one of them has "
            "changed. Restore a backup (`ingest restore --replace`)"
        )
    return fingerprint


def no_gallery(folder: Path) -> GalleryMissing:
    """The error for a gallery that is not in `folder`, with those that lie beside it."""
    others: list[str] = []
    with suppress(OSError):
        others = [one.parent.name for one in folder.parent.glob(f"*/{GALLERY_FILE}")]
    return gallery_missing(folder.name, [name for name in others if name != folder.name])


def create_space(folder: Path, fingerprint: Fingerprint) -> Space:
    """Create a gallery in `folder`, which this process owns, or start an interrupted one over."""
    place = place_of(folder, fingerprint)
    shutil.rmtree(place, ignore_errors=True)
    space = Space(
        fingerprint=fingerprint,
        references=create_references(place, fingerprint),
        heads=create_heads(place, fingerprint),
    )
    space.flush()
    for made in (place, place.parent, folder):
        sync_folder(made)
    write_gallery(folder, fingerprint)
    return space


def write_gallery(folder: Path, fingerprint: Fingerprint) -> None:
    """Write the record that makes a gallery of what lies in `folder`."""
    write_json(folder / GALLERY_FILE, {"format": FORMAT, "fingerprint": fingerprint.to_dict()})


def open_space(folder: Path, fingerprint: Fingerprint, *, place: Path | None = None) -> Space:
    """Reopen the gallery in `folder`, which this process owns.

    Args:
        folder: made by `create_space`.
        fingerprint: the gallery's.
        place: where its shards lie, if not where a gallery has them.

    Raises:
        StoreDamaged: some of what was stored is gone; the message says what to do.
    """
    place = place or place_of(folder, fingerprint)
    references = Shard.load(place / REFERENCES, references_layout(fingerprint))
    try:
        heads = Shard.load(place / HEADS, heads_layout(fingerprint))
    except BaseException:
        references.close()
        raise
    return Space(fingerprint=fingerprint, references=references, heads=heads)


def index_references(folder: Path, fingerprint: Fingerprint) -> tuple[int, int]:
    """Build the search index of the gallery in `folder`, which this process owns.

    Returns:
        References, and how many of them are indexed now.
    """
    layout = references_layout(fingerprint)
    place = place_of(folder, fingerprint) / layout.name
    shard = Shard.load(place, layout, index_from_kb=ALWAYS_KB)
    try:
        shard.build_index()
    finally:
        shard.close()
    shard = Shard.load(place, layout, index_from_kb=NEVER_KB)
    try:
        return shard.count(), shard.indexed_vectors()
    finally:
        shard.close()


def create_references(place: Path, fingerprint: Fingerprint) -> Shard:
    """A new shard of references in `place`, with the indexes that every gallery has."""
    shard = Shard.create(_new(place / REFERENCES), references_layout(fingerprint))
    for key in KEYWORD_KEYS:
        shard.index(key, qe.PayloadSchemaType.Keyword)
    shard.index(CHANGED_AT, qe.PayloadSchemaType.Integer)
    return shard


def create_heads(place: Path, fingerprint: Fingerprint) -> Shard:
    """A new shard of heads in `place`."""
    shard = Shard.create(_new(place / HEADS), heads_layout(fingerprint))
    for key in (KIND, VERSION):
        shard.index(key, qe.PayloadSchemaType.Keyword)
    return shard


def references_layout(fingerprint: Fingerprint) -> ShardLayout:
    """Of the shard of references."""
    return ShardLayout(REFERENCES, fingerprint.dimension, qe.Distance.Cosine, key="label")


def heads_layout(fingerprint: Fingerprint) -> ShardLayout:
    """Of the shard of heads: Dot, because Cosine would normalise what are numbers."""
    return ShardLayout(HEADS, fingerprint.dimension + 1, qe.Distance.Dot, key=KIND)


def place_of(folder: Path, fingerprint: Fingerprint) -> Path:
    """Where the shards of a gallery lie."""
    return folder / "spaces" / fingerprint.id


def _new(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
