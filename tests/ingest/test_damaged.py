"""Pictures that are not as they should be, through the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.torture.damaged import damaged
from holotype.images.decode import FEW_BITS
from tests.ingest.conftest import Ingest


@pytest.fixture(autouse=True)
def settings(lite0_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real EfficientNet-Lite0 weights on small squares."""
    monkeypatch.setenv("HOLOTYPE_BACKBONE", "tf_efficientnet_lite0")
    monkeypatch.setenv("HOLOTYPE_CHECKPOINT", str(lite0_checkpoint))
    monkeypatch.setenv("HOLOTYPE_IMAGE_SIZE", "32")


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.*")
def test_damaged__every_file_has_an_outcome(
    ingest: Ingest, images: Path, tmp_path: Path, lite0_checkpoint: Path
) -> None:
    """Whatever two hundred files hold, the run ends, and each is taken or named with its reason."""
    for name, data in damaged(200, seed=2):
        (images / f"{name}.png").write_bytes(data)
    report = tmp_path / "report.jsonl"
    encoder = ("--backbone", "tf_efficientnet_lite0", "--checkpoint", lite0_checkpoint)
    done = ingest("add", images, "--label", "any", "--dry-run", "--report", report, *encoder)
    assert done.returncode == 3
    told = [json.loads(line) for line in report.read_text().splitlines()]
    assert {Path(line["source"]).name for line in told} == {file.name for file in images.iterdir()}
    assert {line["outcome"] for line in told} == {"would_add", "broken"}


@pytest.mark.parametrize("options", [["--dry-run"], []])
def test_few_bits__named_once_with_the_remedy(
    ingest: Ingest, images: Path, options: list[str]
) -> None:
    """Ten-bit pictures in 16-bit files are added, and the run's summary says it once."""
    for n in range(3):
        values = np.random.default_rng(n).integers(0, 1024, (40, 40)).astype(np.uint16)
        Image.fromarray(values).save(images / f"{n}.tif")
        Image.fromarray(values * 64).save(images / f"whole-{n}.png")
    done = ingest("add", images, "--label", "any", "--json", *options)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("few of its 16 bits are used") == 1
    assert f"3  of these: {FEW_BITS}" in done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])["summary"]
    assert summary["notes"] == {FEW_BITS: 3}
