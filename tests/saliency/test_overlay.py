"""Pictures: colours, enlargement, sheets, and what is refused."""

import sys

import numpy as np
import pytest
from PIL import Image

from genjax.saliency import overlay

RAMP = np.linspace(0, 1, 12).reshape(3, 4)


def test_heat_map_colours_are_those_of_the_map():
    from matplotlib import colormaps

    picture = overlay.heat_map(RAMP)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, np.round(colormaps["viridis"](RAMP)[..., :3] * 255))
    assert not np.array_equal(picture, overlay.heat_map(RAMP, colour_map="jet"))
    assert overlay.heat_map(RAMP, (30, 44)).shape == (30, 44, 3)


@pytest.mark.parametrize("size", [(7, 9), (12, 16), (224, 225)])
def test_enlargement_is_bilinear_between_the_centres_of_pixels(size):
    values = np.random.default_rng(0).uniform(size=(3, 4)).astype(np.float32)

    def along(axis_values, new):
        centres = (np.arange(new) + 0.5) * len(axis_values) / new - 0.5
        return np.interp(centres, np.arange(len(axis_values)), axis_values)

    wide = np.stack([along(row, size[1]) for row in values])
    expected = np.stack([along(column, size[0]) for column in wide.T], 1)
    np.testing.assert_allclose(overlay._enlarged(values, size), expected, atol=1e-5)


def test_overlay_mixes_image_and_colours():
    image = np.zeros((6, 8, 1), np.uint8)
    np.testing.assert_array_equal(overlay.overlay(image, RAMP, 1.0), overlay.heat_map(RAMP, (6, 8)))
    np.testing.assert_array_equal(overlay.overlay(image, RAMP, 0.0), np.zeros((6, 8, 3)))
    white = overlay.overlay(np.ones((6, 8, 3)), np.zeros((2, 2)), 0.5)
    np.testing.assert_array_equal(
        white, np.broadcast_to(np.round(127.5 + overlay.heat_map(np.zeros((1, 1))) / 2), (6, 8, 3))
    )


@pytest.mark.parametrize(
    ("saliency", "message"),
    [
        (np.array([[0.5, np.nan]]), "NaN or infinity at 1 of 2"),
        (np.array([[0.5, 1.5]]), "reaches from 0.5 to 1.5"),
        (np.zeros((2, 2, 2)), "one map at a time"),
    ],
)
def test_bad_maps_are_refused(saliency, message):
    with pytest.raises(ValueError, match=message):
        overlay.heat_map(saliency)


def test_bad_images_and_colour_maps_are_refused():
    with pytest.raises(ValueError, match="outside"):
        overlay.overlay(np.full((4, 4, 3), -1.0), RAMP)
    with pytest.raises(ValueError, match=r"\[height, width, 1 or 3\]"):
        overlay.overlay(np.zeros((4, 4)), RAMP)
    with pytest.raises(ValueError, match="no colour map 'rainbows'"):
        overlay.heat_map(RAMP, colour_map="rainbows")


def test_saved_picture_comes_back(tmp_path):
    picture = overlay.heat_map(RAMP, (9, 12))
    overlay.save(tmp_path / "map.png", picture)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "map.png")), picture)


def test_comparison_sheet_is_written_whole_or_not_at_all(tmp_path):
    pyplot = "matplotlib.pyplot" in sys.modules
    image = np.random.default_rng(0).uniform(size=(8, 8, 1))
    row = overlay.Row("digit", image, RAMP, RAMP, RAMP**2)
    overlay.comparison_sheet(tmp_path / "sheet.png", [row, row._replace(exact=np.zeros((3, 4)))])
    picture = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert picture.shape[1] > picture.shape[0] > 300
    assert picture[..., :3].std() > 10
    assert ("matplotlib.pyplot" in sys.modules) == pyplot, "the global figure state stays untouched"
    with pytest.raises(ValueError, match="exact of 'digit' has NaN"):
        overlay.comparison_sheet(tmp_path / "bad.png", [row._replace(exact=RAMP * np.nan)])
    with pytest.raises(ValueError, match="at least one row"):
        overlay.comparison_sheet(tmp_path / "bad.png", [])
    with pytest.raises(ValueError, match=r"the exact map is \(3, 4\), the approximate one \(2, 2\)"):
        overlay.comparison_sheet(tmp_path / "bad.png", [row._replace(approximate=np.ones((2, 2)))])
    assert [p.name for p in tmp_path.iterdir()] == ["sheet.png"]


def test_correlation():
    assert overlay.correlation(RAMP, 2 * RAMP + 1) == pytest.approx(1)
    assert overlay.correlation(RAMP, -RAMP) == pytest.approx(-1)
    assert np.isnan(overlay.correlation(RAMP, np.ones_like(RAMP)))
