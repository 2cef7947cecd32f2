"""A bundle in int8: smaller, another encoder, and open about what that costs."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from classify.bundle.archive import BundleReader, sizes
from classify.bundle.cost import Cost, cost, held_out
from classify.bundle.opened import open_bundle
from classify.bundle.quantise import quantised
from holotype.encoder import load_encoder
from holotype.encoder.onnx_encoder import OnnxEncoder, OnnxFacts
from holotype.encoder.onnx_export import export_onnx, trial_pictures
from holotype.images.picture import read_pixels
from holotype.settings import Settings
from tests.classify.bundle.conftest import PER_CLASS, Made, picture, run

HELD = 6
"""A fifth of 32 references: one or two of each class."""


@pytest.fixture(scope="module")
def small(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the whole gallery in int8."""
    return made.bundle(tmp_path_factory.mktemp("int8") / "colours.holotype", int8=True)


def encoder_of(bundle: Path) -> OnnxEncoder:
    """The encoder in a bundle."""
    return open_bundle(bundle).encoder


def test_int8__is_smaller_and_another_space(small: Path, sealed: Path) -> None:
    """Half the encoder, near the same vectors, and a fingerprint that cannot be mixed up."""
    assert sizes(small)["encoder.onnx"] < 0.5 * sizes(sealed)["encoder.onnx"]
    whole, quantised = encoder_of(sealed), encoder_of(small)
    assert quantised.fingerprint.id != whole.fingerprint.id
    assert quantised.recipe == whole.recipe
    pixels = [read_pixels(picture("red", seed), whole.recipe) for seed in range(90, 94)]
    cosines = (whole.encode(pixels) * quantised.encode(pixels)).sum(axis=1)
    assert cosines.min() > 0.9
    assert cosines.max() < 0.99999


def test_int8__answers_alone_and_says_what_it_costs(
    small: Path, made: Made, fresh: Path, tmp_path: Path
) -> None:
    """It runs where the other one runs, and tells how many held-out answers flipped."""
    ran = run(fresh, small, "--json", made.queries, cache=tmp_path)
    assert ran.code == 0, ran.err
    assert {Path(line["query"]).stem.partition("-")[0]: line["label"] for line in ran.lines} == {
        label: label for label in ("blue", "green", "red", "violet")
    }
    about = run(fresh, small, cache=tmp_path).out
    with BundleReader(small) as reader:
        said = reader.about["notes"]["quantised"]
    assert f"int8: of {said['asked']} references that were held out" in about
    assert said["asked"] == said["from_files"] == HELD
    assert 0 <= said["flipped"] <= said["asked"]


def test_held_out__is_what_no_head_has_seen(made: Made, sealed: Path) -> None:
    """A fifth of each class is asked; files that are gone are asked as thumbnails."""
    recipe = encoder_of(sealed).recipe
    with made.store() as store:
        every = held_out(store, recipe)
        hidden = made.folder.with_name("hidden")
        made.folder.joinpath("then").rename(hidden)
        try:
            from_thumbnails = held_out(store, recipe)
        finally:
            hidden.rename(made.folder / "then")
    assert every.from_files == len(every.asked) == HELD
    counts = every.head.class_means.counts
    assert counts.sum() == 4 * PER_CLASS - len(every.asked)
    assert from_thumbnails.from_files < HELD
    assert [label for label, _ in from_thumbnails.asked] == [label for label, _ in every.asked]


def test_cost__counts_what_flips(made: Made, sealed: Path) -> None:
    """An encoder that sees everything mirrored in colour flips answers, and is told of it."""

    class Mirrored(OnnxEncoder):
        def encode(self, pixels):
            return super().encode([picture[..., ::-1] for picture in pixels])

    plain = encoder_of(sealed)
    with made.store() as store:
        held = held_out(store, plain.recipe)
    contents = open_bundle(sealed).contents
    mirrored = Mirrored(contents.network, OnnxFacts.from_dict(contents.facts))
    none = cost(held, plain, plain, sizes=(2, 1))
    assert none.flipped == 0
    assert none.right[0] == none.right[1] == HELD
    some = cost(held, plain, mirrored, sizes=(2, 1))
    red_or_blue = sum(label in {"red", "blue"} for label, _ in held.asked)
    assert some.flipped >= red_or_blue > 0
    assert some.right[1] <= HELD - red_or_blue


def test_cost__in_words() -> None:
    """The sentence has the numbers, the interval and where the pictures came from."""
    said = str(Cost(200, 150, 10, (190, 188), (0.02, 0.01), (100, 41)))
    assert "of 200 references that were held out (150 read from their files, 50 from" in said
    assert "10 get another label or state than in float32 (5.0 %, 95 % interval 2.7 to 9.0)" in said
    assert "right are 95.0 % before and 94.0 % after" in said
    assert "0.41 of its size and took 0.50 of its time" in said


def test_cost__of_nobody() -> None:
    """A cost of nobody says so instead of a share."""
    assert "nothing is known" in str(Cost(0, 0, 0, (0, 0), (1.0, 1.0), (1, 1)))


def test_quantised__a_transformer(tmp_path: Path) -> None:
    """A network of matrix products keeps its directions in a third of its size."""
    torch.manual_seed(0)
    network = timm.create_model("vit_tiny_patch16_224", num_classes=0)
    checkpoint = tmp_path / "vit.safetensors"
    save_file({name: one.contiguous() for name, one in network.state_dict().items()}, checkpoint)
    encoder = load_encoder(
        Settings.load(
            backbone="vit_tiny_patch16_224", checkpoint=checkpoint, image_size=48, device="cpu"
        )
    )
    facts = export_onnx(encoder, tmp_path / "plain.onnx")
    plain = OnnxEncoder.read(tmp_path / "plain.onnx")
    made = quantised(encoder, plain, trial_pictures(48))
    assert len(made.network) < 0.35 * (tmp_path / "plain.onnx").stat().st_size
    assert 0.99 < made.facts.cosine < 0.99999
    assert made.facts.fingerprint != facts.fingerprint
