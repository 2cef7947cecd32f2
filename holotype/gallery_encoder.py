"""The encoder of a gallery: what is not given is the gallery's, what contradicts it is refused.

The fingerprint of a gallery says which network made its vectors, at which size and pooled how. In
which file the weights were is a matter of this machine. It is remembered beside their sha256, in
`HOME/<gallery>/encoder.json`, whenever an encoder fits its gallery, with either engine:

    {"weights_sha256": ..., "backbone": as it was given,
     "checkpoint": a path or null, "file": its size and time of change, or null}

That is a hint and no more: one of other weights, or that cannot be read, is as good as none, and
what is found at the path is compared with the fingerprint like everything that is loaded.

Where the encoder was exported, the export is loaded instead (`holotype.encoder.exports`). Its
fingerprint was taken when torch had the weights: they are not read again. So it stands for what is
given only if nothing is given, or what is remembered to have had these weights: the same name, the
same file, unchanged.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holotype.encoder.exports import export_apart, open_export
from holotype.encoder.names import LOCAL, architecture_of
from holotype.errors import (
    EncoderMismatch,
    FingerprintMismatch,
    UnknownBackbone,
    WeightsUnavailable,
)
from holotype.fingerprint import holds_vectors
from holotype.store.files import read_json, write_json

if TYPE_CHECKING:
    from holotype.encoder.protocol import Encoder
    from holotype.fingerprint import Fingerprint
    from holotype.settings import Settings

Load = Callable[["Settings"], "Encoder"]


def require_same_encoder(
    settings: Settings, stored: Fingerprint, *, gallery: str, service: str | None = None
) -> None:
    """Refuse backbone, size and pooling that were given and cannot be the gallery's.

    Nothing is loaded for it, so what only loading tells is let through: which weights a file
    holds, and what the hub has under a name that is not timm's.

    Args:
        settings: what was given, in the environment too, is what is compared.
        stored: the gallery's.
        gallery: its name.
        service: where it is served, if the service is to embed.

    Raises:
        EncoderMismatch: something given differs.
        UsageError: its vectors come from elsewhere.
    """
    if stored.space is not None:
        raise holds_vectors(gallery, stored)
    differing = _differences(settings, stored)
    if differing:
        said = "; ".join(
            f"{name}: stored {made!r}, asked for {asked!r}"
            for name, (made, asked) in differing.items()
        )
        options = " and ".join(
            f"--{name.replace('_', '-')} (HOLOTYPE_{name.upper()})" for name in differing
        )
        where = "" if service is None else f" of the service at {service}"
        raise EncoderMismatch(
            f"gallery {gallery!r}{where} holds vectors of another embedding space ({said}): leave "
            f"{options} out, because a gallery knows its encoder, or name another gallery "
            "(HOLOTYPE_GALLERY)"
        )


def load_for(settings: Settings, stored: Fingerprint | None, load: Load) -> Encoder:
    """Load the encoder of these settings; what they leave open is the gallery's.

    Args:
        settings: as they were given.
        stored: the gallery's fingerprint; None where the gallery is yet to be made.
        load: makes an encoder of settings.

    Raises:
        EncoderMismatch, UsageError: see `require_same_encoder`.
        FingerprintMismatch: what was loaded makes vectors of another space.
        EncoderError: it cannot be loaded; the message says what the gallery was made with.
    """
    if stored is None:
        return load(settings)
    require_same_encoder(settings, stored, gallery=settings.gallery)
    hint = _recall(settings, stored)
    wanted = _filled(settings, stored, hint)
    if _has_these_weights(settings, wanted, hint):
        exported = open_export(wanted, stored)
        if exported is not None:
            return exported
    remembered = None if wanted.checkpoint == settings.checkpoint else wanted.checkpoint
    made = (
        f"gallery {settings.gallery!r} was made with {hint.backbone} "
        f"(image size {stored.image_size})"
    )
    if remembered is not None and not _is_there(remembered):
        raise WeightsUnavailable(
            f"{made}: its weights are not at {remembered}: give --checkpoint FILE (or "
            f"HOLOTYPE_CHECKPOINT), or --backbone {hint.backbone} to have them from the hub"
        )
    try:
        encoder = load(wanted)
    except (UnknownBackbone, WeightsUnavailable) as error:
        raise type(error)(f"{made}: {error}") from error
    if encoder.fingerprint != stored:
        raise FingerprintMismatch(
            settings.gallery, stored, encoder.fingerprint, remembered=remembered
        )
    remember(wanted, stored)
    return encoder


def export_for(settings: Settings, encoder: Encoder) -> None:
    """Have the encoder of a gallery exported, in the background, if it runs on a processor.

    Args:
        settings: as they were given.
        encoder: was loaded with them, and fits the gallery.
    """
    if encoder.device == "cpu":
        made = encoder.fingerprint
        export_apart(_filled(settings, made, _recall(settings, made)), made)


def remember(settings: Settings, stored: Fingerprint) -> None:
    """Keep where the weights of a gallery came from; where that cannot be written, nothing is.

    Args:
        settings: an encoder was loaded with them.
        stored: its fingerprint, and the gallery's.
    """
    if stored.space is not None:
        return  # nothing was loaded for vectors that come from elsewhere
    backbone, checkpoint = settings.backbone, settings.checkpoint
    if backbone.startswith(LOCAL):
        backbone = f"{LOCAL}{Path(backbone.removeprefix(LOCAL)).absolute()}"
    record = {
        "weights_sha256": stored.weights_sha256,
        "backbone": backbone,
        "checkpoint": None if checkpoint is None else str(checkpoint.absolute()),
        "file": _state(checkpoint),
    }
    path = _hint_file(settings)
    with suppress(OSError):
        with suppress(ValueError):
            if read_json(path) == record:
                return  # so that a query writes nothing
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, record)


@dataclass(frozen=True, slots=True)
class _Hint:
    """What is known of a gallery's weights besides its fingerprint."""

    backbone: str
    """As a loader takes it."""
    checkpoint: Path | None = None
    file: str | None = None
    """Size and time of change of the checkpoint when it had the gallery's weights."""
    known: bool = False
    """Whether this was seen to have the gallery's weights."""


def _recall(settings: Settings, stored: Fingerprint) -> _Hint:
    with suppress(OSError, ValueError, KeyError):
        record = read_json(_hint_file(settings)) or {}
        if record["weights_sha256"] == stored.weights_sha256:
            path = record["checkpoint"]
            return _Hint(
                str(record["backbone"]),
                None if path is None else Path(str(path)),
                record.get("file"),
                known=True,
            )
    default = str(type(settings).model_fields["backbone"].default)  # with its tag
    return _Hint(default if architecture_of(default) == stored.backbone else stored.backbone)


def _filled(settings: Settings, stored: Fingerprint, hint: _Hint) -> Settings:
    from holotype.settings import Pooling

    known: dict[str, Any] = {
        "backbone": hint.backbone,
        "image_size": stored.image_size,
        "pooling": Pooling(_pooling(stored)),
    }
    given = settings.model_fields_set
    file = hint.checkpoint
    # A backbone by its name has weights from the hub, too, where the file is gone.
    named = settings.backbone in {hint.backbone, stored.backbone} and _is_there(file)
    if "backbone" not in given or named:
        known["checkpoint"] = file
    return settings.model_copy(update={k: v for k, v in known.items() if k not in given})


def _has_these_weights(settings: Settings, wanted: Settings, hint: _Hint) -> bool:
    """Whether nothing was given that may have other weights than the gallery's."""
    if settings.model_fields_set.isdisjoint({"backbone", "checkpoint"}):
        return True
    asked = None if wanted.checkpoint is None else wanted.checkpoint.absolute()
    return (
        hint.known
        and (wanted.backbone, asked) == (hint.backbone, hint.checkpoint)
        and (asked is None or _state(asked) == hint.file is not None)
    )


def _state(file: Path | None) -> str | None:
    with suppress(OSError):
        if file is not None:
            found = file.stat()
            return f"{found.st_size} {found.st_mtime_ns}"
    return None


def _is_there(file: Path | None) -> bool:
    return file is not None and os.access(file, os.R_OK)


def _hint_file(settings: Settings) -> Path:
    return settings.home / settings.gallery / "encoder.json"


def _pooling(stored: Fingerprint) -> str:
    """The setting that the fingerprint's word stands for (see `holotype.encoder.pooling`)."""
    return "cls" if stored.pooling == "default" else stored.pooling


def _differences(settings: Settings, stored: Fingerprint) -> dict[str, tuple[object, object]]:
    """Stored and asked for, by the name of the setting."""
    pairs: dict[str, tuple[object, object]] = {
        "backbone": (stored.backbone, settings.backbone),
        "image_size": (stored.image_size, settings.image_size),
        "pooling": (_pooling(stored), settings.pooling.value),
    }
    differing = {
        name: (made, asked)
        for name, (made, asked) in pairs.items()
        if name in settings.model_fields_set and asked not in {None, made}
    }
    if "backbone" in differing and _is_same_network(settings.backbone, stored.backbone):
        del differing["backbone"]
    return differing


def _is_same_network(asked: str, made: str) -> bool:
    if architecture_of(asked) in {None, made}:
        return True
    # About to be refused: timm is asked for names that it used to have, which takes seconds.
    from holotype.encoder.backbone import current_architecture

    return current_architecture(asked) == made
