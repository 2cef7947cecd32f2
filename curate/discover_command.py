"""What `curate discover` does once its options are read: read, group, show; or name groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from curate.csv_file import check_csv, write_csv
from curate.discover import MIN_SIZE, Discovered, PictureGroup, discover
from curate.discovered import groups_file, keep_groups, members
from curate.known import Known
from curate.naming import add_as
from curate.source import Source
from curate.view import read_gallery
from holotype import console
from holotype.access import Access
from holotype.encoder import quick_start
from holotype.errors import UsageError
from holotype.images.folders import PictureFolders
from holotype.intake.words import clean_label

if TYPE_CHECKING:
    from curate.embedding import Unlabelled
    from holotype.settings import Settings

COLUMNS: Final = ("group", "picture", "id", "stranger_than", "nearest", "distance", "probability")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoverOptions:
    """What was asked for."""

    source: Source
    show_all: bool = False
    min_size: int = MIN_SIZE
    names: Sequence[str] = ()
    """`GROUP=LABEL` each."""
    as_json: bool = False
    csv: Path | None = None
    sort_into: Path | None = None

    def check(self) -> None:
        """Refuse what does not fit together.

        Raises:
            UsageError: it does not.
        """
        self.source.check()
        if self.sort_into is not None and not self.source.folders:
            raise UsageError("--sort-into links files, so it takes folders of them")
        check_csv(self.csv)

    def labels(self) -> dict[str, str]:
        """Label by group.

        Raises:
            UsageError: one cannot be read, or comes twice.
        """
        found: dict[str, str] = {}
        for text in self.names:
            group, equals, label = text.partition("=")
            if not equals or group.strip() in found:
                raise UsageError(f"cannot read --name {text!r}: write GROUP=LABEL, each group once")
            found[group.strip()] = clean_label(label)
        return found


def run_discover(settings: Settings, options: DiscoverOptions) -> int:
    """`curate discover`; returns the exit code.

    Raises:
        UsageError: there is nothing to group, or a group is not the same any more.
        HolotypeError: gallery, encoder or files cannot be used.
    """
    options.check()
    labels = options.labels()
    with Access(settings, command="curate discover", load=quick_start.load_quickly) as access:
        found = options.source.read(access)
        if labels:
            return _name(access, found, labels, as_json=options.as_json)
        if found.embedded:
            console.say(f"embedded {found.embedded} pictures; the next time none of them will be")
        if len(found) < options.min_size:
            raise UsageError(_too_few(found, options))
        view = read_gallery(access.gallery)
        sought = [one.id for one in found.pictures]
        with view.threads():
            known = Known.of(view.training)
            groups = discover(known, sought, found.vectors, min_size=options.min_size)
        ids = {one.id: [found.pictures[row].id for row in one.rows] for one in groups.groups}
        keep_groups(groups_file(access), ids)
    shown = groups.groups if options.show_all else groups.new
    if options.csv is not None:
        write_csv(options.csv, COLUMNS, _rows(found, groups, shown))
    if options.sort_into is not None:
        console.say(str(_sorted(options.sort_into, found, shown)))
    if options.as_json:
        console.out_json(_to_dict(found, groups, shown))
    else:
        _show(found, groups, shown, options)
    return console.EXIT_SOME_FAILED if found.refused else console.EXIT_DONE


def _too_few(found: Unlabelled, options: DiscoverOptions) -> str:
    if not len(found):
        return f"nothing to group: {options.source.nothing(found)}"
    return (
        f"nothing to group: {options.source} holds "
        f"{console.counted(len(found), 'unlabelled picture')}, and a group has "
        f"{options.min_size} at least (--min-size)"
    )


def _name(access: Access, found: Unlabelled, labels: dict[str, str], *, as_json: bool) -> int:
    """Add the pictures of each group as references of a class; all groups are looked at before."""
    row_of = {one.id: row for row, one in enumerate(found.pictures)}
    chosen = {group: members(groups_file(access), group, row_of) for group in labels}
    failed = added = 0
    for group, label in labels.items():
        rows = [row_of[id_] for id_ in chosen[group]]
        outcomes = add_as(access, [(found.pictures[r], found.vectors[r]) for r in rows], label)
        for one in outcomes:
            if as_json:
                console.out_json({"group": group, **one.to_dict()})
            if one.outcome.is_failure:
                failed += 1
                console.say(f"{one.outcome}: {one.source}: {one.reason}")
            else:
                added += 1
        if not as_json:
            n = sum(not one.outcome.is_failure for one in outcomes)
            console.out(f"{n} of {len(outcomes)} pictures are references of {label!r} now")
    if not failed:
        return console.EXIT_DONE
    return console.EXIT_SOME_FAILED if added else console.EXIT_NOTHING_DONE


def _to_dict(
    found: Unlabelled, groups: Discovered, shown: Sequence[PictureGroup]
) -> dict[str, Any]:
    names = [one.name for one in found.pictures]
    return {
        "pictures": len(found),
        "cut": groups.cut,
        "groups": [
            {
                "group": one.id,
                "new": one.is_new,
                "size": len(one.rows),
                "cohesion": one.cohesion,
                "stranger_than": one.stranger_than,
                "nearest": {
                    "label": one.nearest,
                    "distance": one.distance,
                    "probability": one.probability,
                },
                "medoid": names[one.rows[0]],
                "members": [
                    {
                        "picture": names[row],
                        "id": found.pictures[row].id,
                        "stranger_than": float(groups.stranger_than[row]),
                    }
                    for row in one.rows
                ],
            }
            for one in shown
        ],
        "groups_of_known_classes": len(groups.groups) - len(groups.new),
        "not_grouped": [names[row] for row in groups.rest],
        "refused": [one.to_dict() for one in found.refused],
    }


def _rows(
    found: Unlabelled, groups: Discovered, shown: Sequence[PictureGroup]
) -> Iterator[dict[str, Any]]:
    """A picture each, those in no group last."""
    grouped = [(group, row) for group in shown for row in group.rows]
    for group, row in [*grouped, *((None, row) for row in groups.rest)]:
        yield {
            "group": group and group.id,
            "picture": found.pictures[row].name,
            "id": found.pictures[row].id,
            "stranger_than": float(groups.stranger_than[row]),
            "nearest": group and group.nearest,
            "distance": group and group.distance,
            "probability": group and group.probability,
        }


def _sorted(into: Path, found: Unlabelled, shown: Sequence[PictureGroup]) -> PictureFolders:
    folders = PictureFolders(into)
    for one in shown:
        for row in one.rows:
            folders.put(found.pictures[row].path, Path(one.id))
    return folders


def _show(
    found: Unlabelled,
    groups: Discovered,
    shown: Sequence[PictureGroup],
    options: DiscoverOptions,
) -> None:
    from rich.table import Table  # which --json needs not

    known = len(groups.groups) - len(groups.new)
    if shown:
        table = Table(
            *("group", "pictures", "alike", "strange", "nearest class", "distance", "probability"),
            "most typical",
            box=None,
        )
        for one in shown:
            table.add_row(
                one.id,
                str(len(one.rows)),
                f"{one.cohesion:.2f}",
                f"{one.stranger_than:.2f}",
                one.nearest,
                f"{one.distance:.2f}",
                "" if one.probability is None else f"{one.probability:.2f}",
                Path(found.pictures[one.rows[0]].name).name,
            )
        console.for_people().print(table)
    console.out(
        f"{len(groups.new)} new groups of {sum(len(one.rows) for one in groups.new)} pictures; "
        f"{known} groups look like known classes"
        + ("" if options.show_all or not known else " (--all shows them)")
        + f"; {len(groups.rest)} of {len(found)} pictures are in no group"
    )
    if shown:
        console.say(f"name a group: the same command with --name {shown[0].id}=LABEL")
