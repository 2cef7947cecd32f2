"""One query without a service, as a user runs it: quick to start, and whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from demo.weights import BACKBONE
from holotype.encoder import load_encoder
from holotype.encoder.exports import export_path
from holotype.encoder.onnx_export import export_onnx
from holotype.encoder.timm_encoder import TimmEncoder
from holotype.intake.folders import Folders
from holotype.settings import Settings
from ingest.adding import add
from ingest.opening import open_backend
from tests.classify.conftest import COLOURS, picture

NOT_NEEDED = {"torch._dynamo", "sympy", "sklearn", "scipy", "pandas", "pyarrow", "rich"}
"""Each takes from a tenth of a second to more than one."""


@pytest.fixture
def environment(tmp_path: Path, lite0_checkpoint: Path) -> dict[str, str]:
    """Of a gallery with two pictures of each colour, embedded with real weights, and exported."""
    for colour in COLOURS:
        for seed in range(2):
            path = tmp_path / "references" / colour / f"{seed}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture(colour, seed))
    settings = Settings.load(
        home=tmp_path / "home", backbone=BACKBONE, checkpoint=lite0_checkpoint, image_size=64
    )
    encoder = load_encoder(settings)
    with open_backend(settings, command="a test", load=lambda _: encoder) as backend:
        add(Folders([tmp_path / "references"]), backend)
    assert isinstance(encoder, TimmEncoder)
    export = export_path(settings.home, encoder.fingerprint)
    export.parent.mkdir()
    export_onnx(encoder, export)
    return os.environ | {
        "HOLOTYPE_HOME": str(settings.home),
        "HOLOTYPE_BACKBONE": BACKBONE,
        "HOLOTYPE_CHECKPOINT": str(lite0_checkpoint),
        "HOLOTYPE_IMAGE_SIZE": "64",
    }


@pytest.mark.parametrize("runner", ["torch", "onnxruntime"])
def test_cold_query__answers_without_what_it_does_not_need(
    environment: dict[str, str], tmp_path: Path, runner: str
) -> None:
    """Answer, problem and exit code are all there; nothing slow was imported for nothing."""
    (tmp_path / "query.png").write_bytes(picture("green", 7))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    not_needed = NOT_NEEDED
    if runner == "onnxruntime":
        environment |= {"HOLOTYPE_ONNX": "on", "HOLOTYPE_DEVICE": "cpu"}
        not_needed = NOT_NEEDED | {"torch", "timm", "torchvision", "huggingface_hub", "onnx"}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "classify", "query", "--json",
         str(tmp_path / "query.png"), str(tmp_path / "broken.png")],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    answer, problem = (json.loads(line) for line in done.stdout.splitlines())
    assert answer["label"] == "green"
    assert problem["error"]
    assert "1 of 2 images could not be classified" in done.stderr
    assert done.returncode == 3
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert runner in imported
    assert imported.isdisjoint(not_needed), imported & not_needed
