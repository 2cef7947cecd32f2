"""The GPU benchmark, tried out on the processor: its arithmetic, and that every row is there."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import gpu
from benchmarks.on_gpu.decoding import resized
from benchmarks.on_gpu.flops import published, vit_flops
from benchmarks.photos import make_photos
from holotype.encoder.timm_import import timm
from holotype.encoder.vit_fast_path import ClassTokenBlock, rewrite
from holotype.images.picture import read_pixels
from holotype.images.recipe import Recipe


@pytest.mark.parametrize("class_token_only", [False, True])
@pytest.mark.parametrize(("name", "side"), [("test_vit", 32), ("vit_small_patch14_dinov2", 56)])
def test_flops__what_torch_counts(name: str, side: int, *, class_token_only: bool) -> None:
    """The formula gives what torch counts when the network runs, rewritten or not."""
    network = timm.create_model(name, num_classes=0, img_size=side).eval()
    for block in network.blocks:
        block.attn.fused_attn = False  # torch counts the fused one on a GPU only
    expected = vit_flops(published(name, side), side, class_token_only=class_token_only)
    if class_token_only:
        rewrite(network, class_token_only=True, in_place=False)
        assert isinstance(network.blocks[-1], ClassTokenBlock)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network.forward_features(torch.zeros(1, 3, side, side))
    assert expected == counter.get_total_flops()


def test_flops__of_the_default_backbone() -> None:
    """ViT-S/14 as it is published is 93 GFLOP at 518 px, 12 at 224."""
    found = [
        vit_flops(published("vit_small_patch14_dinov2", side), side, class_token_only=False)
        for side in (518, 224)
    ]
    assert [round(flops / 1e9) for flops in found] == [93, 12]


@pytest.mark.parametrize("size", [(120, 90), (80, 131), (100, 100)])
def test_resized__is_the_recipes_square(size: tuple[int, int]) -> None:
    """The resize for the GPU gives the recipe's square, to a grey level here and there."""
    coarse = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
    picture = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    recipe = Recipe(56, 0.9, "bicubic", "center", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    file = BytesIO()
    picture.save(file, "PNG")
    expected = read_pixels(file.getvalue(), recipe).astype(int)
    found = resized(torch.from_numpy(np.array(picture)).permute(2, 0, 1), recipe).numpy()
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 2
    assert np.abs(found - expected).mean() < 0.3


def test_photos__the_same_whoever_makes_them(tmp_path: Path) -> None:
    """Two processes make the files that one makes."""
    alone = make_photos(tmp_path / "alone", 3)
    shared = make_photos(tmp_path / "shared", 3, processes=2)
    assert [file.read_bytes() for file in alone] == [file.read_bytes() for file in shared]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_gpu__without_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Without CUDA the benchmark says what it needs, and ends as wrong usage."""
    assert gpu.main([]) == 2
    assert capsys.readouterr().err == (
        "this benchmark needs a CUDA device, and torch finds none here: run it where there is "
        "one, or try it out with --device cpu and small settings\n"
    )


SMALL = ["--device", "cpu", "--backbones", "test_vit", "--sides", "32", "--batches", "2", "4"]
SMALL += ["--limit-sizes", "32", "64", "--photos", "6", "--peer-photos", "4"]
SMALL += ["--ways", "eager", "graph"]


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that results go to."""
    monkeypatch.setattr("benchmarks.harness.OUT", tmp_path / "bench")
    return tmp_path / "bench" / "gpu.json"


def test_gpu__every_part_has_its_rows(found: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Limit, forward pass, decoding and the whole job: tables for people, JSON with the targets."""
    assert gpu.main(SMALL) == 0
    result = json.loads(found.read_text())
    tables = {table["title"].partition(":")[0]: table["rows"] for table in result["tables"]}
    decoding, whole, limit, forward = tables.values()
    assert list(tables)[2:] == ["the limit", "forward only, all tokens of all blocks counted"]
    assert [row["size"] for row in limit] == [32, 64]
    assert [(row["batch"], row["way"]) for row in forward] == [(2, "eager"), (4, "eager")]
    assert all(float(row["least cosine to fp32"]) > 0.999 for row in forward)
    assert {row["way"].partition(" ")[0] for row in decoding} == {"Pillow,", "nvJPEG:"}
    assert [(row["way"], row["photos"]) for row in whole] == [
        ("ingest add", 6),
        ("the tutorial's loop", 4),
    ]
    assert 0 < whole[0]["device busy"] < 1
    assert [target["what"] for target in result["targets"]] == [
        "ingest with test_vit at 32 px against the tutorial's loop",
        "forward only, test_vit at 32 px",
    ]
    said = capsys.readouterr().out
    assert all(title in said for title in tables)


def test_gpu__says_what_there_was_no_time_for(found: Path) -> None:
    """What the minutes leave out is listed, not dropped in silence."""
    assert gpu.main([*SMALL, "--only", "forward", "decode", "--minutes", "0"]) == 0
    *_, last = json.loads(found.read_text())["tables"]
    assert last["title"] == "left out after 0 minutes"
    assert [row["what"] for row in last["rows"]] == [
        "decode, test_vit at 32 px",
        "forward: eager, test_vit at 32 px",
    ]
