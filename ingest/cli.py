"""The `ingest` command line: a thin skin over the package's functions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holotype import console
from holotype.console import ENCODER_OPTIONS, SERVICE_OPTIONS, STORE_OPTIONS, takes_settings
from holotype.errors import UsageError
from holotype.outcomes import OnConflict

if TYPE_CHECKING:
    from holotype.settings import Settings

app = typer.Typer(name="ingest", no_args_is_help=True, add_completion=False)


@app.callback()
def ingest(_version: console.Version = False) -> None:
    """Put labelled images into the gallery, and look after its labels."""


_Json = Annotated[bool, typer.Option("--json", help="Lines of JSON on standard output.")]
_Group = Annotated[
    str | None,
    typer.Option(
        help="What belongs together: a name, `folder`, or `re:EXPRESSION` with one capture that "
        "is searched in the path."
    ),
]
_Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Metadata of all images; repeatable."),
]
_OnConflict = Annotated[
    OnConflict, typer.Option(help="For a picture that is present under another label.")
]


_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
_Why = Annotated[str | None, typer.Option(help="A reason, for the history.")]
_Root = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Sources are kept relative to DIR, and paths in a manifest are (default: sources "
        "absolute, paths relative to the manifest).",
    ),
]
_SplitsAreClasses = Annotated[
    bool,
    typer.Option("--splits-are-classes", help="Folders called train, val or test are classes."),
]


@app.command()
@takes_settings(*ENCODER_OPTIONS, *STORE_OPTIONS, *SERVICE_OPTIONS)
def add(
    settings: Settings,
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH", help="Image files and folders.")
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(help="Label of all images (default: the folders in PATH are the classes)."),
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="CSV, JSONL or Parquet with columns path or file_name, label, maybe group; others "
            "are metadata. Or a COCO file (.json)."
        ),
    ] = None,
    vectors: Annotated[
        Path | None,
        typer.Option(
            help="Vectors from elsewhere: Parquet or npz with columns vector, label, maybe id, "
            "group, meta; others are metadata."
        ),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(help="What the space of --vectors is called (default: the gallery's)."),
    ] = None,
    root: _Root = None,
    group: _Group = None,
    set_: _Set = None,
    splits_are_classes: _SplitsAreClasses = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing.")] = False,
    on_conflict: _OnConflict = OnConflict.ERROR,
    max_failures: Annotated[
        int | None, typer.Option(min=0, help="Give up (exit code 1) when more files fail.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write one JSON line a file, as the run goes.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Add labelled images to the gallery. An image that is there already is not embedded again."""
    from ingest.commands import AddOptions, read_source, read_vectors, run_add, run_add_vectors

    options = AddOptions(
        dry_run=dry_run,
        on_conflict=on_conflict,
        max_failures=max_failures,
        report=report,
        as_json=as_json,
    )
    if vectors is not None:
        if paths or label or manifest or group or root:
            raise UsageError(
                "a file of vectors names labels and groups itself: leave out PATH, --label, "
                "--manifest, --root and --group"
            )
        rows = read_vectors(vectors, assignments=set_ or [])
        _exit(run_add_vectors(rows, settings, options, space=space))
        return
    if space is not None:
        raise UsageError("--space is the space of --vectors FILE: images have an encoder's")
    found = read_source(
        paths or [],
        label=label,
        manifest=manifest,
        group=group,
        assignments=set_ or [],
        splits_are_classes=splits_are_classes,
        max_meta_keys=settings.max_meta_keys,
        root=root,
    )
    _exit(run_add(found, settings, options))


@app.command()
@takes_settings(*ENCODER_OPTIONS, *STORE_OPTIONS, *SERVICE_OPTIONS)
def watch(
    settings: Settings,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Images are put into DIR/<label>/.")
    ],
    every: Annotated[float, typer.Option(min=0.01, help="Seconds between looks.")] = 2.0,
    group: _Group = None,
    set_: _Set = None,
    root: _Root = None,
    splits_are_classes: _SplitsAreClasses = False,
    on_conflict: _OnConflict = OnConflict.ERROR,
    report: Annotated[
        Path | None, typer.Option(help="Keep one JSON line a file; a restart goes on with it.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Add what is put into a folder, as soon as it is complete, until stopped."""
    from holotype.intake.groups import parse_group
    from ingest.commands import read_assignments
    from ingest.watch_command import WatchOptions, run_watch

    options = WatchOptions(
        every_s=every,
        group=parse_group(group),
        meta=read_assignments(set_ or []),
        root=root,
        splits_are_classes=splits_are_classes,
        on_conflict=on_conflict,
        report=report,
        as_json=as_json,
    )
    run_watch(folder, settings, options)


@app.command()
@takes_settings(*STORE_OPTIONS, *SERVICE_OPTIONS)
def classes(settings: Settings, as_json: _Json = False) -> None:
    """Count the references of each class."""
    from ingest.gallery_commands import show_classes

    show_classes(settings, as_json=as_json)


@app.command(name="list")
@takes_settings(*STORE_OPTIONS, *SERVICE_OPTIONS)
def list_references(
    settings: Settings,
    label: Annotated[str | None, typer.Option(help="Only this class.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="Only key=value or key!=value; repeatable.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="References on a page.")] = 100,
    after: Annotated[
        str | None, typer.Option(metavar="ID", help="Go on after this reference.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """List references, a page at a time, in the order of their ids."""
    from ingest.gallery_commands import show_references

    show_references(
        settings, label=label, where=where or [], limit=limit, after=after, as_json=as_json
    )


@app.command()
@takes_settings(*STORE_OPTIONS, *SERVICE_OPTIONS)
def relabel(
    settings: Settings,
    to: Annotated[str, typer.Option(help="The new label.")],
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID")] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="All references of this class.")
    ] = None,
    why: _Why = None,
    as_json: _Json = False,
) -> None:
    """Give another label to a class or to single references. Nothing is embedded."""
    from ingest.gallery_commands import run_relabel

    _exit(run_relabel(settings, to, ids=ids or [], from_label=from_, why=why, as_json=as_json))


@app.command()
@takes_settings(*STORE_OPTIONS, *SERVICE_OPTIONS)
def remove(
    settings: Settings,
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID")] = None,
    label: Annotated[str | None, typer.Option(help="All references of this class.")] = None,
    yes: _Yes = False,
    why: _Why = None,
    as_json: _Json = False,
) -> None:
    """Remove a class or single references from the gallery; files are left alone."""
    from ingest.gallery_commands import run_remove

    _exit(run_remove(settings, ids=ids or [], label=label, yes=yes, why=why, as_json=as_json))


@app.command()
@takes_settings(*STORE_OPTIONS, *SERVICE_OPTIONS)
def history(
    settings: Settings,
    id_: Annotated[
        str | None, typer.Argument(metavar="ID", help="Only what changed this reference.")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="Only what took this label from references, or gave it.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Actions to list.")] = 20,
    as_json: _Json = False,
) -> None:
    """List what was done to the gallery: when, by whom, what and why, the newest first."""
    from ingest.history_command import show_history

    show_history(settings, id_=id_, label=label, limit=limit, as_json=as_json)


@app.command()
@takes_settings(*STORE_OPTIONS, *SERVICE_OPTIONS)
def undo(
    settings: Settings,
    action: Annotated[
        str | None,
        typer.Argument(metavar="ACTION", help="Of `ingest history` (default: your last one)."),
    ] = None,
    yes: _Yes = False,
    as_json: _Json = False,
) -> None:
    """Undo an action exactly; references that were changed since are left alone, and listed."""
    from ingest.history_command import run_undo

    _exit(run_undo(settings, action, yes=yes, as_json=as_json))


@app.command()
@takes_settings(*STORE_OPTIONS)
def optimize(settings: Settings, as_json: _Json = False) -> None:
    """Build the search index of a large embedded gallery, which nobody may have open.

    Without it every search is exact, which is fast enough up to about 100,000 references.
    """
    from ingest.optimize_command import run_optimize

    run_optimize(settings, as_json=as_json)


@app.command()
@takes_settings(*STORE_OPTIONS, *SERVICE_OPTIONS)
def verify(
    settings: Settings,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be, remove what cannot; list both.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Read everything that is stored and say what is wrong with it (exit code 3)."""
    from ingest.maintenance_commands import run_verify

    _exit(run_verify(settings, repair=repair, as_json=as_json))


@app.command()
@takes_settings(*STORE_OPTIONS, *SERVICE_OPTIONS)
def backup(
    settings: Settings,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Replaced when it is complete.")],
    as_json: _Json = False,
) -> None:
    """Write the whole gallery with its heads to one file, also while a service runs."""
    from ingest.maintenance_commands import run_backup

    run_backup(settings, file, as_json=as_json)


@app.command()
@takes_settings(*STORE_OPTIONS, *SERVICE_OPTIONS)
def export(
    settings: Settings,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="New, or empty.")],
    where: Annotated[
        list[str] | None, typer.Option(help="Only key=value or key!=value; repeatable.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Write references, vectors and thumbnails as files, which `add --vectors` takes back."""
    from ingest.export_command import run_export

    run_export(settings, folder, where=where or [], as_json=as_json)


@app.command()
@takes_settings(*STORE_OPTIONS, *SERVICE_OPTIONS)
def restore(
    settings: Settings,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Written by `ingest backup`.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Over the gallery of that name, which is lost.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Make a gallery of a backup: in the store that it was made from, embedded or on a server."""
    from ingest.maintenance_commands import run_restore

    run_restore(settings, file, replace=replace, as_json=as_json)


def main() -> None:
    """Entry point of the console script."""
    console.run(app)


def _exit(code: int) -> None:
    if code:
        sys.exit(code)
