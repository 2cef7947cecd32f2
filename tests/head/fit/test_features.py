"""Feature maps."""

from __future__ import annotations

import numpy as np

from head.fit.features import FeatureMap


def test_root__takes_signed_roots_and_keeps_unit_length() -> None:
    """Components become their signed square roots; rows keep length 1, zeros stay zeros."""
    vectors = np.array([[0.6, -0.8, 0.0], [0.0, 0.0, 0.0]], np.float32)
    rooted = FeatureMap.ROOT.of(vectors)
    expected = np.array([0.6**0.5, -(0.8**0.5), 0.0]) / (0.6 + 0.8) ** 0.5
    np.testing.assert_allclose(rooted, [expected, [0, 0, 0]], rtol=1e-6)
    assert rooted.dtype == np.float32


def test_plain__copies_nothing() -> None:
    """Stored vectors are taken as they are."""
    vectors = np.ones((2, 3), np.float32)
    assert FeatureMap.PLAIN.of(vectors) is vectors
