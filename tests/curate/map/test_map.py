"""The map of a gallery: laid out, kept, kept true; and what it is coloured by."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

import numpy as np
import pytest

from curate.map import layout
from curate.map.about import about
from curate.map.gallery_map import GalleryMap
from curate.map.layout import lay_out, principal_components
from curate.map.placing import NEWCOMERS, place, place_queries
from curate.map.told import map_of, neighbours
from curate.out_of_fold import OutOfFold, out_of_fold
from curate.view import GalleryView
from holotype.columns import References
from holotype.errors import UsageError
from holotype.references import Vectors

CLASSES, EACH, DIMENSION = 4, 15, 12


def unit(rows: Vectors) -> Vectors:
    """Rows of length one."""
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def made(
    n_each: int = EACH, *, groups: Callable[[int], str | None] = lambda _: None
) -> GalleryView:
    """Four classes of `n_each`, well apart, interleaved."""
    rng = np.random.default_rng(7)
    n = CLASSES * n_each
    codes = np.arange(n) % CLASSES
    vectors = unit(3 * np.eye(CLASSES, DIMENSION)[codes] + 0.6 * rng.normal(size=(n, DIMENSION)))
    return GalleryView.of(
        References(
            sorted(str(uuid5(NAMESPACE_OID, str(i))) for i in range(n)),
            vectors,
            [f"class{code}" for code in codes],
            [groups(i) for i in range(n)],
        )
    )


def first(view: GalleryView, n: int) -> GalleryView:
    """Its first n references."""
    labels = view.labels[:n]
    return GalleryView.of(
        References(view.ids[:n], view.training.vectors[:n], labels, view.groups[:n])
    )


def nearest_is_of_own_class(positions: Vectors, codes: np.ndarray) -> float:
    """Share of points whose nearest other point has their class."""
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return float(np.mean(codes[distances.argmin(axis=1)] == codes))


def test_lay_out__keeps_classes_together_and_is_the_same_each_time() -> None:
    """What is alike lies together; twice the same call is the same map, centred and scaled."""
    view = made()
    steps = []
    positions = lay_out(view.training.vectors, tell=steps.append)
    assert nearest_is_of_own_class(positions, view.training.codes) > 0.95
    np.testing.assert_array_equal(positions, lay_out(view.training.vectors))
    np.testing.assert_allclose(positions.mean(axis=0), 0, atol=1e-5)
    assert np.linalg.norm(positions, axis=1).max() == pytest.approx(1)
    shares = [step.share for step in steps]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)


@pytest.mark.parametrize("n", [1, 2, 4, 5, 9])
def test_lay_out__of_few(n: int) -> None:
    """Too few to arrange: still one finite place for each."""
    positions = lay_out(made().training.vectors[:n])
    assert positions.shape == (n, 2)
    assert np.isfinite(positions).all()
    assert len(np.unique(positions, axis=0)) == n


def test_lay_out__of_one_picture_many_times() -> None:
    """Nothing tells them apart: finite places, and an error no more than a warning."""
    positions = lay_out(np.repeat(made().training.vectors[:1], 20, axis=0))
    assert np.isfinite(positions).all()


def test_lay_out__without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the extra."""
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    with pytest.raises(UsageError, match=r"pip install 'holotype\[map\]'"):
        lay_out(made().training.vectors)


def test_principal_components__keep_all_distances_where_there_are_few_dimensions() -> None:
    """They only turn the space, the direction of the largest variance first."""
    vectors = made().training.vectors
    points = principal_components(vectors)
    expected = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    np.testing.assert_allclose(
        np.linalg.norm(points[:, None] - points[None], axis=2), expected, atol=1e-4
    )
    variances = points.var(axis=0)
    assert (np.diff(variances) <= 1e-6).all()


def test_nearest__is_brute_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact, without the own row, also where blocks are small and a picture is there many times."""
    monkeypatch.setattr(layout, "BLOCK_ROWS", 7)
    points = principal_components(made().training.vectors)
    rows, distances = layout._nearest(points, lambda _: None)
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    np.testing.assert_array_equal(rows, np.argsort(apart, axis=1)[:, :30])
    np.testing.assert_allclose(distances, np.sort(apart, axis=1)[:, :30], atol=1e-3)
    copies = np.repeat(points[:1], 50, axis=0)
    rows, _ = layout._nearest(copies, lambda _: None)
    assert not (rows == np.arange(50)[:, None]).any()


def test_place__keeps_the_map_and_puts_newcomers_beside_their_nearest(tmp_path: Path) -> None:
    """Old references stay where they were, new ones come among their class; what left is gone."""
    view, kept = made(), tmp_path / "maps" / "map.npz"
    n = len(view)
    before = place(first(view, n - 8), kept=kept)
    after = place(view, kept=kept)
    np.testing.assert_array_equal(after.positions[: n - 8], before.positions)
    assert after.later.tolist() == [False] * (n - 8) + [True] * 8
    assert nearest_is_of_own_class(after.positions, view.training.codes) > 0.95
    found = place_queries(after, view.training.vectors, view.training.vectors[-8:])
    np.testing.assert_array_equal(found, after.positions[-8:])
    assert place(first(view, 9), kept=kept).ids == view.ids[:9]


def test_place__beside_is_the_median_of_the_five_nearest(tmp_path: Path) -> None:
    """Checked against sorting all cosines."""
    view = made()
    known = place(view, kept=tmp_path / "map.npz")
    vectors = view.training.vectors
    query = unit(vectors[:1] + vectors[4:5])
    five = np.argsort(-(vectors @ query[0]))[:5]
    expected = np.median(known.positions[five], axis=0)
    np.testing.assert_allclose(place_queries(known, vectors, query)[0], expected)


def test_place__lays_out_anew_when_more_than_a_fifth_came_later(tmp_path: Path) -> None:
    """Newcomers add up from one time to the next."""
    view, kept = made(), tmp_path / "map.npz"
    n = len(view)
    place(first(view, 45), kept=kept)
    for size in (50, 56):
        some = place(first(view, size), kept=kept)
        assert some.later.sum() == size - 45 <= NEWCOMERS * size
    anew = place(view, kept=kept)
    assert not anew.later.any()
    np.testing.assert_array_equal(anew.positions, place(view).positions)
    assert len(GalleryMap.load(kept) or ()) == n


def test_place__arranges_a_sample_of_many(tmp_path: Path) -> None:
    """The others are put beside it, and are no newcomers."""
    view = made()
    found = place(view, at_most=40)
    assert found.laid_out.sum() == 40
    assert not found.later.any()
    assert nearest_is_of_own_class(found.positions, view.training.codes) > 0.9


def test_place__of_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """It is made anew, and kept."""
    view, kept = made(3), tmp_path / "map.npz"
    kept.write_bytes(b"PK\x03\x04 cut short")
    assert place(view, kept=kept).ids == view.ids
    loaded = GalleryMap.load(kept)
    assert loaded is not None
    assert loaded.ids == view.ids
    assert [path.name for path in tmp_path.iterdir()] == ["map.npz"]


def test_about__is_brute_force() -> None:
    """Error is one minus the probability of the label; novelty leaves the own group out."""
    view = made(6, groups=lambda i: f"g{i // 8}" if i < 16 else None)
    training = view.training
    outs = out_of_fold(training)
    known = about(training, outs)
    for row in range(len(view)):
        others = [
            training.vectors[(training.codes == c) & (training.groups != training.groups[row])]
            if c == training.codes[row]
            else training.vectors[training.codes == c]
            for c in range(CLASSES)
        ]
        means = unit(np.stack([some.mean(axis=0) for some in others]))
        nearest = (means @ training.vectors[row]).max()
        assert known.novelty[row] == pytest.approx(1 - nearest, abs=1e-5)
    assert len(outs.rows) > 12
    scored = dict(zip(outs.rows.tolist(), outs.probabilities, strict=True))
    for row, error in enumerate(known.error.tolist()):
        expected = 1 - scored[row][training.codes[row]] if row in scored else np.nan
        assert error == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_about__of_a_class_of_one_group() -> None:
    """Nothing of the own class is left: another one is the nearest; of one class nothing is."""
    view = made(1)
    training = view.training
    known = about(training, out_of_fold(training))
    cosines = training.vectors @ training.vectors.T - 9 * np.eye(CLASSES)
    np.testing.assert_allclose(known.novelty, 1 - cosines.max(axis=1), atol=1e-5)
    assert np.isnan(known.error).all()
    alone = first(made(), 1).training
    nobody = OutOfFold(np.empty(0, np.int64), np.empty((0, 1), np.float32))
    assert np.isnan(about(alone, nobody).novelty).all()


def test_map_of__as_json(tmp_path: Path) -> None:
    """Columns of the same length; names are said once; unknown is null."""
    view = made(groups=lambda i: "slide" if i < 3 else None)
    told = []
    options = {"kept": str(tmp_path / "map.npz"), "neighbours": 3}
    found = map_of(view, options, told.append)
    for name in ("ids", "x", "y", "label", "group", "error", "novelty", "later", "neighbours"):
        assert len(found[name]) == len(view), name
    assert found["group"][:4] == [0, 0, 0, -1]
    assert [found["labels"][code] for code in found["label"]] == view.labels
    cosines = view.training.vectors @ view.training.vectors.T
    np.fill_diagonal(cosines, -1)
    assert found["neighbours"] == np.argsort(-cosines, axis=1)[:, :3].tolist()
    assert neighbours(first(view, 2), 5).tolist() == [[1], [0]]
    assert [step.share for step in told] == sorted(step.share for step in told)
    alone = map_of(first(view, 1), {}, told.append)
    assert (alone["error"], alone["novelty"], alone["x"]) == ([None], [None], [0.0])
