"""The options of a query on a command line, made of the fields of `QueryOptions`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from classify.answering.options import Option, QueryOptions, query_options
from holotype import console

VOTING = "Voting"

_OPTIONS = {option.name: option for option in query_options()}
_OWN = ("evidence",)
"""Options that a command declares itself: their default is another one there."""

Evidence = Annotated[
    int | None,
    typer.Option(help=_OPTIONS["evidence"].help, show_default="5, with --json 20"),
]


def takes_query_options(
    *, all_of_them: bool = True
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command these options and one argument `options` made of them.

    Args:
        all_of_them: else only the filter and how neighbours vote.
    """
    asked = [
        _parameter(option)
        for name, option in _OPTIONS.items()
        if (all_of_them and name not in _OWN) or option.voting or name == "where"
    ]
    return console.takes("options", asked, _read)


def _read(**given: Any) -> QueryOptions:
    from holotype.references import Where

    where = Where.parse(given.pop("where") or [])
    return QueryOptions(where=where, **given)


def _parameter(option: Option) -> inspect.Parameter:
    shown = typer.Option(
        *option.flags, help=option.help, rich_help_panel=VOTING if option.voting else None
    )
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=option.default,
        annotation=Annotated[option.type, shown],
    )
