"""Bicubic enlargement and reduction of images on the device, as Pillow does it."""

import jax
import jax.numpy as jnp


def bicubic(images: jax.Array, height: int, width: int) -> jax.Array:
    """Return images at another size by Keys' cubic filter (a = -1/2), stretched when shrinking so as not to alias.

    images: float[batch, rows, columns, channels], any range -> float[batch, height, width, channels], which overshoots
    the range a little at edges: clip before the images become bytes. Equal to Pillow's BICUBIC on floating-point images
    up to rounding; Pillow on bytes rounds and clips after each direction: a grey level away where nothing overshoots.
    Source: Keys 1981, Cubic convolution interpolation for digital image processing (IEEE TASSP 29).
    """
    return jax.image.resize(images, (len(images), height, width, images.shape[-1]), "cubic", antialias=True)


def shrunk(images: jax.Array, factor: int) -> jax.Array:
    """Return images, uint8[batch, height, width, channels], reduced by the bicubic filter to height / factor, as bytes.

    This is what small images are in super-resolution. Equal to Pillow's BICUBIC on bytes, which clips and rounds after
    each direction, rows first; its sums of whole numbers tip a pixel in thousands over to the next grey level.
    """
    height, width = images.shape[1] // factor, images.shape[2] // factor
    for size in ((images.shape[1], width), (height, width)):
        resized = bicubic(jnp.asarray(images, jnp.float32), *size)
        images = jnp.floor(jnp.clip(resized, 0, 255) + 0.5).astype(jnp.uint8)
    return images
