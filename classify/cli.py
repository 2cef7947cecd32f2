"""The `classify` command line: a thin skin over `classify.commands`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from classify import flags
from classify.answering.modes import Mode
from classify.service.command import serve
from holotype import console
from holotype.console import ENCODER_OPTIONS, SERVICE_OPTIONS, STORE_OPTIONS, takes_settings

if TYPE_CHECKING:
    from holotype.settings import Settings

app = typer.Typer(name="classify", no_args_is_help=True, add_completion=False)


@app.callback()
def classify(_version: console.Version = False) -> None:
    """Name what is in a picture by the labelled references in the gallery."""


@app.command()
@takes_settings(*ENCODER_OPTIONS, *STORE_OPTIONS, *SERVICE_OPTIONS)
def query(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE...", help="Files, folders, patterns, or - for standard input."
        ),
    ],
    settings: Settings,
    mode: Annotated[Mode, typer.Option(help="Who answers.")] = Mode.KNN,
    where: flags.Filter = None,
    top: Annotated[int, typer.Option(help="Labels per answer.")] = 5,
    evidence: Annotated[
        int | None,
        typer.Option(help="Neighbours named in an answer (default: 5, with --json 20)."),
    ] = None,
    abstain_at: Annotated[
        float | None,
        typer.Option(help='Answer "unknown" where fewer than this share would be right.'),
    ] = None,
    coverage: Annotated[
        float | None,
        typer.Option(
            "--set", help="Also the set of labels that holds the true one this share of the time."
        ),
    ] = None,
    exclude_self: Annotated[
        bool,
        typer.Option("--exclude-self", help="Leave out a reference that is the very query."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON a query.")] = False,
    k: flags.K = None,
    metric: flags.Metric = None,
    rerank: flags.Rerank = 100,
    vote: flags.VoteKind = None,
    temperature: flags.Temperature = None,
    class_cap: flags.ClassCap = None,
    balance: flags.Balance = 0.0,
) -> None:
    """Classify images by their neighbours in the gallery, or by the trained head."""
    from classify.answering.options import QueryOptions
    from classify.commands import run_query
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
        evidence=evidence if evidence is not None else (20 if as_json else 5),
        exclude_self=exclude_self,
        abstain_at=abstain_at,
        coverage=coverage,
    )
    code = run_query(images, settings, options, as_json=as_json)
    if code:
        sys.exit(code)


@app.command("eval")
@takes_settings(*ENCODER_OPTIONS, *STORE_OPTIONS)
def evaluate(
    settings: Settings,
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Images in a folder per class.")
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(help="CSV, JSONL or Parquet with the columns path and label."),
    ] = None,
    leave_one_out: Annotated[
        bool,
        typer.Option(
            "--leave-one-out", help="No images: classify every reference from the others."
        ),
    ] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with all figures into this file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    learning_curve: Annotated[
        bool,
        typer.Option(
            "--learning-curve", help="Also measure accuracy at 1, 2, 4, ... references per class."
        ),
    ] = False,
    near_duplicate: Annotated[
        float,
        typer.Option(help="References above this cosine count as one picture (leave-one-out)."),
    ] = 0.95,
    splits_are_classes: Annotated[
        bool,
        typer.Option("--splits-are-classes", help="Folders called train, val or test are classes."),
    ] = False,
    where: flags.Filter = None,
    k: flags.K = None,
    metric: flags.Metric = None,
    rerank: flags.Rerank = 100,
    vote: flags.VoteKind = None,
    temperature: flags.Temperature = None,
    class_cap: flags.ClassCap = None,
    balance: flags.Balance = 0.0,
) -> None:
    """Measure how well images of known class are answered, in every mode."""
    from classify.answering.options import QueryOptions
    from classify.evaluation.command import EvalRequest, run_eval
    from holotype.references import Where

    options = QueryOptions(
        k=k,
        metric=metric,
        rerank=rerank,
        vote=vote,
        temperature=temperature,
        class_cap=class_cap,
        balance=balance,
        where=Where.parse(where or []),
    )
    request = EvalRequest(
        folder=folder,
        manifest=manifest,
        leave_one_out=leave_one_out,
        learning_curve=learning_curve,
        near_duplicate=near_duplicate,
        splits_are_classes=splits_are_classes,
        html=html,
        as_json=as_json,
    )
    code = run_eval(request, settings, options)
    if code:
        sys.exit(code)


app.command()(serve)


def main() -> None:
    """Entry point of the console script."""
    console.run(app)
