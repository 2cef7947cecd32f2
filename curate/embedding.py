"""Vectors for pictures without a label, each picture embedded once.

They are made with the gallery's encoder, and kept beside the gallery (`curate.vector_cache`): a
second look embeds nothing, and loads no encoder. A picture that cannot be read is an outcome, and
never ends a run.

Shapes: N pictures, D dimensions.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from curate.vector_cache import VectorCache, open_cache
from holotype.errors import BrokenImage, NotFound
from holotype.fingerprint import holds_vectors
from holotype.images.finding import LeftOut
from holotype.outcomes import FileOutcome, Outcome
from holotype.references import Vectors, reference_id

if TYPE_CHECKING:
    from holotype.access import Access
    from holotype.images.recipe import Recipe
    from holotype.images.square import Pixels

AT_A_TIME: Final = 64
"""Pictures whose bytes are held."""

Listen = Callable[[int, int], None]
"""Told how many of how many are done."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One that has no label yet."""

    id: str
    """Of the reference that it would be."""
    name: str
    """For people: its path, its name as uploaded, or its row."""
    file: Path | None = None
    """Where its bytes are."""
    queued: str | None = None
    """What the review queue knows it by: hex sha256 of its bytes."""

    @property
    def path(self) -> Path:
        """The file, of a picture that has one."""
        assert self.file is not None
        return self.file


@dataclass(frozen=True, slots=True, eq=False)
class Unlabelled:
    """Pictures in the order of their ids; row i of the vectors belongs to picture i."""

    pictures: list[Picture]
    vectors: Vectors
    """(N, D) float32, unit rows."""
    refused: list[FileOutcome] = field(default_factory=list)
    """What could not be taken, each with its reason."""
    in_gallery: int = 0
    """Pictures that were left out because they are references."""
    repeated: int = 0
    """Files that are a picture which is there already."""
    embedded: int = 0
    """Pictures whose vectors were made now."""
    left_out: LeftOut = field(default_factory=LeftOut)
    """What folders hold besides."""

    def __len__(self) -> int:
        return len(self.pictures)


@dataclass(slots=True)
class Unread:
    """A picture on its way."""

    name: str
    fetch: Callable[[], bytes]
    """Its bytes; raises `BrokenImage` or `NotFound`."""
    known_as: str | None = None
    """In the cache; None: by the sha256 of its bytes."""
    file: Path | None = None
    queued: str | None = None
    data: bytes | None = None
    problem: str | None = None

    @property
    def id(self) -> str:
        """Of the reference that it would be, once it is identified."""
        return reference_id(self.queued or self.key)

    @property
    def key(self) -> str:
        """What the cache knows it by, once it is identified."""
        assert self.known_as is not None
        return self.known_as

    def identify(self) -> None:
        """Read and hash what is not known by its hash yet."""
        if self.known_as is None and self._read() is not None:
            assert self.data is not None
            self.known_as = hashlib.sha256(self.data).hexdigest()

    def pixels(self, recipe: Recipe) -> Pixels | None:
        """(S, S, 3) uint8; None where it cannot be read."""
        from holotype.images.picture import read_pixels

        data = self.data or self._read()
        try:
            return None if data is None else read_pixels(data, recipe)
        except BrokenImage as error:
            self.problem = error.reason
            return None

    def _read(self) -> bytes | None:
        try:
            self.data = self.fetch()
        except BrokenImage as error:
            self.problem = error.reason
        except NotFound as error:
            self.problem = str(error)
        return self.data


def embedded(access: Access, sources: Sequence[Unread], listen: Listen) -> Unlabelled:
    """What these pictures come to, a few of them at a time.

    Raises:
        UsageError: the gallery holds vectors that come from elsewhere.
        GalleryMissing: there is no gallery yet.
        EncoderMismatch, FingerprintMismatch, EncoderError: pictures have to be embedded, and the
            gallery's encoder cannot be had here.
    """
    gallery, settings = access.gallery, access.settings
    if gallery.fingerprint.space is not None:
        raise holds_vectors(gallery.gallery, gallery.fingerprint)
    access.require_same_encoder()
    file = settings.home / gallery.gallery / "unlabelled.sqlite"
    with (
        open_cache(file, gallery.fingerprint) as cache,
        ThreadPoolExecutor(settings.workers or os.cpu_count() or 1, "read") as pool,
    ):
        found = _Found(access, cache, pool)
        for start in range(0, len(sources), AT_A_TIME):
            found.take(sources[start : start + AT_A_TIME])
            listen(min(start + AT_A_TIME, len(sources)), len(sources))
    return found.result()


def stacked(rows: Sequence[Vectors], dimension: int) -> Vectors:
    """(N, D) of N vectors, of none too."""
    return np.stack(rows) if rows else np.empty((0, dimension), np.float32)


class _Found:
    """What was found so far."""

    def __init__(self, access: Access, cache: VectorCache, pool: ThreadPoolExecutor) -> None:
        self._access, self._cache, self._pool = access, cache, pool
        self._vectors: dict[str, tuple[Picture, Vectors]] = {}
        self._seen: set[str] = set()
        self._refused: list[FileOutcome] = []
        self._labelled = self._repeated = self._embedded = 0

    def take(self, some: Sequence[Unread]) -> None:
        """Identify, ask, look up, embed what is left."""
        list(self._pool.map(Unread.identify, some))
        fresh = self._new([one for one in some if one.problem is None])
        known = self._cache.get([one.key for one in fresh])
        known |= self._embed([one for one in fresh if one.key not in known])
        for one in fresh:
            if one.key in known:
                picture = Picture(one.id, one.name, one.file, one.queued)
                self._vectors[one.id] = picture, known[one.key]
        self._refused += [
            FileOutcome(one.name, Outcome.BROKEN, reason=one.problem)
            for one in some
            if one.problem is not None
        ]
        for one in some:
            one.data = None

    def result(self) -> Unlabelled:
        """In the order of ids, wherever the pictures lay."""
        chosen = [self._vectors[id_] for id_ in sorted(self._vectors)]
        dimension = self._access.fingerprint.dimension
        return Unlabelled(
            [picture for picture, _ in chosen],
            stacked([vector for _, vector in chosen], dimension),
            refused=self._refused,
            in_gallery=self._labelled,
            repeated=self._repeated,
            embedded=self._embedded,
        )

    def _new(self, read: Sequence[Unread]) -> list[Unread]:
        """Those that were not there before, nor are references."""
        first: dict[str, Unread] = {}
        for one in read:
            if one.id not in self._seen:
                first.setdefault(one.id, one)
        self._seen |= first.keys()
        self._repeated += len(read) - len(first)
        present = self._access.gallery.existing(list(first))
        self._labelled += len(present)
        return [one for id_, one in first.items() if id_ not in present]

    def _embed(self, missing: Sequence[Unread]) -> dict[str, Vectors]:
        """Vectors by key; what cannot be decoded gets its problem."""
        if not missing:
            return {}
        encoder = self._access.encoder()
        decoded = self._pool.map(lambda one: one.pixels(encoder.recipe), missing)
        pictures = [(one, p) for one, p in zip(missing, decoded, strict=True) if p is not None]
        vectors = encoder.encode([pixels for _, pixels in pictures])
        made = {one.key: vector for (one, _), vector in zip(pictures, vectors, strict=True)}
        self._cache.put(made)
        self._embedded += len(made)
        return made
