"""The accuracy benchmark's own arithmetic: splits, intervals, calibration error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.accuracy import states
from benchmarks.accuracy.features import Features
from benchmarks.accuracy.figures import Pooled, calibration_error, error_if_perfect, paired
from benchmarks.accuracy.measure import Measured
from benchmarks.accuracy.product import WAYS, ask, estimated, trained_gallery
from benchmarks.accuracy.sets import find_sets
from benchmarks.accuracy.splits import given_split, random_split, without_classes
from holotype.fingerprint import Fingerprint

N_CLASSES, PER_CLASS = 4, 25


@pytest.fixture
def features(fingerprint: Fingerprint) -> Features:
    """100 pictures of four classes; the first three of each class are near-duplicates."""
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(N_CLASSES * PER_CLASS, 64)).astype(np.float32)
    for first in range(0, len(raw), PER_CLASS):
        raw[first + 1 : first + 3] = raw[first] * [[1.1], [0.9]]
    parts = np.where(np.arange(len(raw)) % 5 == 4, "val", "train")
    return Features(
        name="made",
        fingerprint=fingerprint,
        raw=raw,
        labels=np.repeat(["a", "b", "c", "d"], PER_CLASS),
        parts=parts,
        digests=np.array([f"{i:064x}" for i in range(len(raw))]),
    )


def measured(features: Features, *, seed: int, **right: np.ndarray) -> Measured:
    """What two ways of classifying all pictures got right."""
    found = {way: {"right": marks} for way, marks in right.items()}
    return Measured(features.name, seed, False, np.arange(len(features)), found)


def test_random_split__takes_a_fifth_of_every_class(features: Features) -> None:
    """Five of 25 pictures of each class are queries, and nothing is on both sides."""
    split = random_split(features, 3)
    assert np.bincount(features.codes[split.queries]).tolist() == [5, 5, 5, 5]
    assert sorted([*split.queries, *split.references]) == list(range(100))


@pytest.mark.parametrize("seed", range(5))
def test_random_split__keeps_near_duplicates_together(features: Features, seed: int) -> None:
    """No query has a near-duplicate among the references."""
    split = random_split(features, seed)
    cosine = features.unit[split.queries] @ features.unit[split.references].T
    assert cosine.max() < 0.95


def test_random_split__differs_by_seed_only(features: Features) -> None:
    """A seed means one split."""
    assert random_split(features, 1).queries.tolist() == random_split(features, 1).queries.tolist()
    assert random_split(features, 1).queries.tolist() != random_split(features, 2).queries.tolist()


def test_given_split__is_the_sets_own(features: Features) -> None:
    """References are `train`, queries `val`."""
    split = given_split(features)
    assert set(features.parts[split.references]) == {"train"}
    assert set(features.parts[split.queries]) == {"val"}


def test_without_classes__strangers_have_no_reference(features: Features) -> None:
    """One class of four is held out whole; the known queries are of the others."""
    split = without_classes(features, 0, share=0.25)
    strangers = set(features.codes[split.unknown])
    assert len(strangers) == 1
    assert len(split.unknown) == PER_CLASS
    assert not strangers & set(features.codes[split.references])
    assert not strangers & set(features.codes[split.known])


def test_estimated__is_what_a_gallery_answers(features: Features) -> None:
    """The same references, of which one is there twice, get the same labels and confidences."""
    digests = features.digests.copy()
    digests[1] = digests[0]
    wide = replace(features.fingerprint, dimension=features.raw.shape[1])
    twice = replace(features, fingerprint=wide, digests=digests)
    split = random_split(twice, 0)
    told = estimated(twice, split.references, split.queries, seed=3)
    with trained_gallery(twice, split.references, seed=3) as store:
        answers = ask(store, twice, split.queries, WAYS["auto"])
    assert told["label"].tolist() == answers.label.tolist()
    np.testing.assert_allclose(told["confidence"], answers.confidence, atol=5e-4)


def test_states__asks_for_known_held_out_and_other_pictures(features: Features) -> None:
    """Of `val`: 15 of three known classes, 5 of the fourth, and the 20 of the other set."""
    wide = replace(features.fingerprint, dimension=features.raw.shape[1])
    own = replace(features, fingerprint=wide)
    other = replace(own, name="other", labels=np.char.upper(features.labels))
    asked = list(states.ask(own, [own, other], seed=0, choosing=False))
    sizes = {kind: len(one.state) for one in asked for kind in [one.kind]}
    assert sizes == {states.KNOWN: 15, states.NEAR: 5, states.FAR: 20}
    assert len(asked) == 9
    assert not any(one.right.any() for one in asked if one.kind != states.KNOWN)


def test_paired__same_answers_differ_by_nothing(features: Features) -> None:
    """Two ways that err alike differ by 0, with an interval of no width."""
    marks = np.arange(100) % 3 > 0
    pooled = Pooled(features, (measured(features, seed=0, one=marks, other=marks),))
    interval = paired([pooled], "one", "other")
    assert (interval.value, interval.low, interval.high) == (0.0, 0.0, 0.0)


def test_paired__is_the_difference_of_accuracies(features: Features) -> None:
    """Right on 80 against 60 pictures: 20 points, inside an interval that excludes 0."""
    one, other = np.arange(100) < 80, np.arange(100) < 60
    pooled = Pooled(features, (measured(features, seed=0, one=one, other=other),))
    interval = paired([pooled], "one", "other")
    assert interval.value == pytest.approx(0.2)
    assert 0 < interval.low < 0.2 < interval.high < 0.4


def test_calibration_error__by_hand() -> None:
    """Four answers at 0.9 of which three are right are 0.15 off; a sure right one is 0 off."""
    error = calibration_error([0.9, 0.9, 0.9, 0.9, 1.0], [True, True, True, False, True])
    assert error == pytest.approx(4 / 5 * 0.15)


def test_error_if_perfect__fades_with_queries() -> None:
    """Chance alone shows an error of about 0.1 in 20 answers, and of nearly none in 20,000."""
    assert 0.05 < error_if_perfect(np.full(20, 0.7)) < 0.15
    assert error_if_perfect(np.full(20_000, 0.7)) < 0.01


def test_find_sets__reads_parts_and_classes(tmp_path: Path) -> None:
    """A set is a folder with `train` and `val`; a picture's folder is its class."""
    for place in ("birds/train/owl", "birds/val/owl", "birds/val/wren"):
        (tmp_path / place).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / place / "1.png")
    (tmp_path / "notes").mkdir()
    (found,) = find_sets(tmp_path)
    assert [(i.part, i.label) for i in found.images] == [
        ("train", "owl"),
        ("val", "owl"),
        ("val", "wren"),
    ]


def test_find_sets__says_what_a_folder_has_to_hold(tmp_path: Path) -> None:
    """A folder without sets is a clear message."""
    with pytest.raises(SystemExit, match="it has to hold <set>/train/<class>/ folders"):
        find_sets(tmp_path)
