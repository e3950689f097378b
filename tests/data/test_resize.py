import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from genjax.data.resize import bicubic


@pytest.mark.parametrize("size", [(96, 60), (7, 10), (24, 80)])
def test_it_equals_pillow_in_floating_point_and_within_a_grey_level_on_bytes(size):
    images = np.random.default_rng(0).integers(64, 192, (2, 24, 30, 3), np.uint8)
    got = np.asarray(bicubic(jnp.asarray(images, jnp.float32), *size))
    wide, high = size[1], size[0]
    for image, found in zip(images, got, strict=True):
        for channel in range(3):
            exact = Image.fromarray(image[..., channel].astype(np.float32), "F")
            expected = np.asarray(exact.resize((wide, high), Image.Resampling.BICUBIC))
            np.testing.assert_allclose(found[..., channel], expected, atol=2e-3)
        expected = np.asarray(Image.fromarray(image).resize((wide, high), Image.Resampling.BICUBIC), float)
        assert np.abs(np.round(found) - expected).max() <= 1
