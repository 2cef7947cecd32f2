"""The `curate` command line: a thin skin over the package's functions."""

from __future__ import annotations

import typer

from holotype import console

app = typer.Typer(name="curate", no_args_is_help=True, add_completion=False)


@app.callback()
def curate(_version: console.Version = False) -> None:
    """Find what is wrong with a gallery, and what to do next. Nothing is read or embedded again."""


def main() -> None:
    """Entry point of the console script."""
    console.run(app)
