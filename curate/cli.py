"""The `curate` command line: a thin skin over the package's functions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from holotype import console
from holotype.console import ENCODER_OPTIONS, SERVICE_OPTIONS, STORE_OPTIONS, takes_settings

if TYPE_CHECKING:
    from holotype.settings import Settings

app = typer.Typer(name="curate", no_args_is_help=True, add_completion=False)


@app.callback()
def curate(_version: console.Version = False) -> None:
    """Find what is wrong with a gallery, and what to do next. Nothing is read or embedded again."""


_Json = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
_Folders = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[DIR]...", help="Folders of pictures without a label."),
]
_Queue = Annotated[
    bool, typer.Option("--queue", help="The queries that the service keeps for review.")
]
_Vectors = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Vectors in a .parquet or .npz file (column vector)."),
]


@app.command()
@takes_settings(*STORE_OPTIONS, *SERVICE_OPTIONS)
def suspects(
    settings: Settings,
    label: Annotated[str | None, typer.Option(help="Only suspects that carry this label.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Cohorts in the table.")] = 50,
    above: Annotated[
        float | None,
        typer.Option(metavar="P", help="How probably wrong a suspect's label is (default: .3)."),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Of the folds, and of the part of a gallery beyond 200,000.")
    ] = 0,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a line a suspect, too.")
    ] = None,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID|COHORT|all", help="Relabel as proposed. A,B: several, here and below."
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID|COHORT|all",
            help="The label is right: no suspect again, until its evidence changes.",
        ),
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="ID|COHORT|all", help="Remove the reference.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: _Json = False,
) -> None:
    """Find references whose label is probably wrong: in cohorts, with what they should be."""
    from curate.suspects import ABOVE
    from curate.suspects_command import SuspectsOptions, run_suspects

    options = SuspectsOptions(
        label=label,
        limit=limit,
        above=ABOVE if above is None else above,
        seed=seed,
        csv=csv,
        accept=_each(accept),
        keep=_each(keep),
        remove=_each(remove),
        yes=yes,
        as_json=as_json,
    )
    _exit(run_suspects(settings, options))


@app.command()
@takes_settings(*STORE_OPTIONS, *SERVICE_OPTIONS)
def duplicates(
    settings: Settings,
    between: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="Only sets that leak: whose members differ in `group` or a metadata key.",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="Similarity of duplicates (default: chosen from the gallery, by class)."),
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="Only sets with a member of this class.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a line a member.")] = None,
    keep_one: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SET|all-exact",
            help="Remove all but the largest or oldest; `all-exact`: all copies under one label.",
        ),
    ] = None,
    merge_groups: Annotated[
        list[str] | None,
        typer.Option(metavar="SET", help="Make the groups of its members one. A,B: of several."),
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Remove this member. A,B: several.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: _Json = False,
) -> None:
    """Find what is in the gallery more than once: conflicts of labels first, then leaks."""
    from curate.duplicates_command import DuplicatesOptions, run_duplicates

    options = DuplicatesOptions(
        between=between,
        threshold=threshold,
        label=label,
        csv=csv,
        keep_one=_each(keep_one),
        merge_groups=_each(merge_groups),
        remove=_each(remove),
        yes=yes,
        as_json=as_json,
    )
    _exit(run_duplicates(settings, options))


@app.command()
@takes_settings(*STORE_OPTIONS, *SERVICE_OPTIONS)
def classes(
    settings: Settings,
    sort: Annotated[
        Literal["recall", "size", "needs"],
        typer.Option(help="Weakest first, smallest first, or who needs most first."),
    ] = "recall",
    more: Annotated[
        int, typer.Option(min=1, help="So many more references: what they would give is told.")
    ] = 10,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a row a class, too.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Lines of JSON on standard output, one a class.")
    ] = False,
) -> None:
    """How ready each class is: its recall, what it is taken for, and what more would give."""
    from curate.classes_command import run_classes

    run_classes(settings, order=sort, more=more, csv=csv, as_json=as_json)


@app.command()
@takes_settings(*ENCODER_OPTIONS, *STORE_OPTIONS, *SERVICE_OPTIONS)
def discover(
    settings: Settings,
    folders: _Folders = None,
    queue: _Queue = False,
    vectors: _Vectors = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GROUP=LABEL",
            help="Add the pictures of a group that was shown as references; repeatable.",
        ),
    ] = None,
    show_all: Annotated[
        bool, typer.Option("--all", help="Also groups that look like known classes.")
    ] = False,
    min_size: Annotated[int, typer.Option(min=2, help="Pictures of a group at least.")] = 5,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="One object; with --name, a line a picture."),
    ] = False,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a row a picture.")] = None,
    sort_into: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Link each picture in DIR/<group>.")
    ] = None,
) -> None:
    """Group pictures that are of no class of the gallery yet, and add a group as a class.

    Each picture is embedded once: its vector is kept beside the gallery.
    """
    from curate.discover_command import DiscoverOptions, run_discover
    from curate.source import Source

    options = DiscoverOptions(
        source=Source(folders=folders or (), queue=queue, vectors=vectors),
        show_all=show_all,
        min_size=min_size,
        names=name or (),
        as_json=as_json,
        csv=csv,
        sort_into=sort_into,
    )
    _exit(run_discover(settings, options))


@app.command("next")
@takes_settings(*ENCODER_OPTIONS, *STORE_OPTIONS, *SERVICE_OPTIONS)
def choose_next(
    settings: Settings,
    folders: _Folders = None,
    queue: _Queue = False,
    vectors: _Vectors = None,
    batch: Annotated[int, typer.Option(min=1, help="Pictures to label, at most.")] = 50,
    as_json: _Json = False,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a row a picture.")] = None,
    copy_into: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Copy the pictures to label there.")
    ] = None,
    link_into: Annotated[Path | None, typer.Option(metavar="DIR", help="Link them there.")] = None,
) -> None:
    """Say which unlabelled pictures to label next, why, and what that is expected to change.

    Each picture is embedded once: its vector is kept beside the gallery. There may be no gallery
    yet: then those come first that stand for most others.
    """
    from curate.next_command import NextOptions, run_next
    from curate.source import Source

    options = NextOptions(
        source=Source(folders=folders or (), queue=queue, vectors=vectors),
        batch=batch,
        as_json=as_json,
        csv=csv,
        copy_into=copy_into,
        link_into=link_into,
    )
    _exit(run_next(settings, options))


@app.command("map")
@takes_settings(*STORE_OPTIONS, *SERVICE_OPTIONS)
def draw_map(
    settings: Settings,
    parquet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write id, x, y, label, group, error, novelty and the ids of the nearest.",
        ),
    ] = None,
    neighbours: Annotated[
        int, typer.Option(min=0, max=100, help="With --parquet or --json: nearest of each.")
    ] = 10,
    anew: Annotated[
        bool, typer.Option("--anew", help="Lay it out even where a map is kept.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the layout.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="The map as one object on standard output.")
    ] = False,
) -> None:
    """Lay the gallery out in two dimensions, so that what looks alike lies together.

    The map is kept: references that come later are put beside their nearest, and it is laid out
    anew when they are more than a fifth. The service's page shows it, under Curate, Map.
    """
    from curate.map_command import MapOptions, run_map

    options = MapOptions(
        parquet=parquet, neighbours=neighbours, anew=anew, seed=seed, as_json=as_json
    )
    run_map(settings, options)


def main() -> None:
    """Entry point of the console script."""
    console.run(app)


def _each(given: list[str] | None) -> list[str]:
    """What was named one by one, or with commas between."""
    return [one for text in given or () for one in text.split(",") if one]


def _exit(code: int) -> None:
    if code:
        sys.exit(code)
