"""Options that several commands share, one definition each."""

from __future__ import annotations

from typing import Annotated

import typer

from classify.answering.modes import MetricName, Vote

VOTING = "Voting"

K = Annotated[
    int | None,
    typer.Option(
        "--k",
        "-k",
        help="Neighbours that vote (default: 20 by cosine, all ranked again by kriging).",
        rich_help_panel=VOTING,
    ),
]
Metric = Annotated[
    MetricName | None,
    typer.Option(
        "--metric",
        help="In which space neighbours are near (default: learned, if trained).",
        rich_help_panel=VOTING,
    ),
]
Rerank = Annotated[
    int,
    typer.Option(
        "--rerank",
        help="Nearest by cosine that the learned metric ranks again.",
        rich_help_panel=VOTING,
    ),
]
VoteKind = Annotated[
    Vote | None,
    typer.Option(
        "--vote",
        help="How neighbours vote (default: kriging by the learned metric, weighted by cosine).",
        rich_help_panel=VOTING,
    ),
]
Temperature = Annotated[
    float | None,
    typer.Option(
        "--temperature",
        help="Of the weighted vote; smaller trusts the nearest more (default: 0.07).",
        rich_help_panel=VOTING,
    ),
]
ClassCap = Annotated[
    int | None,
    typer.Option(
        "--class-cap",
        help="At most this many neighbours of one class vote.",
        rich_help_panel=VOTING,
    ),
]
Balance = Annotated[
    float,
    typer.Option(
        "--balance",
        help="0: queries come from classes as often as references do; 1: from all equally.",
        rich_help_panel=VOTING,
    ),
]
Filter = Annotated[
    list[str] | None,
    typer.Option("--where", help="key=value or key!=value; repeatable. Filters the references."),
]
