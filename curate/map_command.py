"""What `curate map` does once its options are read: read the gallery, lay it out, tell."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.apart import curate_apart
from curate.map.gallery_map import map_file
from curate.map.parquet import write_parquet
from head.following import following
from holotype import console
from holotype.access import Access

if TYPE_CHECKING:
    from holotype.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class MapOptions:
    """What was asked for."""

    parquet: Path | None = None
    neighbours: int = 10
    anew: bool = False
    seed: int = 0
    as_json: bool = False


def run_map(settings: Settings, options: MapOptions) -> None:
    """`curate map`.

    Raises:
        HolotypeError: there is no gallery, nothing in it, openTSNE is missing, or the file cannot
            be written.
    """
    told = options.parquet is not None or options.as_json
    with (
        following(as_json=options.as_json) as tell,
        Access(settings, command="curate map") as access,
    ):
        gallery = access.gallery
        asked = {
            "kept": str(map_file(settings, gallery.fingerprint)),
            "seed": options.seed,
            "anew": options.anew,
            "neighbours": options.neighbours if told else 0,
        }
        found = curate_apart(
            gallery, "map", asked, folder=settings.home, tell=tell, look=lambda: None
        )
        name = gallery.gallery
        url = None if access.service is None else access.service.url
    if options.parquet is not None:
        write_parquet(found, options.parquet, gallery=name)
    if options.as_json:
        console.out_json({"gallery": name, **found})
        return
    for line in _lines(found, name, options.parquet, url):
        console.out(line)


def _lines(found: dict[str, Any], name: str, parquet: Path | None, url: str | None) -> list[str]:
    later = sum(found["later"])
    lines = [
        f"gallery {name!r}: {len(found['ids'])} references of {len(found['labels'])} classes are "
        f"on the map"
        + (f", {later} of them put beside their nearest since it was laid out" if later else "")
    ]
    if parquet is not None:
        lines.append(f"written to {parquet}")
    where = f"at {url}/#/curate/map" if url else "with `classify serve`, under Curate, Map"
    return [*lines, f"look at it {where}"]
