"""What `ingest export` does once its options are read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from holotype import console
from holotype.access import Access
from holotype.exports import REFERENCES, THUMBNAILS, Whole, whole_references, write_export
from holotype.references import Where

if TYPE_CHECKING:
    from holotype.settings import Settings


def run_export(settings: Settings, folder: Path, *, where: Sequence[str], as_json: bool) -> None:
    """`ingest export`.

    Raises:
        UsageError: the folder is there, or a filter cannot be read.
        HolotypeError: the gallery cannot be read, or the files cannot be written.
    """
    with Access(settings, command="ingest export") as access:
        gallery = access.gallery
        chosen = Where.parse(where).among(gallery.counts())
        begin = partial(_begin, access, chosen)
        with console.progress("exported", "references") as progress:
            progress.set_total(gallery.count(where=chosen))
            written = write_export(
                begin,
                folder,
                gallery=gallery.gallery,
                fingerprint=access.fingerprint,
                advance=progress.advance,
            )
        name = gallery.gallery
    if as_json:
        console.out_json({"gallery": name, "folder": str(folder), "references": written})
    console.say(
        f"exported {written} references of gallery {name!r} to {folder} ({REFERENCES}, "
        f"{THUMBNAILS}/); `ingest add --vectors {folder / REFERENCES}` takes them back"
    )


def _begin(access: Access, where: Where, moment: bool) -> Whole:
    if access.service is not None:
        return access.service.export_whole(where=where, moment=moment)
    return whole_references(access.store, where=where, moment=moment)
