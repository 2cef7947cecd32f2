"""Every error a user can meet. The message says what happened, to which item, what to do.

HolotypeError                  exit code 1: nothing useful could be done
├── UsageError                 exit code 2: options that cannot be followed
│   └── UnknownFilterKey       a --where key that no reference carries
├── BrokenImage                one picture cannot be read; never ends a run
├── OutputError                standard output, a report or a page cannot be written
├── EncoderError
│   ├── UnknownBackbone        timm has no network of that name
│   └── WeightsUnavailable     the hub cannot be reached, or a checkpoint does not fit
├── StoreError
│   ├── StoreLocked            another process owns the embedded store (carries the owner)
│   ├── StoreUnavailable       the Qdrant server does not answer, after retries
│   ├── StoreDamaged           files of the embedded store are not what they were
│   ├── DiskFull               a write was refused while there is still room to remove something
│   ├── StoreMoved             references changed while they were exported
│   ├── GalleryMissing         the gallery does not exist yet
│   ├── EmptyGallery           there is no reference to answer from, or none under the filter
│   ├── FingerprintMismatch    the gallery holds vectors of another embedding space
│   ├── EncoderMismatch        options contradict what the gallery says of its encoder
│   └── InvalidReference       a vector or payload that must not reach the engine
├── HeadError
│   ├── NoActiveHead           nothing was trained yet
│   ├── UnknownHead            no head has that version
│   ├── HeadBusy               another retrain holds the lease
│   ├── RetrainCancelled       somebody ended the run; the head that answered goes on
│   └── TooFewReferences       there is nothing to train on
├── UndoError                  an action is not in the history, or cannot be undone
├── BundleError                a sealed bundle is damaged, or does not answer here as it should
└── ServiceError               a running service refused or failed (carries the status)
    └── NotFound               a reference, a class or a kept query that is not there
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from holotype.fingerprint import Fingerprint
    from holotype.store.owner import Owner


class HolotypeError(Exception):
    """Root of the tree. `exit_code` is what a command line ends with."""

    exit_code = 1


class UsageError(HolotypeError):
    """Options or arguments that cannot be followed."""

    exit_code = 2


class UnknownFilterKey(UsageError):
    """A filter names a payload key that no reference of the gallery carries."""

    def __init__(self, key: str, known: list[str]) -> None:
        self.key, self.known = key, known
        names = ", ".join(self._typed(one) for one in known) or "none"
        typed = self._typed(key)
        super().__init__(f"unknown filter key {typed!r}: this gallery can be filtered by {names}")

    def _typed(self, key: str) -> str:
        """The key as people type it: `meta.` is needed only beside a built-in key of that name."""
        short = key.removeprefix("meta.")
        return key if short in self.known else short


class BrokenImage(HolotypeError):
    """One picture cannot be used. `reason` is a short sentence for reports.

    It is an outcome of one file, never the end of a run.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class OutputError(HolotypeError):
    """Standard output, a report or a page cannot be written: a full disk, a reader that left."""

    def __init__(self, what: str, error: OSError) -> None:
        super().__init__(
            f"cannot write {what} ({error.strerror or error}): what was done until then is kept"
        )


class EncoderError(HolotypeError):
    """The encoder cannot be built or used."""


class UnknownBackbone(EncoderError):
    """timm has no network of that name."""


class WeightsUnavailable(EncoderError):
    """Weights could not be fetched, or a checkpoint does not fit its backbone."""


class StoreError(HolotypeError):
    """The place where references live cannot be used as asked."""


class StoreLocked(StoreError):
    """Another process owns the embedded store. `owner` says who, and where it serves."""

    def __init__(self, message: str, owner: Owner | None) -> None:
        self.owner = owner
        super().__init__(message)


class StoreUnavailable(StoreError):
    """The Qdrant server does not answer or refuses, after the retries that are safe."""


class StoreDamaged(StoreError):
    """Files of the embedded store are not what they were: some of what was stored is gone."""


class DiskFull(StoreError):
    """There is too little space for a write; nothing was written. Reading and removing go on."""


class StoreMoved(StoreError):
    """References were added or removed while they were being exported."""


class GalleryMissing(StoreError):
    """The gallery does not exist yet: nothing was ever added to it."""


class EmptyGallery(StoreError):
    """The gallery holds no reference, or none that the filter leaves."""


class FingerprintMismatch(StoreError):
    """The gallery holds vectors of another embedding space than the one asked for."""

    def __init__(
        self,
        gallery: str,
        stored: Fingerprint,
        wanted: Fingerprint,
        *,
        remembered: Path | None = None,
    ) -> None:
        """Say what differs.

        Args:
            gallery: its name.
            stored: of its vectors.
            wanted: of this run.
            remembered: where this run's weights are from, if nobody but the gallery named that.
        """
        self.stored, self.wanted = stored, wanted
        if stored.space is None and wanted.space is None:
            changed = "; ".join(
                f"{name}: stored {a!r}, this run {b!r}" for name, a, b in stored.differences(wanted)
            )
            message = (
                f"gallery {gallery!r} holds vectors of another embedding space ({changed}). "
                f"Stored fingerprint {stored.id}, this run {wanted.id}. Use the settings the "
                "gallery was made with, or name a new gallery (HOLOTYPE_GALLERY) and add the "
                "images to it."
            )
            if remembered is not None:
                message += f" Its weights were at {remembered}, not these: give --checkpoint FILE."
        else:
            message = (
                f"gallery {gallery!r} holds {stored.describe()}, not {wanted.describe()}: they "
                "cannot be compared. Use what the gallery was made with, or name another gallery "
                "(HOLOTYPE_GALLERY)."
            )
        super().__init__(message)


class EncoderMismatch(StoreError):
    """Options that were given contradict what the gallery says of its encoder."""


class InvalidReference(StoreError):
    """A vector or payload that must not reach the engine; nothing was written."""


class UndoError(HolotypeError):
    """An action is not in the history, or cannot be undone (any more)."""


class HeadError(HolotypeError):
    """A head cannot be trained, found or used."""


class NoActiveHead(HeadError):
    """No head was trained yet for this gallery."""


class UnknownHead(HeadError):
    """No head of this gallery has that version."""


class HeadBusy(HeadError):
    """Another retrain is running on this gallery."""


class RetrainCancelled(HeadError):
    """Somebody ended the retrain; the head that answered before goes on answering."""


class TooFewReferences(HeadError):
    """The gallery holds too few references or classes to train on."""


class BundleError(HolotypeError):
    """A sealed bundle cannot be read, or does not give the answers that it was made with."""


class ServiceError(HolotypeError):
    """A running service refused or failed. `status` is the HTTP status, 0 where none came."""

    def __init__(self, message: str, status: int = 0) -> None:
        self.status = status
        super().__init__(message)


class NotFound(ServiceError):
    """A reference, a class or a kept query that is not there."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=404)


def by_name(name: str, message: str) -> HolotypeError:
    """The error that another process met, to be raised here.

    Args:
        name: of its class; one that is not in the tree, or takes more than a message,
            becomes its nearest ancestor that does not.
        message: what it said.
    """
    kind = _TREE.get(name, HolotypeError)
    while "__init__" in vars(kind) and kind not in {ServiceError, NotFound}:
        kind = kind.__bases__[0]
    return kind(message)


def _tree(root: type[HolotypeError]) -> dict[str, type[HolotypeError]]:
    found = {root.__name__: root}
    for kind in root.__subclasses__():
        found |= _tree(kind)
    return found


_TREE = _tree(HolotypeError)
