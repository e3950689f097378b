"""The distance between samples and the single image that a model has learned from."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np

from genjax.losses import perceptual
from genjax.metrics.frechet import frechet_distance

SIGHT = "relu2_2"
"""The layer of the network for drawn scenes that the distance is measured on."""


def single_image_frechet(samples: np.ndarray, image: np.ndarray) -> float:
    """Return the Frechet distance between the features at all places of each sample and of the image, averaged.

    As Shaham et al. 2019 (arXiv 1905.01164, section 3.2) define their SIFID, on features of a network for drawn scenes,
    so that values compare with each other alone. samples: float[count, ...], image: float[h, w, channels], in [-1, 1].
    """
    sight = perceptual.open_sight("scenes")
    weights = SimpleNamespace(memory={perceptual.MEMORY: sight.parameters})
    images = jnp.concatenate([jnp.asarray(image)[None], samples])
    (seen,) = jax.jit(lambda images: sight.maps(images, weights, (SIGHT,), True))(images)
    real, *drawn = (np.asarray(x).reshape(-1, x.shape[-1]) for x in seen)
    return float(np.mean([frechet_distance(real, x).distance for x in drawn]))
