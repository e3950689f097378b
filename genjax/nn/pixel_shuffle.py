"""Sub-pixel growth: channels become pixels, so that a network grows its maps after its convolutions, not before."""

import jax


def pixel_shuffle(x: jax.Array, factor: int) -> jax.Array:
    """Return float[b, factor height, factor width, channels / factor^2] of x, float[b, height, width, channels].

    Output pixel (factor i + a, factor j + b) of channel c is channel (c factor + a) factor + b of input pixel (i, j),
    which is PyTorch's order. Source: Shi et al. 2016, arXiv 1609.05158, equation 4. ValueError where `factor`^2 does
    not divide the channels.
    """
    batch, height, width, channels = x.shape
    if channels % factor**2:
        raise ValueError(f"{channels} channels cannot become {factor} x {factor} pixels; use a multiple of {factor**2}")
    x = x.reshape(batch, height, width, channels // factor**2, factor, factor)
    return x.transpose(0, 1, 4, 2, 5, 3).reshape(batch, factor * height, factor * width, channels // factor**2)
