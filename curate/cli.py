"""The `curate` command line: a thin skin over the package's functions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from holotype import console
from holotype.console import SERVICE_OPTIONS, STORE_OPTIONS, takes_settings

if TYPE_CHECKING:
    from holotype.settings import Settings

app = typer.Typer(name="curate", no_args_is_help=True, add_completion=False)


@app.callback()
def curate(_version: console.Version = False) -> None:
    """Find what is wrong with a gallery, and what to do next. Nothing is read or embedded again."""


@app.command()
@takes_settings(*STORE_OPTIONS, *SERVICE_OPTIONS)
def classes(
    settings: Settings,
    sort: Annotated[
        Literal["recall", "size", "needs"],
        typer.Option(help="Weakest first, smallest first, or who needs most first."),
    ] = "recall",
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a row a class, too.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Lines of JSON on standard output, one a class.")
    ] = False,
) -> None:
    """How ready each class is: its recall, what it is taken for, and what more would give."""
    from curate.classes_command import run_classes

    run_classes(settings, order=sort, csv=csv, as_json=as_json)


def main() -> None:
    """Entry point of the console script."""
    console.run(app)
