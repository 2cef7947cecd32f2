"""What `curate next` does once its options are read: read, choose, show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from curate.csv_file import check_csv, write_csv
from curate.labelling import BATCH, Labelling, label_next
from curate.source import Source
from curate.view import GalleryView
from holotype import console
from holotype.access import Access
from holotype.columns import References
from holotype.encoder import quick_start
from holotype.errors import GalleryMissing, UsageError
from holotype.images.folders import PictureFolders

if TYPE_CHECKING:
    from curate.embedding import Unlabelled
    from holotype.settings import Settings

COLUMNS: Final = (
    "rank", "picture", "id", "why", "reason", "covers",
    "label", "probability", "second", "second_probability",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class NextOptions:
    """What was asked for."""

    source: Source
    batch: int = BATCH
    as_json: bool = False
    csv: Path | None = None
    copy_into: Path | None = None
    link_into: Path | None = None

    def check(self) -> None:
        """Refuse what does not fit together.

        Raises:
            UsageError: it does not.
        """
        self.source.check()
        if self.copy_into is not None and self.link_into is not None:
            raise UsageError("--copy-into and --link-into: name one")
        if (self.copy_into or self.link_into) is not None and not self.source.folders:
            raise UsageError("--copy-into and --link-into take files, so name folders of them")
        check_csv(self.csv)


def run_next(settings: Settings, options: NextOptions) -> int:
    """`curate next`; returns the exit code.

    Raises:
        UsageError: there is nothing to choose from.
        HolotypeError: gallery, encoder or files cannot be used.
    """
    options.check()
    with Access(settings, command="curate next", load=quick_start.load_quickly) as access:
        found = options.source.read(access, cold=True)
        if not len(found):
            raise UsageError(f"nothing to label: {options.source.nothing(found)}")
        view = _gallery(access, found)
    with view.threads():
        chosen = label_next(found.vectors, view, batch=options.batch)
    rows = _rows(found, chosen)
    if options.csv is not None:
        write_csv(options.csv, COLUMNS, rows)
    _put(found, chosen, options)
    if options.as_json:
        console.out_json(_to_dict(found, view, chosen, rows))
    else:
        _show(found, view, chosen, rows, options)
    return console.EXIT_SOME_FAILED if found.refused else console.EXIT_DONE


def _gallery(access: Access, found: Unlabelled) -> GalleryView:
    """All references; none of a gallery that is not there yet."""
    try:
        return GalleryView.of(References.read(access.gallery))
    except GalleryMissing:
        none = np.empty((0, found.vectors.shape[1]), np.float32)
        return GalleryView.of(References([], none, [], []))


def _rows(found: Unlabelled, chosen: Labelling) -> list[dict[str, Any]]:
    """A row a pick, in the order to label."""
    return [
        {
            "rank": rank,
            "picture": found.pictures[pick.row].name,
            "id": found.pictures[pick.row].id,
            **pick.to_dict(),
        }
        for rank, pick in enumerate(chosen.picks, start=1)
    ]


def _put(found: Unlabelled, chosen: Labelling, options: NextOptions) -> None:
    into = options.copy_into or options.link_into
    if into is None:
        return
    folders = PictureFolders(into, copy=options.copy_into is not None)
    for pick in chosen.picks:
        folders.put(found.pictures[pick.row].path, Path())
    console.say(str(folders))


def _to_dict(
    found: Unlabelled, view: GalleryView, chosen: Labelling, rows: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "pictures": len(found),
        "references": len(view),
        "trust": chosen.trust,
        "expected_change": None if chosen.change is None else chosen.change.to_dict(),
        "batch": [{name: row[name] for name in COLUMNS} for row in rows],
        "refused": [one.to_dict() for one in found.refused],
    }


def _show(
    found: Unlabelled,
    view: GalleryView,
    chosen: Labelling,
    rows: Sequence[dict[str, Any]],
    options: NextOptions,
) -> None:
    from rich.table import Table  # which --json needs not

    table = Table("", "picture", "why", *(["perhaps"] if len(view) else []), box=None)
    for row in rows:
        cells = [str(row["rank"]), Path(row["picture"]).name, row["reason"]]
        if len(view):
            said = row["probability"]
            cells.append(row["label"] + ("" if said is None else f" {said:.2f}"))
        table.add_row(*cells)
    console.for_people().print(table)
    said = f"label these {len(rows)} of {len(found)} pictures next"
    if len(rows) < min(options.batch, len(found)):
        said += "; the others are near-duplicates of them"
    console.out(said)
    console.out(_worth(view, chosen))


def _worth(view: GalleryView, chosen: Labelling) -> str:
    """The stop rule's sentence."""
    if chosen.change is not None:
        return str(chosen.change)
    if not len(view):
        return "what they change cannot be said yet: the gallery is empty"
    return (
        "what they change cannot be said yet: it takes two classes, and two independent "
        "references of one of them"
    )
