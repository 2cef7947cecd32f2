"""The tables of a head's report, for people.

Candidates, calibration by mode, the comparison with the head that was active, and classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from head.trust.calibration import Calibration
from head.versions.champion import TOLERANCE

NOT_MEASURED = "\N{EN DASH}"
"""Where there was nothing to measure; 0 would be a figure."""

RIGHT = 0.95
"""Share of given answers that are to be right, for the share that can be given."""

NORMAL_95 = 1.96
"""Standard errors to either side of a 95 % interval."""


def share(value: float | None, spelled: str = ".3f") -> str:
    """A share in [0, 1], or that it was not measured."""
    return NOT_MEASURED if value is None else format(value, spelled)


def candidates(report: Mapping[str, Any]) -> Table:
    """What was compared by cross-validation; the winner in bold."""
    table = Table("candidate", "macro accuracy", "accuracy", "macro F1", "log loss")
    for candidate in report["candidates"]:
        table.add_row(
            candidate["name"],
            f"{candidate['macro_accuracy']:.3f} ± {candidate['standard_error']:.3f}",
            share(candidate["accuracy"]),
            share(candidate["macro_f1"]),
            share(candidate["log_loss"]),
            style="bold" if candidate["name"] == report["winner"] else None,
        )
    return table


def calibration_figures(report: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By mode, what its calibration is and what it allows, out of fold.

    Keys: those of `Calibration.figures`; `temperature`; `answered_at_95`, the share of queries
    that are answered where 95 % of the answers are to be right.
    """
    stored: Mapping[str, Any] = report["parameters"].get("calibration", {})
    fitted = {mode: Calibration.from_json(data) for mode, data in stored.items()}
    return {
        mode: {
            **one.figures,
            "temperature": one.temperature,
            "answered_at_95": one.abstention.coverage_at(RIGHT),
        }
        for mode, one in fitted.items()
    }


def calibration(report: Mapping[str, Any]) -> Table | None:
    """A line per mode; None where nothing could be calibrated."""
    figures = calibration_figures(report)
    if not figures:
        return None
    table = Table(
        "mode", "answers", "accuracy", "temperature", "calibration error",
        f"answered at {RIGHT:.0%} right",
    )  # fmt: skip
    for mode, line in figures.items():
        table.add_row(
            mode,
            str(line["answers"]),
            share(line["accuracy"]),
            f"{line['temperature']:.3g}",
            share(line["calibration_error"]),
            share(line["answered_at_95"], ".1%"),
        )
    return table


def comparison(report: Mapping[str, Any]) -> Iterator[Text | Table]:
    """How the head did against the one that was active; nothing where there was none."""
    verdict: Mapping[str, Any] | None = report.get("comparison")
    if verdict is None:
        return
    yield Text(
        f"against {verdict['champion']}, on {verdict['references']} references that both "
        f"predicted out of fold: {verdict['reason']}"
    )
    if verdict["champion_accuracy"] is None:
        return
    yield _differences(verdict)
    if verdict["regressions"]:
        yield _regressions(verdict)


def classes(report: Mapping[str, Any]) -> Table:
    """Every class with its cross-validated recall."""
    table = Table("label", "references", "recall")
    for line in report["classes"]:
        table.add_row(line["label"], str(line["references"]), share(line["recall"]))
    return table


def _differences(verdict: Mapping[str, Any]) -> Table:
    before, after = verdict["champion_accuracy"], verdict["challenger_accuracy"]
    macro, error = verdict["macro_difference"], NORMAL_95 * verdict["macro_standard_error"]
    table = Table("points", "former head", "this head", "difference", "could be chance?")
    table.add_row(
        "accuracy",
        f"{100 * before:.1f}",
        f"{100 * after:.1f}",
        f"{100 * (after - before):+.1f}",
        f"a loss: p = {verdict['p_value']:.2g}",
    )
    table.add_row(
        "macro accuracy",
        NOT_MEASURED,
        NOT_MEASURED,
        f"{100 * macro:+.1f}",
        f"95 % interval {100 * (macro - error):+.1f} to {100 * (macro + error):+.1f}",
    )
    table.caption = f"held where it loses more than {100 * TOLERANCE:.1f} points beyond chance"
    return table


def _regressions(verdict: Mapping[str, Any]) -> Table:
    table = Table("recognised less often", "references", "former head", "this head")
    for line in verdict["regressions"]:
        table.add_row(
            line["label"],
            str(line["references"]),
            share(line["champion"]),
            share(line["challenger"]),
        )
    return table
