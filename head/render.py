"""Head versions and their reports for people, and the same as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from head import report_tables
from head.report_tables import NOT_MEASURED, share
from holotype import console

if TYPE_CHECKING:
    from head.options import RetrainResult
    from holotype.heads import HeadRecord


def version_line(record: HeadRecord, *, active: str | None) -> dict[str, Any]:
    """One version in a line of JSON."""
    report = record.report
    scores = report["cross_validation"] or {}
    return {
        "version": record.version,
        "active": record.version == active,
        "status": record.status,
        "created_at": record.created_at,
        "labels": len(record.labels),
        "references": report["gallery"]["references"],
        "winner": report["winner"],
        "accuracy": scores.get("accuracy"),
        "macro_accuracy": scores.get("macro_accuracy"),
        "macro_f1": scores.get("macro_f1"),
    }


def report_for_people(record: HeadRecord, *, active: str | None) -> dict[str, Any]:
    """A record with its whole report, less what only the classifier reads."""
    report = {key: value for key, value in record.report.items() if key != "parameters"}
    report["calibration"] = report_tables.calibration_figures(record.report)
    return {
        "version": record.version,
        "active": record.version == active,
        "status": record.status,
        "created_at": record.created_at,
        "labels": list(record.labels),
        "report": report,
    }


def show_versions(records: Sequence[HeadRecord], *, active: str | None) -> None:
    """A table of all versions."""
    table = Table("version", "status", "classes", "references", "accuracy", "macro F1", "winner")
    for record in records:
        line = version_line(record, active=active)
        is_active = line["active"]
        table.add_row(
            line["version"],
            "active" if is_active else line["status"],
            str(line["labels"]),
            str(line["references"]),
            share(line["accuracy"]),
            share(line["macro_f1"]),
            line["winner"] or NOT_MEASURED,
            style="bold" if is_active else None,
        )
    console.for_people().print(table)


def show_report(record: HeadRecord, *, active: str | None) -> None:
    """A version with figures, candidates, calibration, comparison and classes."""
    page, report = console.for_people(), record.report
    status = "active" if record.version == active else record.status
    page.print(Text.assemble((f"head {record.version}", "bold"), f"  {status}"))
    for line in _summary_lines(report):
        page.print(line)
    calibration = report_tables.calibration(report)
    page.print(report_tables.candidates(report))
    if calibration is not None:
        page.print(calibration)
    for part in report_tables.comparison(report):
        page.print(part)
    page.print(report_tables.classes(report))


def show_summary(result: RetrainResult) -> None:
    """What a run that trained did."""
    page = console.for_people()
    page.print(Text(result.reason, "bold"))
    for line in _summary_lines(result.report):
        page.print(line)


def _summary_lines(report: Mapping[str, Any]) -> list[Text]:
    gallery = report["gallery"]
    lines = [
        f"trained on {gallery['references']} references of {len(gallery['counts'])} classes "
        f"in {report['duration_s']:.1f} s, at {report['trained_at']}"
    ]
    scores = report["cross_validation"]
    if scores is None:
        lines.append(
            "not cross-validated: no class has two independent references, so accuracy is unknown"
        )
        return [Text(line) for line in lines]
    lines.append(
        f"{report['winner']}: accuracy {scores['accuracy']:.3f}, macro F1 "
        f"{scores['macro_f1']:.3f} (cross-validated on {scores['references_scored']} references)"
    )
    unscored = scores["classes_not_scored"]
    if unscored:
        lines.append(
            f"{len(unscored)} classes have a single independent reference: "
            "trained on, but never scored"
        )
    return [Text(line) for line in lines]
