import numpy as np
import pytest

from genjax.data.drawn.mixtures import draw, ring
from genjax.metrics.modes import class_coverage, coverage

RING = ring()


def test_the_mixtures_own_points_cover_it():
    points, _ = draw(RING, 4000, 3)
    found = coverage(points, RING.centres, RING.deviation)
    assert found.modes == 8
    assert found.near == pytest.approx(1 - np.exp(-4.5), abs=0.005)
    assert 0 < found.divergence < 0.005
    assert 0.96 < found.overlap < found.near
    wide = coverage(RING.centres[np.arange(4000) % 8] + 0.1, RING.centres, RING.deviation)
    assert (wide.modes, wide.near, wide.overlap) == (0, 0, 0)
    assert np.isnan(wide.divergence)


def test_a_mode_counts_from_a_quarter_of_its_share_on():
    def with_first_mode(count):
        return coverage(RING.centres[[0] * count + [1 + i % 7 for i in range(800 - count)]], RING.centres, 0.02)

    assert [with_first_mode(count).modes for count in (24, 25)] == [7, 8]
    collapsed = coverage(np.tile(RING.centres[2], (50, 1)), RING.centres, 0.02)
    assert collapsed.modes == 1
    np.testing.assert_allclose(collapsed.divergence, np.log(8))
    # Strays far from every centre count in the share's denominator.
    strays = np.concatenate([np.repeat(RING.centres, 10, 0), np.full((400, 2), 9.0)])
    assert coverage(strays, RING.centres, 0.02)[:2] == (0, 80 / 480)


def test_the_overlap_falls_with_lost_modes_and_with_strays():
    halves = np.repeat(RING.centres[:4], 10, 0)
    assert coverage(halves, RING.centres, 0.02).overlap == pytest.approx(4 / 8)
    assert coverage(np.repeat(RING.centres, 10, 0), RING.centres, 0.02).overlap == pytest.approx(1)
    strays = np.concatenate([np.repeat(RING.centres, 10, 0), np.full((80, 2), 9.0)])
    assert coverage(strays, RING.centres, 0.02).overlap == pytest.approx(1 / 2)
    # A mode that holds more than its part counts with its part alone.
    uneven = np.concatenate([np.repeat(RING.centres[:1], 30, 0), np.repeat(RING.centres[1:2], 10, 0)])
    assert coverage(uneven, RING.centres, 0.02).overlap == pytest.approx(1 / 4)
    assert class_coverage(np.array([0, 0, 0, 1]), 2).overlap == pytest.approx(3 / 4)


def test_a_sample_belongs_within_three_deviations():
    for factor, near in ((2.99, 1.0), (3.01, 0.0)):
        assert coverage(RING.centres + np.array([factor * 0.02, 0]), RING.centres, 0.02).near == near


def test_reverse_divergence_of_classes():
    found = class_coverage(np.array([0, 0, 1, 3]), 4)
    assert found.modes == 3
    assert found.divergence == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(1))
    # generated from data, not the other way round
    found = class_coverage(np.array([0, 0, 1, 1]), 2, np.array([0, 0, 0, 1]))
    assert found.divergence == pytest.approx(0.5 * np.log(0.5 / 0.75) + 0.5 * np.log(0.5 / 0.25))
    labels = np.random.default_rng(9).integers(0, 1000, 25_600)
    assert class_coverage(labels, 1000).divergence == pytest.approx(999 / 51_200, rel=0.15)


def test_bad_input_teaches():
    with pytest.raises(ValueError, match=r"points \[0, 2\]"):
        coverage(np.zeros((0, 2)), RING.centres, 0.02)
    with pytest.raises(ValueError, match=r"points \[3, 1, 1, 2\] and centres \[8, 2\]"):
        coverage(np.zeros((3, 1, 1, 2)), RING.centres, 0.02)
    with pytest.raises(ValueError, match="a deviation of 0"):
        coverage(RING.centres, RING.centres, 0)
    with pytest.raises(ValueError, match="no labels to count"):
        class_coverage(np.zeros(0, int), 4)
    with pytest.raises(ValueError, match=r"labels from 0 to 4 must be within 0 \.\. 3"):
        class_coverage(np.arange(5), 4)
    with pytest.raises(ValueError, match="data have not"):
        class_coverage(np.array([1]), 2, np.array([0]))
