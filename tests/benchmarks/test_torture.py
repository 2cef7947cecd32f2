"""The long trials, short: `make torture` runs them with hundreds of kills and damages."""

from __future__ import annotations

from pathlib import Path

from benchmarks.torture import corruption, kills


def test_kills__nothing_reported_is_lost(tmp_path: Path) -> None:
    """Four kills at moments that are always the same, each followed by a look at everything."""
    report = kills.torment(tmp_path, kills=4, seed=3)

    assert report.startswith("4 kills, ")
    assert report.endswith("nothing reported was lost, no false alarm")


def test_damage__is_noticed_or_harmless(tmp_path: Path) -> None:
    """A dozen damages: everything is there, or the error says what to do, and a repair helps."""
    corruption.make(tmp_path)

    ended = list(corruption.run(tmp_path, corruption.cases(tmp_path, 12, seed=4)))

    assert len(ended) == 12
    assert [end for end in ended if end.is_bad] == []
