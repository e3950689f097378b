"""Is the latent used? Active units, and an alarm for a posterior that has collapsed onto the prior."""

from typing import NamedTuple

import jax
import jax.numpy as jnp


def active_units(means: jax.Array, threshold: float = 0.01) -> jax.Array:
    """Return bool[latent]: where the posterior's mean varies over images, Var_x(E_q(z|x)[z]) > threshold.

    means: float[images, latent], of 1,000 images or more; a latent that is ignored has variance near 0.
    Source: Burda et al. 2016, arXiv 1509.00519, section 5.3.
    """
    return jnp.var(means, axis=0) > threshold


def mean_image_nll(images: jax.Array) -> jax.Array:
    """Return the nats per image of the best constant Bernoulli prediction, the mean image: sum of pixels' entropies.

    The floor of a decoder that ignores its latent. images: float[count, height, width, channels] in [0, 1].
    """
    mean = jnp.mean(images, axis=0)
    return -jnp.sum(jax.scipy.special.xlogy(mean, mean) + jax.scipy.special.xlog1py(1 - mean, -mean))


class Collapse(NamedTuple):
    """Three independent signs of a collapsed posterior, with the numbers they rest on (nats per image)."""

    kl: float
    active: int
    nll: float
    floor: float

    @property
    def signs(self) -> dict[str, bool]:
        """KL below 0.01 nats; no active unit; reconstruction no better than 97 % of the mean image's."""
        return {
            "the KL is nearly 0": self.kl < 0.01,
            "no latent unit is active": self.active == 0,
            "reconstruction is that of the mean image": self.nll > 0.97 * self.floor,
        }

    @property
    def collapsed(self) -> bool:
        """At least two of the three signs: one alone also occurs in a model that has only just begun to learn."""
        return sum(self.signs.values()) >= 2

    @property
    def message(self) -> str:
        """Return one sentence: what was seen, and the cure where it is needed."""
        numbers = f"KL {self.kl:.3g}, {self.active} active units, NLL {self.nll:.1f} (mean image: {self.floor:.1f})"
        if not self.collapsed:
            return f"The latent is in use: {numbers}."
        seen = "; ".join(sign for sign, shown in self.signs.items() if shown)
        return (
            f"The posterior has collapsed ({seen}): {numbers}. Sum the reconstruction over pixels and the KL over "
            "latents, lower beta, or raise it from 0 by a warm-up."
        )


def collapse_alarm(means: jax.Array, kl: jax.Array, nll: jax.Array, images: jax.Array) -> Collapse:
    """Return the three signs for a set of images.

    means: float[images, latent] of q(z|x).  kl, nll: float[images] in nats, nll with a drawn z.
    images: float[images, height, width, channels] in [0, 1], from which the floor follows.
    """
    return Collapse(
        kl=float(jnp.mean(kl)),
        active=int(jnp.sum(active_units(means))),
        nll=float(jnp.mean(nll)),
        floor=float(mean_image_nll(images)),
    )
