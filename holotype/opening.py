"""The front door: a gallery from Python, in the words of the commands.

The one module of this package that imports other rooms (`ingest`, `classify`, `head`):
it puts their functions, which the command lines and the service use, behind one object.
`holotype.open` leads here; importing `holotype` does not.

Shapes: N references, Q queries, C classes, D dimensions.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, Unpack

from classify.answering.answer_table import Answers
from classify.answering.classifier import Classifier
from classify.answering.modes import Mode
from classify.answering.options import MOST_BY_HTTP, GivenOptions, options_of
from classify.answering.pictures import query_files
from classify.opening import classify_through, classify_vectors_through
from head.opening import retrain_through
from head.options import RetrainOptions, RetrainResult
from head.steps import each_step
from holotype.access import Access
from holotype.columns import References
from holotype.errors import GalleryMissing, UsageError
from holotype.intake.manifest import Manifest
from holotype.intake.sources import source_of
from holotype.intake.tables import is_table
from holotype.intake.vectors import first_dimension, incoming_vectors, unit_vectors, vector_records
from holotype.intake.words import clean_label, clean_meta
from holotype.outcomes import OnConflict, Outcomes
from holotype.references import Where
from holotype.settings import GivenSettings, Settings, one_of
from ingest.adding import add
from ingest.known_files.cache import open_hashes
from ingest.opening import backend_of, hash_file, worker_count
from ingest.vectors import vector_adder

if TYPE_CHECKING:
    import numpy.typing as npt

    from classify.answering.options import QueryOptions
    from classify.answering.pictures import Picture
    from classify.estimator import RetrievalClassifier as RetrievalClassifier  # see `holotype`
    from holotype.fingerprint import Fingerprint

    Filter = Where | str | Sequence[str]

_log = logging.getLogger(__name__)


def open(  # noqa: A001  holotype.open
    name: str,
    *,
    space: str | None = None,
    dimension: int | None = None,
    **settings: Unpack[GivenSettings],
) -> Gallery:
    """Open a gallery, or one that its first reference will make.

    Through the service that owns it, where one runs; on a Qdrant server, where a setting or
    `HOLOTYPE_QDRANT_URL` names one; in this process elsewhere. What is not given is taken from the
    environment (`HOLOTYPE_*`), then from the gallery, then from the defaults.

    Args:
        name: of the gallery.
        space: of vectors that come from elsewhere: a name that stands for whatever made them.
        dimension: numbers of such a vector; None: those of the gallery, or of the first ones.
        settings: by their names, such as `home=` or `qdrant_url=`.

    Raises:
        UsageError: a setting is out of range.
        FingerprintMismatch: the gallery holds pictures, or vectors of another space.
        StoreLocked: another process that is no service owns it.
        StoreError, ServiceError: it cannot be opened.
    """
    unknown = sorted(settings.keys() - GivenSettings.__annotations__.keys())
    if unknown:
        raise TypeError(f"open() got an unexpected keyword argument {unknown[0]!r}")
    return Gallery(Settings.load(gallery=name, **settings), space=space, dimension=dimension)


class Gallery:
    """An open gallery. Leaving it as a context closes it. Safe for several threads."""

    def __init__(self, settings: Settings, *, space: str | None, dimension: int | None) -> None:
        """See `open`."""
        self._access = Access(settings, command="holotype.open")
        self._space, self._dimension = space, dimension
        self._adding, self._making = threading.Lock(), threading.Lock()
        self._made: Classifier | None = None
        try:
            if space is not None or dimension is not None:
                with suppress(GalleryMissing):  # the first reference will make it
                    self._access.space(space, dimension)
        except BaseException:
            self._access.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the gallery; calling it twice is fine."""
        self._access.close()

    @property
    def fingerprint(self) -> Fingerprint:
        """The embedding space.

        Raises:
            GalleryMissing: nothing was added yet.
        """
        return self._access.fingerprint

    # -- references -----------------------------------------------------------------

    def add(
        self,
        paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        label: str | None = None,
        group: str | None = None,
        meta: Mapping[str, str] | None = None,
        on_conflict: OnConflict | str = OnConflict.ERROR,
        splits_are_classes: bool = False,
        root: str | os.PathLike[str] | None = None,
    ) -> Outcomes:
        """Add labelled pictures, as `ingest add`: what is there already is not embedded again.

        Args:
            paths: image files, folders whose folders are the classes, or one manifest (.csv,
                .tsv, .jsonl, .parquet, or .json of COCO).
            label: of all pictures; needed for single files.
            group: what belongs together: a name, `folder`, or `re:EXPRESSION`.
            meta: of all pictures.
            on_conflict: `error`, `keep` or `replace`, for a picture that has another label.
            splits_are_classes: folders called train, val or test are classes.
            root: what sources are kept relative to, and the paths of a manifest; None: sources
                are absolute.

        Returns:
            An outcome a file; a broken picture is one, too.

        Raises:
            UsageError: the arguments do not fit together, or a path does not exist.
            EncoderError, StoreError, ServiceError: the run cannot go on; it can be repeated.
        """
        given = [paths] if isinstance(paths, str | os.PathLike) else paths
        files = [Path(path) for path in given]
        manifest = files.pop() if len(files) == 1 and is_table(files[0]) else None
        settings, policy = self._access.settings, one_of(OnConflict, on_conflict)
        source = source_of(
            files,
            label=label,
            manifest=manifest,
            group=group,
            meta=clean_meta(meta or {}),
            splits_are_classes=splits_are_classes,
            max_meta_keys=settings.max_meta_keys,
            root=None if root is None else Path(root),
        )
        if isinstance(source, Manifest):
            for notice in source.notices:
                _log.warning("%s: %s", source.file, notice)
        said = Outcomes()
        with self._adding, open_hashes(hash_file(settings)) as hashes:
            add(
                source,
                backend_of(self._access),
                on_conflict=policy,
                workers=worker_count(settings),
                hashes=hashes,
                listen=said.append,
            )
        said.left_out = source.left_out
        return said

    def add_vectors(
        self,
        X: npt.ArrayLike,
        labels: Sequence[object],
        *,
        ids: Sequence[str] | None = None,
        groups: Sequence[object] | None = None,
        meta: Sequence[Mapping[str, object]] | None = None,
        on_conflict: OnConflict | str = OnConflict.ERROR,
    ) -> Outcomes:
        """Add labelled vectors that come from elsewhere; what is there already stays as it is.

        In a gallery of pictures they must be of the gallery's own encoder: nobody can check that.

        Args:
            X: (N, D) numbers; they are stored with length 1.
            labels: N labels.
            ids: N names of references: UUIDs are ids as they are, other texts are hashed; None:
                the vectors say which they are (`holotype.intake.vectors`).
            groups: N groups of references that are not independent; None where one is.
            meta: N mappings of metadata.
            on_conflict: `error`, `keep` or `replace`, for a reference that has another label.

        Returns:
            An outcome a row.

        Raises:
            InvalidReference: a row has another dimension, NaN, infinite numbers or only zeros; it
                is named, and nothing was added.
            UsageError: a row's text cannot be used.
            GalleryMissing: there is none yet, and no space was named for it.
            StoreError, ServiceError: the run cannot go on; it can be repeated.
        """
        space = self._access.space(self._space, self._dimension, first=first_dimension(X))
        records = vector_records(
            X, labels, dimension=space.dimension, ids=ids, groups=groups, meta=meta
        )
        with self._adding:
            adder = vector_adder(self._access, space, one_of(OnConflict, on_conflict))
            return Outcomes(adder(incoming_vectors(records, space)))

    def classes(self, *, where: Filter = ()) -> dict[str, int]:
        """References per label, most first."""
        return self._access.gallery.counts(where=self._where(where))

    def relabel(self, label: str, *, ids: Iterable[str] = (), where: Filter = ()) -> int:
        """Give another label to these ids, or to all that match a filter; returns how many.

        Raises:
            UsageError: both or neither were given, or the label cannot be used.
        """
        chosen = self._chosen(ids, where)
        return self._access.gallery.relabel(clean_label(label), **chosen)

    def remove(self, *, ids: Iterable[str] = (), where: Filter = ()) -> int:
        """Remove these ids, or all that match a filter; returns how many.

        Raises:
            UsageError: both or neither were given.
        """
        return self._access.gallery.remove(**self._chosen(ids, where))

    def export(self, *, where: Filter = ()) -> References:
        """All references with their vectors, in id order, of one moment where others let it be.

        Raises:
            UnknownFilterKey: the filter names a key that no reference carries.
        """
        return References.read(self._access.gallery, where=self._where(where))

    # -- answers --------------------------------------------------------------------

    def classify(
        self, pictures: Picture | Iterable[Picture], **options: Unpack[GivenOptions]
    ) -> Answers:
        """Classify pictures, as `classify query`; `mode="auto"` unless given.

        Args:
            pictures: one or many: paths, bytes of files, images of Pillow, or arrays: uint8 (H, W),
                (H, W, 3) RGB or (H, W, 4) RGBA, or uint16 (H, W). Folders are expanded.
            options: see `classify.answering.options`; `top` is the number of classes.

        Returns:
            An answer a picture; what cannot be read is in `problems`.

        Raises:
            GalleryMissing, EmptyGallery, NoActiveHead, UnknownFilterKey: nothing can answer.
            UsageError: an option is out of range, or the gallery holds vectors.
            EncoderError, StoreError, ServiceError: the gallery cannot be used.
        """
        asked, classes = self._asked(options)
        files = query_files(pictures)
        found = classify_through(self._access, files, asked, classifier=self._classifier())
        return Answers(list(found), classes)

    def classify_vectors(self, Q: npt.ArrayLike, **options: Unpack[GivenOptions]) -> Answers:
        """Classify vectors of the gallery's space.

        Args:
            Q: (Q, D) numbers; their lengths do not count.
            options: as of `classify`.

        Raises:
            InvalidReference: a row is no vector of this gallery; it is named.
            HolotypeError: as for `classify`.
        """
        asked, classes = self._asked(options)
        vectors = unit_vectors(Q, self.fingerprint.dimension)
        found = classify_vectors_through(
            self._access, vectors, asked, classifier=self._classifier()
        )
        return Answers(found, classes)

    def retrain(
        self,
        *,
        if_needed: bool = False,
        min_new: int = 1,
        force: bool = False,
        seed: int = 0,
        device: str = "auto",
    ) -> RetrainResult:
        """Train a head on the whole gallery and make it active; see `head.options`.

        Raises:
            HeadBusy: another retrain is running on this gallery.
            TooFewReferences: the gallery holds fewer than two classes.
        """
        options = RetrainOptions(if_needed, min_new, force, seed, device)
        return retrain_through(self._access, options, tell=each_step(_log.info))

    # -- inside ---------------------------------------------------------------------

    def _classifier(self) -> Classifier | None:
        """One for all answers: it watches the store. None: the service has its own."""
        if self._access.service is not None:
            return None
        with self._making:
            self._made = self._made or Classifier(self._access.store)
            return self._made

    def _asked(self, given: GivenOptions) -> tuple[QueryOptions, tuple[str, ...]]:
        """The options, and the classes that may be answered, sorted."""
        where = self._where(given.get("where", ()))
        classes = tuple(sorted(self._access.gallery.counts(where=where)))
        most = len(classes) if self._access.service is None else MOST_BY_HTTP
        top = max(1, min(len(classes), most))
        return options_of({"mode": Mode.AUTO, "top": top, **given, "where": where}), classes

    def _where(self, given: Filter) -> Where:
        if isinstance(given, Where):
            return given
        where = Where.parse([given] if isinstance(given, str) else given)
        return where.among(self._access.gallery.counts()) if where else where

    def _chosen(self, ids: Iterable[str], where: Filter) -> dict[str, Any]:
        chosen = {"ids": list(ids), "where": self._where(where)}
        if bool(chosen["ids"]) == bool(chosen["where"]):
            raise UsageError("name references by ids= or by where=, and not by both")
        return chosen
