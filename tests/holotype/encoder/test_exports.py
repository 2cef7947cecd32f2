"""Which encoder answers for a gallery: its export where that is right, torch's elsewhere."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from holotype.encoder import exports, load_encoder
from holotype.encoder.exports import export_apart, export_path, failure, record_failure
from holotype.encoder.onnx_encoder import OnnxEncoder, facts_path
from holotype.encoder.onnx_export import export_onnx, trial_pictures
from holotype.encoder.protocol import Encoder
from holotype.encoder.timm_encoder import TimmEncoder
from holotype.errors import FingerprintMismatch
from holotype.fingerprint import Fingerprint
from holotype.gallery_encoder import export_for, load_for, remember
from holotype.settings import Settings

BACKBONE = "tf_efficientnet_lite0"


@dataclass
class Machine:
    """A home with an export in it, and how often torch was loaded there."""

    settings: Settings
    """Those that the gallery was made with."""
    encoder: TimmEncoder
    loaded: list[Settings] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """Of the export."""
        return export_path(self.settings.home, self.encoder.fingerprint)

    def load(self, **given: Any) -> Encoder:
        """The encoder of the gallery, in a shell where this is given."""
        settings = Settings.load(**{"onnx": True, "device": "cpu", **given})
        return load_for(settings, self.encoder.fingerprint, self._torch)

    def _torch(self, settings: Settings) -> Encoder:
        self.loaded.append(settings)
        other = settings.checkpoint != self.settings.checkpoint
        return load_encoder(settings) if other else self.encoder


@pytest.fixture(scope="module")
def torch_encoder(lite0_checkpoint: Path) -> TimmEncoder:
    """Of torch, with real weights, at a small size."""
    settings = Settings.load(
        backbone=BACKBONE, checkpoint=lite0_checkpoint, image_size=64, device="cpu"
    )
    encoder = load_encoder(settings)
    assert isinstance(encoder, TimmEncoder)
    return encoder


@pytest.fixture(scope="module")
def exported(torch_encoder: TimmEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its export."""
    path = tmp_path_factory.mktemp("exported") / "lite0.onnx"
    export_onnx(torch_encoder, path)
    return path


@pytest.fixture
def bare(tmp_path: Path, lite0_checkpoint: Path, torch_encoder: TimmEncoder) -> Machine:
    """A machine whose gallery knows its encoder, and has no export."""
    checkpoint = Path(shutil.copy(lite0_checkpoint, tmp_path / "weights.safetensors"))
    settings = Settings.load(backbone=BACKBONE, checkpoint=checkpoint, image_size=64, onnx=True)
    remember(settings, torch_encoder.fingerprint)
    return Machine(settings, torch_encoder)


@pytest.fixture
def machine(bare: Machine, exported: Path) -> Machine:
    """The same with an export."""
    bare.path.parent.mkdir(parents=True)
    shutil.copy(exported, bare.path)
    shutil.copy(facts_path(exported), facts_path(bare.path))
    return bare


def test_the_export__stands_for_the_same_weights_only(machine: Machine) -> None:
    """With nothing given, or the remembered file unchanged, torch is not needed; else it is."""
    assert isinstance(machine.load(), OnnxEncoder)
    file = machine.settings.checkpoint
    assert file is not None
    assert isinstance(machine.load(backbone=BACKBONE, checkpoint=file), OnnxEncoder)
    assert machine.load(max_megapixels=2).recipe.max_pixels == 2_000_000
    assert machine.loaded == []
    copy = Path(shutil.copy(file, file.with_name("copy.safetensors")))
    assert machine.load(backbone=BACKBONE, checkpoint=copy).fingerprint.image_size == 64
    assert len(machine.loaded) == 1
    os.utime(copy)  # remembered by now, and touched since
    assert not isinstance(machine.load(backbone=BACKBONE, checkpoint=copy), OnnxEncoder)
    assert isinstance(machine.load(backbone=BACKBONE, checkpoint=copy), OnnxEncoder)


def test_other_weights__are_refused_beside_an_export(machine: Machine, tmp_path: Path) -> None:
    """A checkpoint that contradicts the gallery is read, and named, whatever was exported."""
    from safetensors.torch import load_file, save_file

    assert machine.settings.checkpoint is not None
    state = load_file(machine.settings.checkpoint)
    other = tmp_path / "other.safetensors"
    save_file({name: tensor * 1.01 for name, tensor in state.items()}, other)
    with pytest.raises(FingerprintMismatch):
        machine.load(backbone=BACKBONE, checkpoint=other)
    save_file({name: tensor * 1.01 for name, tensor in state.items()}, machine.settings.checkpoint)
    machine.settings = machine.settings.model_copy(update={"checkpoint": None})
    with pytest.raises(FingerprintMismatch):
        machine.load(backbone=BACKBONE, checkpoint=tmp_path / "weights.safetensors")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"onnx": False}, "switched off (HOLOTYPE_ONNX)"),
        ({"device": "cuda"}, "device cuda was asked for"),
        ({"precision": "bf16"}, "bf16 or a compiled network was asked for"),
        ({"compile": True}, "bf16 or a compiled network was asked for"),
    ],
)
def test_torch__where_it_was_asked_for(
    machine: Machine, given: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What an export cannot do, or must not, is torch's; the log says why."""
    with caplog.at_level(logging.DEBUG, "holotype"):
        assert machine.load(**given) is machine.encoder
    assert reason in caplog.text
    assert machine.path.exists()


def test_torch__where_there_may_be_a_gpu(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver's device file is enough, unless a processor was asked for or the GPU is hidden."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(exports, "ACCELERATORS", (str(tmp_path / "nvidiactl"),))
    assert isinstance(machine.load(device="auto"), OnnxEncoder)
    (tmp_path / "nvidiactl").touch()
    assert machine.load(device="auto") is machine.encoder
    assert isinstance(machine.load(device="cpu"), OnnxEncoder)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert isinstance(machine.load(device="auto"), OnnxEncoder)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert machine.load(device="auto") is machine.encoder


def test_torch__without_the_extra(
    machine: Machine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ever where ONNX Runtime is not installed: no export is used, none is made."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with caplog.at_level(logging.DEBUG, "holotype"):
        assert machine.load() is machine.encoder
    assert "onnxruntime are not installed (the extra onnx)" in caplog.text
    machine.path.unlink()
    assert export_apart(machine.settings, machine.encoder.fingerprint) is None


def test_a_damaged_export__is_removed_and_made_again(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    """Torch answers in its place; then it is made again, and answers."""
    network = machine.path.read_bytes()
    machine.path.write_bytes(network[:-99] + bytes(99))
    with caplog.at_level(logging.DEBUG, "holotype"):
        assert machine.load() is machine.encoder
    assert "is damaged: its checksum is another one: it is made again" in caplog.text
    assert not machine.path.exists()
    assert made(export_apart(machine.settings, machine.encoder.fingerprint))
    assert isinstance(machine.load(), OnnxEncoder)


def test_another_encoder_of_that_name__is_refused(machine: Machine) -> None:
    """The facts say whose export it is: a file that was only renamed is not taken."""
    facts = facts_path(machine.path)
    facts.write_text(facts.read_text().replace('"cls"', '"mean"').replace('"default"', '"mean"'))
    assert machine.load() is machine.encoder
    assert not machine.path.exists()


def test_an_export_of_other_rules__is_refused(machine: Machine) -> None:
    """Pictures that are read otherwise than the gallery's have other vectors."""
    facts = facts_path(machine.path)
    facts.write_text(facts.read_text().replace('"bicubic"', '"bilinear"'))
    assert machine.load() is machine.encoder


def test_export__in_a_process_of_its_own(bare: Machine) -> None:
    """It is made from what was remembered, whatever the shell says; its vectors are torch's."""
    assert bare.load() is bare.encoder
    assert made(export_apart(bare.settings, bare.encoder.fingerprint))
    onnx = bare.load()
    assert isinstance(onnx, OnnxEncoder)
    pixels = trial_pictures(64)
    assert (onnx.encode(pixels) * bare.encoder.encode(pixels)).sum(axis=1).min() >= 0.9999
    names = sorted(path.name for path in bare.path.parent.iterdir())
    assert names == [facts_path(bare.path).name, bare.path.name]


def test_export__once_it_was_needed(bare: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The encoder of a processor, as the gallery knows it; that of an accelerator never."""
    started: list[tuple[Settings, Fingerprint]] = []
    monkeypatch.setattr(
        "holotype.gallery_encoder.export_apart", lambda *wanted: started.append(wanted)
    )
    export_for(Settings.load(), bare.encoder)
    [(settings, fingerprint)] = started
    assert (settings.backbone, settings.checkpoint) == (BACKBONE, bare.settings.checkpoint)
    assert fingerprint == bare.encoder.fingerprint
    monkeypatch.setattr(TimmEncoder, "device", "cuda")
    export_for(Settings.load(), bare.encoder)
    assert len(started) == 1


def test_export__not_for_other_weights_and_not_without_room(bare: Machine) -> None:
    """A checkpoint that was replaced meanwhile, or a full disk: nothing is written."""
    fingerprint = bare.encoder.fingerprint
    full = bare.settings.model_copy(update={"min_free_mb": 1 << 20})
    assert made(export_apart(full, fingerprint))
    assert list(bare.path.parent.iterdir()) == []
    assert made(export_apart(bare.settings, replace(fingerprint, weights_sha256="0" * 64)))
    assert list(bare.path.parent.iterdir()) == []


def test_a_failed_export__is_not_tried_again(
    bare: Machine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until one of the packages is another; what it failed by is in the log of each command."""
    bare.path.parent.mkdir(parents=True)
    record_failure(bare.path, "cosine 0.5 on trial pictures")
    assert export_apart(bare.settings, bare.encoder.fingerprint) is None
    with caplog.at_level(logging.DEBUG, "holotype"):
        assert bare.load() is bare.encoder
    assert "torch's: its export failed: cosine 0.5 on trial pictures" in caplog.text
    monkeypatch.setattr(exports, "version", lambda name: f"99 of {name}")
    assert failure(bare.path) is None


def made(process: int | None) -> bool:
    """Whether it was started, and ended well."""
    assert process is not None
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
