"""The `retrain` command line: a thin skin over `head.job` and `head.versions.registry`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holotype import console
from holotype.console import SERVICE_OPTIONS, STORE_OPTIONS, takes_settings
from holotype.errors import UsageError

if TYPE_CHECKING:
    from holotype.settings import Settings

app = typer.Typer(name="retrain", add_completion=False)

Version = Annotated[str, typer.Argument(metavar="VERSION", help="As `retrain list` shows it.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]
AsJsonWithProgress = Annotated[
    bool,
    typer.Option(
        "--json", help="JSON on standard output; progress, a JSON line each, on standard error."
    ),
]


@app.callback(invoke_without_command=True)
@takes_settings("device", *STORE_OPTIONS, *SERVICE_OPTIONS)
def retrain(
    context: typer.Context,
    settings: Settings,
    if_needed: Annotated[
        bool,
        typer.Option("--if-needed", help="Only if references changed since the newest head."),
    ] = False,
    min_new: Annotated[
        int, typer.Option(min=1, help="With --if-needed: only if so many changed.")
    ] = 1,
    force: Annotated[
        bool, typer.Option("--force", help="Make the new head active even if it is worse.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the cross-validation's folds.")] = 0,
    as_json: AsJsonWithProgress = False,
    _version: console.Version = False,
) -> None:
    """Train the linear head on every reference of the gallery, and make it active.

    Versions are looked after by the commands below.

    Exit codes: 0 a head was made active, or none was needed; 3 a head was trained but held,
    because it is worse than the active one; 1 nothing could be trained; 2 wrong usage.
    """
    if context.invoked_subcommand is not None:
        _refuse_misplaced_options(context)
        return
    from head.commands import run_retrain
    from head.options import RetrainOptions

    options = RetrainOptions(
        if_needed=if_needed,
        min_new=min_new,
        force=force,
        seed=seed,
        device=str(settings.device),
    )
    code = run_retrain(settings, options, as_json=as_json)
    if code:
        sys.exit(code)


@app.command("list")
@takes_settings(*STORE_OPTIONS, *SERVICE_OPTIONS)
def list_versions(settings: Settings, as_json: AsJson = False) -> None:
    """Show all head versions, oldest first."""
    from head.commands import run_list

    run_list(settings, as_json=as_json)


@app.command()
@takes_settings(*STORE_OPTIONS, *SERVICE_OPTIONS)
def show(version: Version, settings: Settings, as_json: AsJson = False) -> None:
    """Show the report of one version."""
    from head.commands import run_show

    run_show(settings, version, as_json=as_json)


@app.command()
@takes_settings(*STORE_OPTIONS, *SERVICE_OPTIONS)
def promote(version: Version, settings: Settings) -> None:
    """Make a version active."""
    from head.commands import run_promote

    run_promote(settings, version)


@app.command()
@takes_settings(*STORE_OPTIONS, *SERVICE_OPTIONS)
def rollback(settings: Settings) -> None:
    """Go back to the version that was active before."""
    from head.commands import run_rollback

    run_rollback(settings)


@app.command()
@takes_settings(*STORE_OPTIONS)
def export(
    version: Version,
    to: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write to.")],
    settings: Settings,
) -> None:
    """Write a version as head.safetensors and head.json."""
    from head.commands import run_export

    run_export(settings, version, to)


def _refuse_misplaced_options(context: typer.Context) -> None:
    """`retrain --gallery g list` would otherwise list another gallery than g, silently."""
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = parameter.opts[0]
            command = context.invoked_subcommand
            raise UsageError(
                f"{option} stands before the command: write `retrain {command} {option} ...`, "
                f"if {command} takes it (`retrain {command} --help`)"
            )


def main() -> None:
    """Entry point of the console script."""
    console.run(app)
