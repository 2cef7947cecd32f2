"""Exported encoders of this machine: found by their fingerprint, made in the background.

They lie in `HOME/.encoders`, named by the fingerprint's id: networks that are ready in a tenth of a
second, where torch takes one to three (`holotype.encoder.onnx_encoder`). They are a cache: where
there is none, or something is wrong with it, torch is loaded.

They run on a processor, so they are used where torch would run there too. Whether this machine has
an accelerator is asked without torch: NVIDIA's and AMD's drivers make the device files below (as
WSL and Jetson do), and every Mac is taken to have one. With `--device cpu` nothing is asked.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from holotype.errors import EncoderError
from holotype.store.files import read_json, write_json

if TYPE_CHECKING:
    from holotype.encoder.onnx_encoder import OnnxEncoder
    from holotype.fingerprint import Fingerprint
    from holotype.settings import Settings

_log = logging.getLogger(__name__)

ACCELERATORS = ("/dev/nvidiactl", "/dev/dxg", "/dev/nvgpu", "/dev/nvhost-gpu", "/dev/kfd")

MAKER = "holotype.encoder.export_apart"


def export_path(home: Path, fingerprint: Fingerprint) -> Path:
    """Where the export of an encoder is, once it was made."""
    return home / ".encoders" / f"{fingerprint.id}.onnx"


def open_export(settings: Settings, stored: Fingerprint) -> OnnxEncoder | None:
    """The exported encoder of a gallery; None where torch is to be loaded, and the log says why.

    Args:
        settings: where it is to run, and in which arithmetic.
        stored: the gallery's fingerprint.
    """
    path = export_path(settings.home, stored)
    reason = _not_here(settings) or _not_there(path)
    if reason is None:
        try:
            encoder = _read(path, settings, stored)
        except EncoderError as error:
            reason = f"{error}: it is made again"
            _remove(path)
        else:
            _log.debug("the encoder is the export %s, with ONNX Runtime", path)
            return encoder
    _log.debug("the encoder is torch's: %s", reason)
    return None


def export_apart(settings: Settings, fingerprint: Fingerprint) -> int | None:
    """Make the export of an encoder, in a process of its own that nobody waits for.

    Nothing is made where none could be used, where there is one, or where this version of
    everything has failed before.

    Args:
        settings: those that the encoder was loaded with.
        fingerprint: of the encoder.

    Returns:
        The number of the process, None where there is none.
    """
    path = export_path(settings.home, fingerprint)
    if _not_here(settings) is not None or path.exists() or failure(path) is not None:
        return None
    told = {
        "HOLOTYPE_HOME": str(settings.home.absolute()),
        "HOLOTYPE_MIN_FREE_MB": str(settings.min_free_mb),
        "HOLOTYPE_BACKBONE": settings.backbone,
        "HOLOTYPE_CHECKPOINT": str(settings.checkpoint or ""),
        "HOLOTYPE_IMAGE_SIZE": str(fingerprint.image_size),
        "HOLOTYPE_POOLING": settings.pooling.value,
        "HOLOTYPE_DEVICE": "cpu",
        "HOLOTYPE_PRECISION": "fp32",
    }
    quiet = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    command = [sys.executable, "-m", MAKER, fingerprint.id]
    with suppress(OSError):  # no room for another process: another time
        return os.posix_spawn(sys.executable, command, os.environ | told, file_actions=quiet)
    return None


def failure(path: Path) -> str | None:
    """Why an export could not be made by these versions; None where that is not known."""
    with suppress(OSError, ValueError, KeyError):
        record = read_json(_failure_file(path)) or {}
        if record["versions"] == _versions():
            return str(record["reason"])
    return None


def record_failure(path: Path, reason: str) -> None:
    """Keep why an export could not be made, so that it is not tried again and again."""
    write_json(_failure_file(path), {"versions": _versions(), "reason": reason})


def _failure_file(path: Path) -> Path:
    return path.with_suffix(".failed")


def _not_here(settings: Settings) -> str | None:
    """Why no export is used with these settings on this machine."""
    from holotype.settings import Device, Precision

    if not settings.onnx:
        return "exports are switched off (HOLOTYPE_ONNX)"
    if settings.device not in {Device.AUTO, Device.CPU}:
        return f"device {settings.device} was asked for"
    if settings.device is Device.AUTO and _may_have_accelerator():
        return "this machine may have a GPU (--device cpu does without)"
    if settings.precision is Precision.BF16 or settings.compile:
        return "bf16 or a compiled network was asked for"
    missing = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
    if missing:
        return f"{' and '.join(missing)} are not installed (the extra onnx)"
    return None


def _may_have_accelerator() -> bool:
    if sys.platform == "darwin":
        return True
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}
    return not hidden and any(Path(file).exists() for file in ACCELERATORS)


def _not_there(path: Path) -> str | None:
    if path.exists():
        return None
    failed = failure(path)
    return "it was not exported yet" if failed is None else f"its export failed: {failed}"


def _read(path: Path, settings: Settings, stored: Fingerprint) -> OnnxEncoder:
    from holotype.encoder.onnx_encoder import BATCH_SIZE, OnnxEncoder
    from holotype.images.cost import pixels_allowed

    encoder = OnnxEncoder.read(
        path,
        max_pixels=pixels_allowed(settings.max_megapixels),
        batch_size=settings.batch_size or BATCH_SIZE,
    )
    if encoder.fingerprint != stored:
        raise EncoderError(f"exported encoder {path} is another one than its name says")
    return encoder


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _versions() -> str:
    names = ("holotype", "onnx", "onnxruntime", "timm", "torch")
    return " ".join(f"{name} {version(name)}" for name in names)
