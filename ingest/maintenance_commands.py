"""What `ingest verify`, `backup` and `restore` do once their options are read."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from holotype import console
from holotype.access import connect, open_gallery
from holotype.errors import HolotypeError, UsageError
from holotype.store.factory import restore_store, verify_store

if TYPE_CHECKING:
    from holotype.settings import Settings
    from holotype.store.port import Verification


def run_verify(settings: Settings, *, repair: bool, as_json: bool) -> int:
    """`ingest verify`; returns the exit code."""
    service = connect(settings)
    if service is None:
        found = verify_store(settings, repair=repair, command="ingest verify")
    else:
        with service:
            found = service.verify(repair=repair)
    if as_json:
        console.out_json(asdict(found))
    else:
        for damage in found.damages:
            done = "" if damage.mended is None else f"; {damage.mended}"
            console.out(f"{damage.item}: {damage.problem}{done}")
    console.say(_summary(found, repair=repair))
    return console.EXIT_SOME_FAILED if found.damages else console.EXIT_DONE


def run_backup(settings: Settings, file: Path, *, as_json: bool) -> None:
    """`ingest backup`.

    Raises:
        HolotypeError: the file cannot be written.
    """
    with open_gallery(settings, command="ingest backup") as store:
        scratch = file.with_name(f"{file.name}.part")
        try:
            try:
                with scratch.open("wb") as target:
                    store.backup(target)
                    target.flush()
                    os.fsync(target.fileno())
                scratch.replace(file)
            except BaseException:
                with suppress(OSError):
                    scratch.unlink()
                raise
        except OSError as error:
            raise HolotypeError(
                f"the backup cannot be written to {file} ({error}): name another file"
            ) from error
        gallery = store.gallery
    size = file.stat().st_size
    if as_json:
        console.out_json({"gallery": gallery, "file": str(file), "bytes": size})
    console.say(f"backed up gallery {gallery!r} to {file} ({size / 1e6:.1f} MB)")


def run_restore(settings: Settings, file: Path, *, replace: bool, as_json: bool) -> None:
    """`ingest restore`.

    Raises:
        UsageError: a service was named: it has a gallery already.
        HolotypeError: the file cannot be read.
    """
    if settings.server is not None:
        raise UsageError(
            "a service answers from a gallery that it has: stop it, restore where its gallery "
            "lives without --server (HOLOTYPE_SERVER), and start it again"
        )
    try:
        source = file.open("rb")
    except OSError as error:
        raise HolotypeError(f"the backup {file} cannot be read ({error})") from error
    with source:
        restore_store(settings, source, command="ingest restore", replace=replace)
    with open_gallery(settings, command="ingest restore") as store:
        references, heads = store.count(), len(store.heads())
    if as_json:
        said = {"gallery": settings.gallery, "references": references, "heads": heads}
        console.out_json(said)
    console.say(
        f"restored gallery {settings.gallery!r}: {references} references, {heads} trained heads"
    )


def _summary(found: Verification, *, repair: bool) -> str:
    whole = f"{found.references} references and {found.heads} trained heads are whole"
    if not found.damages:
        return whole
    if found.mended:
        return f"{whole}; what was damaged is listed, and was dealt with"
    wrong = f"{len(found.damages)} damages"
    if repair:
        return f"{whole}; {wrong}, not all of which could be mended: restore a backup"
    return f"{whole}; {wrong}: restore a backup (`ingest restore`), or run this with --repair"
