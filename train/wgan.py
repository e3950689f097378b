"""WGAN (Arjovsky et al. 2017, arXiv 1701.07875).

    python -m train.wgan [preset] [options]

Presets
    small   the ring of eight Gaussians, dense networks; weights within 0.1 and rate 1e-3, since with the paper's values
            nothing happens in minutes on such small networks: about a minute on two CPU cores
    paper   64 pixels of LSUN bedrooms, DCGAN's networks (width 64), weights within 0.01, RMSProp 5e-5, batch 64, five
            critic steps a step, 100 in the first 25 steps and in every 500th (the authors' code; not in the text)
"""

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax
import optax

from genjax.data import Dataset
from genjax.gans import dcgan, gan, wgan
from train import _gan as shared
from train import _optimizer
from train._cli import Run, main, steps_of


@dataclass(frozen=True)
class Hyper(shared.Hyper):
    """Options of the WGAN."""

    networks: Literal["dense", "convolutional"] = "dense"
    """Two layers of 64 units each, or DCGAN's."""
    width: int = 64
    """Channels of DCGAN's networks at half the image's size."""
    limit: float = 0.1
    """Every weight of the critic stays within plus and minus this."""
    critic_steps: int = 5
    """Critic steps a step."""
    warm_up: int = 25
    """Steps at the start with 100 critic steps each."""
    burst_every: int | None = None
    """Every so many steps, one with 100 critic steps."""


SMALL = Hyper(
    data="mixture:ring", steps=3000, batch_size=128, latent=8, generator_rate=1e-3, discriminator_rate=1e-3,
    evaluate_every=500,
)  # fmt: skip
PRESETS = {
    "small": SMALL,
    "paper": dataclasses.replace(
        SMALL, data="tfds:lsun/bedroom", image_size=64, steps=200_000, batch_size=64, latent=100, generator_rate=5e-5,
        discriminator_rate=5e-5, networks="convolutional", limit=0.01, burst_every=500,
        evaluate_every=5000, checkpoint_every=5000,
    ),
}  # fmt: skip


SCORE = ("modes", "covered modes of the ring's 8")
CONTROLS = {"without clipping": ("--limit", "inf")}


def schedule(steps: int, warm_up: int, burst_every: int | None) -> list[tuple[bool, int]]:
    """Return stretches (whether the critic moves often, steps): in the first `warm_up` steps and every so many."""
    first = min(warm_up, steps)
    stretches, at = [(True, first)], first
    for burst in range(burst_every, steps, burst_every) if burst_every else ():
        if burst >= at:
            stretches += [(False, burst - at), (True, 1)]
            at = burst + 1
    return [(often, count) for often, count in (*stretches, (False, steps - at)) if count]


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the WGAN's run on `dataset`."""
    steps, dtype = steps_of(hyper, len(dataset.train)), shared.dtype(hyper)
    pixels = shared.PLANE if shared.is_plane(dataset) else shared.TANH
    generator: Any
    critic: Any
    if hyper.networks == "convolutional":
        size = shared.square(dataset)
        generator = dcgan.Generator(size, dataset.shape[-1], hyper.width, dtype=dtype)
        critic = dcgan.Discriminator(size, hyper.width, dtype=dtype)
    else:
        generator = gan.Generator((64, 64), dataset.shape, output=pixels.output, dtype=dtype)
        critic = gan.Discriminator((64, 64), activation=jax.nn.relu, dtype=dtype)
    rates = (hyper.generator_rate, hyper.discriminator_rate)
    generator_tx, critic_tx = (
        _optimizer.optimizer(hyper, rate, steps * moves, partial(optax.rmsprop, decay=0.99))
        for rate, moves in zip(rates, (1, hyper.critic_steps), strict=True)
    )

    def make(critic_steps):
        return wgan.game(
            generator, critic, generator_tx, critic_tx, dataset.shape, hyper.latent, critic_steps, hyper.limit,
            ema=hyper.ema,
        )  # fmt: skip

    many, few = make(100), make(hyper.critic_steps)
    games = [(many if often else few, count) for often, count in schedule(steps, hyper.warm_up, hyper.burst_every)]
    texts = {
        "generator": _optimizer.text(hyper, rates[0], "rmsprop({rate}, 0.99)"),
        "critic": f"{_optimizer.text(hyper, rates[1], 'rmsprop({rate}, 0.99)')}, within {hyper.limit:g}",
    }
    return shared.build(hyper, dataset, games, generator, jax.random.normal, texts, pixels)


if __name__ == "__main__":
    raise SystemExit(main("wgan", PRESETS, build))
