"""The `classify` command line: a thin skin over `classify.query`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from classify.modes import MetricName, Mode, Vote
from holotype import console
from holotype.console import ENCODER_OPTIONS, STORE_OPTIONS, takes_settings

if TYPE_CHECKING:
    from holotype.settings import Settings

app = typer.Typer(
    name="classify",
    help="Name what is in a picture by the labelled references in the gallery.",
    no_args_is_help=True,
    add_completion=False,
)


@app.callback()
def _commands() -> None:
    """Keeps `query` a command of its own while it is the only one."""


@app.command()
@takes_settings(*ENCODER_OPTIONS, *STORE_OPTIONS)
def query(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE...", help="Files, folders, patterns, or - for standard input."
        ),
    ],
    settings: Settings,
    mode: Annotated[Mode, typer.Option(help="Who answers.")] = Mode.KNN,
    k: Annotated[int, typer.Option("--k", "-k", help="Neighbours that vote.")] = 20,
    vote: Annotated[Vote, typer.Option(help="How neighbours vote.")] = Vote.WEIGHTED,
    metric: Annotated[
        MetricName | None,
        typer.Option(help="In which space neighbours are near (default: learned, if trained)."),
    ] = None,
    rerank: Annotated[
        int, typer.Option(help="Nearest by cosine that the learned metric ranks again.")
    ] = 100,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="Of the weighted vote; smaller trusts the nearest more "
            "(default: 0.07 by cosine, 0.1 by the learned metric)."
        ),
    ] = None,
    class_cap: Annotated[
        int | None, typer.Option(help="At most this many neighbours of one class vote.")
    ] = None,
    balance: Annotated[
        float, typer.Option(help="0: classes count by their size; 1: as if all had one size.")
    ] = 0.0,
    where: Annotated[
        list[str] | None,
        typer.Option(help="key=value or key!=value; repeatable. Filters the references."),
    ] = None,
    top: Annotated[int, typer.Option(help="Labels per answer.")] = 5,
    evidence: Annotated[int, typer.Option(help="Neighbours shown for each answer.")] = 5,
    exclude_self: Annotated[
        bool,
        typer.Option("--exclude-self", help="Leave out a reference that is the very query."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON a query.")] = False,
) -> None:
    """Classify images by their neighbours in the gallery, or by the trained head."""
    from classify.commands import run_query
    from classify.options import QueryOptions
    from holotype.references import Where

    options = QueryOptions(
        mode=mode,
        k=k,
        metric=metric,
        rerank=rerank,
        vote=vote,
        temperature=temperature,
        class_cap=class_cap,
        balance=balance,
        where=Where.parse(where or []),
        top=top,
        exclude_self=exclude_self,
    )
    code = run_query(images, settings, options, evidence=evidence, as_json=as_json)
    if code:
        sys.exit(code)


def main() -> None:
    """Entry point of the console script."""
    console.run(app)
