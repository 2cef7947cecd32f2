"""The `classify` command line: a thin skin over `classify.commands`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from classify import flags
from classify.answering.modes import Mode
from classify.answering.options import DEFAULT_EVIDENCE, QueryOptions
from classify.service.command import serve
from holotype import console
from holotype.console import ENCODER_OPTIONS, SERVICE_OPTIONS, STORE_OPTIONS, takes_settings

if TYPE_CHECKING:
    from holotype.settings import Settings

EVIDENCE_READ = 5
"""Neighbours that an answer names to people."""

app = typer.Typer(name="classify", no_args_is_help=True, add_completion=False)


@app.callback()
def classify(_version: console.Version = False) -> None:
    """Name what is in a picture by the labelled references in the gallery."""


@app.command()
@flags.takes_query_options()
@takes_settings(*ENCODER_OPTIONS, *STORE_OPTIONS, *SERVICE_OPTIONS)
def query(
    context: typer.Context,
    settings: Settings,
    options: QueryOptions,
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IMAGE...", help="Files, folders, patterns, or - for standard input."
        ),
    ] = None,
    evidence: flags.Evidence = None,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON a query.")] = False,
    from_list: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Paths to classify, one a line or ended by zero bytes; - reads it."
        ),
    ] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a row a query.")] = None,
    parquet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The same, with types and exact texts.")
    ] = None,
    sort_into: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Link each image in DIR/<label>, DIR/_unsure or DIR/_unknown."
        ),
    ] = None,
    copy: Annotated[bool, typer.Option("--copy", help="Copy there instead of linking.")] = False,
    paths_only: Annotated[
        str | None,
        typer.Option(
            metavar="LABEL", help="Print only the paths of LABEL (or _unsure, _unknown), for pipes."
        ),
    ] = None,
    null: Annotated[
        bool, typer.Option("--null", "-0", help="End these paths with zero bytes, for xargs -0.")
    ] = False,
    bundle: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Ask what `classify bundle` wrote instead of a gallery (default mode: linear).",
        ),
    ] = None,
) -> None:
    """Classify images by their neighbours in the gallery, or by the trained head."""
    from classify.commands import Output, run_query

    output = Output(as_json, csv, parquet, sort_into, copy, paths_only, null)
    shown = evidence if evidence is not None else (DEFAULT_EVIDENCE if as_json else EVIDENCE_READ)
    if output.is_kept:
        shown = max(shown, 1)  # the nearest reference is a column
    options = replace(options, evidence=shown)
    mode = context.get_parameter_source("mode")
    if bundle is not None and mode is not None and mode.name == "DEFAULT":
        options = replace(options, mode=Mode.LINEAR)
    code = run_query(images or [], settings, options, output, from_list=from_list, bundle=bundle)
    if code:
        sys.exit(code)


@app.command("eval")
@flags.takes_query_options(all_of_them=False)
@takes_settings(*ENCODER_OPTIONS, *STORE_OPTIONS)
def evaluate(
    settings: Settings,
    options: QueryOptions,
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
) -> None:
    """Measure how well images of known class are answered, in every mode."""
    from classify.evaluation.command import EvalRequest, run_eval

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


@app.command("bundle")
@takes_settings(*ENCODER_OPTIONS, *STORE_OPTIONS)
def seal(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Such as pollen.holotype.")],
    settings: Settings,
    references: Annotated[
        int, typer.Option(help="References that go along as evidence, over all classes.", min=1)
    ] = 1000,
    int8: Annotated[
        bool,
        typer.Option("--int8", help="A smaller encoder, and the answers that change by it."),
    ] = False,
) -> None:
    """Seal encoder, head and evidence into one file that answers offline: `python FILE IMAGE`."""
    from classify.bundle.command import run_bundle

    code = run_bundle(file, settings, references=references, int8=int8)
    if code:
        sys.exit(code)


app.command()(serve)


def main() -> None:
    """Entry point of the console script."""
    console.run(app)
