"""The process that makes one export: `python -m holotype.encoder.export_apart ID`.

Started by `holotype.encoder.exports`, never by a person: the settings are in its environment, ID is
the fingerprint that the encoder must have. It takes the processor time that others leave, one of
them works in a home at a time, and what it failed by is kept for those who ask.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from contextlib import suppress

from holotype.encoder.exports import export_path, record_failure
from holotype.errors import EncoderError
from holotype.settings import Settings

NICENESS = 19


def main(wanted: str) -> None:
    """Make the export of the encoder that the settings describe, if it has this fingerprint."""
    with suppress(OSError):
        os.setsid()  # the end of the terminal, or Ctrl-C in it, is no end of this
    os.nice(NICENESS)
    settings = Settings.load()
    folder = settings.home / ".encoders"
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)  # held until this process ends
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        make(settings, wanted)


def make(settings: Settings, wanted: str) -> None:
    """Load the encoder, and export it unless that was done already or there is no room."""
    from holotype.encoder.build import build_encoder
    from holotype.encoder.onnx_export import export_onnx, network_bytes

    encoder = build_encoder(settings)
    path = export_path(settings.home, encoder.fingerprint)
    if encoder.fingerprint.id != wanted or path.exists():
        return
    # The network is written twice: as torch gives it, and optimised.
    room = shutil.disk_usage(path.parent).free - 2 * network_bytes(encoder)
    if room < settings.min_free_mb << 20:
        return
    try:
        export_onnx(encoder, path)
    except EncoderError as error:
        record_failure(path, str(error))


if __name__ == "__main__":
    main(sys.argv[1])
