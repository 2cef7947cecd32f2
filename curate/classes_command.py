"""What `curate classes` does once its options are read: open, ask, print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from rich.table import Table

from curate.csv_file import check_csv, write_csv
from curate.out_of_fold import out_of_fold
from curate.readiness import ClassReadiness, Verdict, readiness
from curate.view import read_gallery
from head.report_tables import NOT_MEASURED
from holotype import console
from holotype.access import open_gallery

if TYPE_CHECKING:
    from holotype.settings import Settings

Order = Literal["recall", "size", "needs"]

_ORDERS: Final[dict[Order, Callable[[ClassReadiness], Any]]] = {
    "recall": lambda one: (one.recall is None, one.recall, one.label),
    "size": lambda one: (one.groups, one.label),
    "needs": lambda one: (-(one.needs or 0), one.label),
}

COLUMNS = (
    "label", "references", "groups", "scored", "recall", "low", "high",
    "confused_with", "confused", "more", "gain", "verdict", "needs", "says",
)  # fmt: skip

_COUNTED = {
    Verdict.ENOUGH: "with enough",
    Verdict.NEEDS: "in need of more",
    Verdict.MERGE: "that cannot be told apart",
    Verdict.TOO_FEW: "with too few to say",
}


def run_classes(
    settings: Settings, *, order: Order, more: int, csv: Path | None, as_json: bool
) -> None:
    """`curate classes`.

    Raises:
        EmptyGallery: there are no references.
        TooFewReferences: there is one class only.
        UsageError, OutputError: the file cannot be written.
    """
    check_csv(csv)
    with open_gallery(settings, command="curate classes") as gallery:
        view = read_gallery(gallery)
    with view.threads():
        found = sorted(readiness(view, out_of_fold(view.training), more=more), key=_ORDERS[order])
    if csv is not None:
        write_csv(csv, COLUMNS, [_row(one) for one in found])
    if as_json:
        for one in found:
            console.out_json(one.to_dict())
    else:
        console.for_people(soft_wrap=False).print(_table(found))
    verdicts = Counter(one.verdict for one in found)
    counted = ", ".join(f"{verdicts[v]} {words}" for v, words in _COUNTED.items() if verdicts[v])
    console.say(f"{len(found)} classes: {counted}")


def _row(one: ClassReadiness) -> dict[str, Any]:
    low, high = one.interval or (None, None)
    return one.to_dict() | {"low": low, "high": high}


def _table(found: Sequence[ClassReadiness]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("class", overflow="fold")
    table.add_column("groups", justify="right", no_wrap=True)
    table.add_column("recall", justify="right", no_wrap=True)
    table.add_column("95 %", no_wrap=True)
    table.add_column("taken for", overflow="fold")
    table.add_column(f"{found[0].more} more", justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    for one in found:
        of = "" if one.groups == one.references else f" of {one.references}"
        table.add_row(
            one.label,
            f"{one.groups}{of}",
            _percent(one.recall),
            NOT_MEASURED if one.interval is None else "{:.0%} to {:.0%}".format(*one.interval),
            one.confused_with and f"{one.confused_with} ({one.confused:.0%})",
            _percent(one.gain, "+.1%"),
            one.says,
        )
    return table


def _percent(share: float | None, spelled: str = ".0%") -> str:
    return NOT_MEASURED if share is None else format(share, spelled)
