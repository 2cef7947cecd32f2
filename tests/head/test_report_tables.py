"""What `retrain show` prints of a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.console import RenderableType

from head import report_tables
from head.trust.calibration import Calibration
from head.versions.champion import Comparison, Regression
from holotype import console


def printed(*parts: RenderableType) -> str:
    """As a wide terminal shows it, with single spaces."""
    page = console.for_people()
    page.width = 160
    with page.capture() as captured:
        for part in parts:
            page.print(part)
    return "\n".join(" ".join(line.split()) for line in captured.get().splitlines())


def fitted() -> Calibration:
    """Ten sure answers that are right, ten doubtful ones of which five are."""
    scores = np.array([[4.0, 0, 0]] * 30 + [[1.0, 0, 0]] * 10)
    return Calibration.fit(scores, np.array([0] * 30 + [0, 1] * 5))


def report_with(**parameters: Any) -> Mapping[str, Any]:
    """A report as far as calibration is concerned."""
    return {"parameters": parameters}


def test_calibration__a_line_per_mode() -> None:
    """Temperature, out-of-fold calibration error, and what is answered where 95 % are right."""
    calibration = fitted()
    report = report_with(calibration={"linear": calibration.to_json()})
    table = report_tables.calibration(report)
    assert table is not None
    text = printed(table)
    assert "mode ┃ answers ┃ accuracy ┃ temperature ┃ calibration error" in text
    error = calibration.figures["calibration_error"]
    # 30 of 40 can be given: 30 right ones, with one wrong one more than was seen.
    assert f"linear │ 40 │ 0.875 │ {calibration.temperature:.3g} │ {error:.3f} │ 75.0%" in text


def test_calibration__none_where_nothing_was_scored() -> None:
    """A head of a gallery too small to be scored has no such table."""
    assert report_tables.calibration(report_with(calibration={})) is None
    assert report_tables.calibration(report_with()) is None


def test_calibration__as_data_has_the_same_figures() -> None:
    """What the table shows is in the JSON, too."""
    calibration = fitted()
    report = report_with(calibration={"knn": calibration.to_json()})
    figures = report_tables.calibration_figures(report)["knn"]
    assert figures == {
        **calibration.figures,
        "temperature": calibration.temperature,
        "answered_at_95": 0.75,
    }


def test_comparison__differences_and_classes_that_got_worse() -> None:
    """Points, what chance could explain, and every class that is recognised less often."""
    comparison = Comparison(
        champion="20260101-000000-aaaa",
        references=400,
        worse=True,
        reason="accuracy is 2.5 points lower (p = 0.01)",
        champion_accuracy=0.9,
        challenger_accuracy=0.875,
        p_value=0.0123,
        macro_difference=-0.03,
        macro_standard_error=0.01,
        regressions=(Regression("hover[fly]", 40, 0.9, 0.6),),
    )
    text = printed(*report_tables.comparison({"comparison": comparison.to_dict()}))
    assert "against 20260101-000000-aaaa, on 400 references" in text
    assert "accuracy is 2.5 points lower (p = 0.01)" in text
    assert "accuracy │ 90.0 │ 87.5 │ -2.5 │ a loss: p = 0.012" in text
    assert "macro accuracy │ \N{EN DASH} │ \N{EN DASH} │ -3.0 │ 95 % interval -5.0 to -1.0" in text
    assert "held where it loses more than 1.5 points beyond chance" in text
    assert "hover[fly] │ 40 │ 0.900 │ 0.600" in text


def test_comparison__with_nothing_to_judge_by_is_a_sentence() -> None:
    """Too few common references: said, without a table."""
    reason = "only 3 references were predicted out of fold by both: nothing to judge by"
    comparison = Comparison("20260101-000000-aaaa", 3, worse=False, reason=reason)
    [line] = report_tables.comparison({"comparison": asdict(comparison)})
    assert reason in str(line)


def test_comparison__none_for_the_first_head() -> None:
    """There is nobody to compare with."""
    assert list(report_tables.comparison({"comparison": None})) == []
    assert list(report_tables.comparison({})) == []
