"""Ranges of pixels, and windows cut out of images."""

from functools import partial

import jax
import numpy as np
import pytest

from genjax import data
from genjax.data import ranges, transforms
from genjax.data.drawn.mixtures import EXTENT

BYTES = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)


@pytest.mark.parametrize(("name", "low", "high"), [("UNIT", 0, 1), ("TANH", -1, 1), ("PLANE", -EXTENT, EXTENT)])
def test_bytes_go_to_a_range_and_come_back(name, low, high):
    pixels = getattr(ranges, name)
    values = np.asarray(pixels.from_bytes(BYTES))
    np.testing.assert_allclose(values.ravel(), low + (high - low) * np.arange(256) / 255, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(pixels.to_bytes(values), BYTES)
    assert pixels.to_bytes(np.array([2 * low - high, 2 * high - low])).tolist() == [0, 255]
    with pytest.raises(ValueError, match="1 of 2 pixels are NaN"):
        pixels.to_bytes(np.array([np.nan, 0.0]))


def test_batches_are_prepared_with_their_targets_and_nothing_else():
    batch = {"images": BYTES, "targets": 255 - BYTES, "labels": np.array([3])}
    out = ranges.TANH.prepare(batch, jax.random.key(0))
    np.testing.assert_allclose(out["images"], -np.asarray(out["targets"]), atol=1e-6)
    assert out["labels"] is batch["labels"]


def test_points_are_put_back_where_they_lie():
    dataset = data.load("mixture:ring")
    batch = ranges.PLANE.prepare(dataset.test.take(np.arange(1000)))
    points = np.asarray(batch["images"]).reshape(-1, 2)
    distance = np.linalg.norm(points - dataset.mixture.centres[batch["labels"]], axis=1)
    assert distance.max() < 6 * dataset.mixture.deviation


def test_contrast_is_normalised_per_image():
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    values = np.asarray(ranges.CONTRAST.from_bytes(images))
    np.testing.assert_allclose(values.mean((1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(np.sqrt((values**2).sum((1, 2, 3))), 55, rtol=1e-5)
    np.testing.assert_allclose(ranges.CONTRAST.from_bytes(images // 2), values, atol=0.2)  # whatever the exposure
    assert np.all(np.asarray(ranges.CONTRAST.from_bytes(np.zeros((1, 4, 4, 1), np.uint8))) == 0)


@pytest.mark.parametrize("size", [3, (2, 5)])
def test_windows(size):
    height, width = (size, size) if isinstance(size, int) else size
    rows, columns = np.meshgrid(np.arange(6), np.arange(7), indexing="ij")
    image = (10 * rows + columns).astype(np.uint8)[..., None]
    images = np.broadcast_to(image, (200, *image.shape))
    middle = transforms.centre_crop(images, size)
    top, left = (6 - height) // 2, (7 - width) // 2
    np.testing.assert_array_equal(middle[7], image[top : top + height, left : left + width])
    crop = jax.jit(partial(transforms.random_crop, size=size))
    crops = np.asarray(crop({"images": images}, jax.random.key(0))["images"])
    assert crops.shape == (200, height, width, 1) and crops.dtype == np.uint8
    corners = crops[:, 0, 0, 0]
    np.testing.assert_array_equal(crops, corners[:, None, None, None] + middle[:1] - middle[0, 0, 0, 0])
    assert {(corner // 10, corner % 10) for corner in corners.tolist()} == {
        (row, column) for row in range(7 - height) for column in range(8 - width)
    }
    chunk = np.asarray(crop({"images": images.reshape(20, 10, *image.shape)}, jax.random.key(0))["images"])
    np.testing.assert_array_equal(chunk.reshape(crops.shape), crops)  # any leading axes


def test_a_window_that_does_not_fit():
    for cut in (
        partial(transforms.centre_crop, BYTES),
        lambda size: transforms.random_crop({"images": BYTES}, 0, size=size),
    ):
        with pytest.raises(ValueError, match="17 x 17 does not fit into images of 16 x 16"):
            cut(17)
        with pytest.raises(ValueError, match="0 x 0 does not fit"):
            cut(0)
