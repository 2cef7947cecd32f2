"""An exported encoder is the same encoder: its vectors, its facts, and nothing of torch."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from holotype.encoder import load_encoder
from holotype.encoder.onnx_encoder import OnnxEncoder, facts_path
from holotype.encoder.onnx_export import export_onnx, trial_pictures
from holotype.encoder.timm_encoder import TimmEncoder
from holotype.errors import EncoderError
from holotype.images.picture import read_picture
from holotype.images.square import Pixels
from holotype.references import Vectors
from holotype.settings import Settings
from tests.holotype.images.make import encoded, photo

KINDS = ("cnn", "transformer")

Exported = tuple[TimmEncoder, Path]


@pytest.fixture(scope="module")
def exported(
    lite0_checkpoint: Path, dinov2_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Exported]:
    """One network of each kind at a small size, and the file it was exported to."""
    chosen = {
        "cnn": ("tf_efficientnet_lite0", lite0_checkpoint),
        "transformer": ("vit_small_patch14_dinov2", dinov2_checkpoint),
    }
    folder, found = tmp_path_factory.mktemp("exports"), {}
    for kind, (backbone, checkpoint) in chosen.items():
        encoder = load_encoder(
            Settings.load(backbone=backbone, checkpoint=checkpoint, image_size=98, device="cpu")
        )
        assert isinstance(encoder, TimmEncoder)
        export_onnx(encoder, folder / f"{kind}.onnx")
        found[kind] = encoder, folder / f"{kind}.onnx"
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_onnx__same_vectors_on_photographs(exported: dict[str, Exported], kind: str) -> None:
    """Cosine >= 0.9999 to torch, one by one and in batches, from the same recipe."""
    encoder, path = exported[kind]
    onnx = OnnxEncoder.read(path)
    assert (onnx.fingerprint, onnx.recipe) == (encoder.fingerprint, encoder.recipe)
    china, flower = photo("china"), photo("flower")
    cut = [photo.crop((x, x, 300, 300)) for photo in (china, flower) for x in range(0, 90, 9)]
    files = [encoded(picture, "PNG") for picture in cut]
    pixels = [read_picture(data, onnx.recipe).pixels for data in files]
    expected, together = encoder.encode(pixels), onnx.encode(pixels)
    alone = np.concatenate([onnx.encode([one]) for one in pixels])
    assert (expected * together).sum(axis=1).min() >= 0.9999
    assert (expected * alone).sum(axis=1).min() >= 0.9999
    assert np.abs(np.linalg.norm(together, axis=1) - 1).max() < 1e-5
    assert (expected @ expected.T).min() < 0.9  # the pictures differ: it could have failed


def test_onnx__what_it_takes_and_gives(exported: dict[str, Exported]) -> None:
    """No picture is no vector; a picture of another size is refused by both encoders alike."""
    onnx = OnnxEncoder.read(exported["cnn"][1], max_pixels=1234)
    assert onnx.encode([]).shape == (0, 1280)
    assert onnx.recipe.max_pixels == 1234
    with pytest.raises(ValueError, match=r"\(99, 98, 3\), the recipe makes \(98, 98, 3\)"):
        onnx.encode([np.zeros((99, 98, 3), np.uint8)])


def test_onnx__damage_is_refused(exported: dict[str, Exported], tmp_path: Path) -> None:
    """One other byte, missing facts, facts cut short: an error, and no vector."""
    path = tmp_path / "cnn.onnx"
    network = exported["cnn"][1].read_bytes()
    facts = facts_path(exported["cnn"][1]).read_text()
    path.write_bytes(network)
    with pytest.raises(EncoderError, match="cannot be read"):
        OnnxEncoder.read(path)
    for written in (facts[: len(facts) // 2], "{}", facts.replace("crop_pct", "crop")):
        facts_path(path).write_text(written)
        with pytest.raises(EncoderError, match=r"cannot be read|facts .* are damaged"):
            OnnxEncoder.read(path)
    facts_path(path).write_text(facts)
    OnnxEncoder.read(path)
    path.write_bytes(network[:-9] + bytes([network[-9] ^ 1]) + network[-8:])
    with pytest.raises(EncoderError, match="damaged: its checksum"):
        OnnxEncoder.read(path)


class Turned(TimmEncoder):
    """Gives other vectors than its network."""

    def encode(self, pixels: Sequence[Pixels]) -> Vectors:
        """The same, turned by one number."""
        return np.roll(super().encode(pixels), 1, axis=1)


def test_export__other_vectors_are_discarded(exported: dict[str, Exported], tmp_path: Path) -> None:
    """What does not agree with torch leaves no file behind, and says how far off it was."""
    encoder = exported["cnn"][0]
    turned = Turned(
        encoder.forward, fingerprint=encoder.fingerprint, recipe=encoder.recipe, batch_size=8
    )
    with pytest.raises(EncoderError, match=r"gives other vectors than torch: cosine 0\.\d+"):
        export_onnx(turned, tmp_path / "turned.onnx")
    assert list(tmp_path.iterdir()) == []


def test_export__what_cannot_be_traced_is_named(
    exported: dict[str, Exported], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operation that ONNX does not have: one sentence, no file."""
    encoder = exported["cnn"][0]

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        return torch.linalg.svdvals(pixels.permute(0, 3, 1, 2).float())

    monkeypatch.setattr(encoder.network, "forward", forward)
    with pytest.raises(
        EncoderError, match=r"tf_efficientnet_lite0 cannot be exported to ONNX \(.+\)$"
    ):
        export_onnx(encoder, tmp_path / "cnn.onnx")
    assert list(tmp_path.iterdir()) == []


def test_trial_pictures__the_same_and_not_all_alike() -> None:
    """Every machine compares on the same pictures, which differ in brightness and grain."""
    first, second = trial_pictures(56), trial_pictures(56)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    means = [picture.mean() for picture in first]
    assert means == sorted(means)
    assert means[0] < 100 < 160 < means[-1]
    grain = [np.abs(np.diff(picture.astype(int), axis=0)).mean() for picture in first]
    assert grain[-1] > 3 * grain[0]


def test_onnx__needs_three_packages_and_tells_nobody(
    exported: dict[str, Exported], tmp_path: Path
) -> None:
    """No torch, no timm, no pydantic is imported for it, and the runtime reports to nobody."""
    code = f"""
import sys
from pathlib import Path
import numpy
from holotype.encoder.onnx_encoder import OnnxEncoder
from holotype.images.picture import read_picture
encoder = OnnxEncoder.read(Path({str(exported["cnn"][1])!r}))
encoder.encode([numpy.zeros((98, 98, 3), numpy.uint8)])
foreign = {{"torch", "timm", "pydantic", "typer", "rich", "scipy", "sklearn", "qdrant_edge"}}
print(sorted(foreign & {{name.partition(".")[0] for name in sys.modules}}))
"""
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"} | {
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
    assert list(tmp_path.iterdir()) == []  # where its reports would wait, and its name for us be
