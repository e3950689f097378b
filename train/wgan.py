"""WGAN (Arjovsky et al. 2017, arXiv 1701.07875).

    python -m train.wgan [preset] [options]

Presets
    small   the ring of eight Gaussians, dense networks; weights within 0.1 and rate 1e-3, since with the paper's values
            nothing happens in minutes on such small networks: about a minute on two CPU cores
    paper   64 pixels of LSUN bedrooms, DCGAN's networks (width 64), weights within 0.01, RMSProp 5e-5, batch 64, five
            critic steps a step, 100 in the first 25 steps and in every 500th (the authors' code; not in the text)
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import jax

from genjax.data import Dataset
from genjax.gans import dcgan, gan, wgan
from genjax.latent import NORMAL
from genjax.run.cli import main
from genjax.run.gan import GanOptions, gan_run, output_of, square
from genjax.run.optimizers import for_run, rmsprop
from genjax.run.options import Limits, at_least, steps_of
from genjax.run.run import Run, compute_type


@dataclass(frozen=True, kw_only=True)
class Hyper(GanOptions):
    """Options of the WGAN."""

    networks: Literal["dense", "convolutional"]
    """Two layers of 64 units each, or DCGAN's networks."""
    width: Annotated[int, at_least(1)]
    """Channels of DCGAN's networks at half the image's size."""
    limit: Annotated[float, Limits(above=0, infinite=True)]
    """Largest absolute value of a critic's weight; inf for no clipping."""
    critic_steps: Annotated[int, at_least(1)]
    """Moves of the critic in a step."""
    warm_up: Annotated[int, at_least(0)]
    """Steps at the start with 100 moves of the critic each."""
    burst_every: Annotated[int | None, at_least(1)]
    """Number of steps after which one has 100 moves of the critic again; never if not given."""


PRESETS = {
    "small": Hyper(
        data="mixture:ring", steps=3000, batch_size=128, latent=8, generator_rate=1e-3, discriminator_rate=1e-3,
        networks="dense", width=64, limit=0.1, critic_steps=5, warm_up=25, burst_every=None, ema=None,
        evaluate_every=500,
    ),
    "paper": Hyper(
        data="tfds:lsun/bedroom", image_size=64, steps=200_000, batch_size=64, latent=100, generator_rate=5e-5,
        discriminator_rate=5e-5, networks="convolutional", width=64, limit=0.01, critic_steps=5, warm_up=25,
        burst_every=500, ema=None, evaluate_every=5000, checkpoint_every=5000,
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
    steps, dtype = steps_of(hyper, len(dataset.train)), compute_type(hyper)
    generator: Any
    critic: Any
    if hyper.networks == "convolutional":
        shared: dict[str, Any] = {"size": square(dataset), "width": hyper.width, "dtype": dtype}
        generator = dcgan.Generator(channels=dataset.shape[-1], **shared)
        critic = dcgan.Discriminator(**shared)
    else:
        generator = gan.Generator((64, 64), dataset.shape, output=output_of(dataset), dtype=dtype)
        critic = gan.Discriminator((64, 64), activation=jax.nn.relu, dtype=dtype)
    optimizers = {
        "generator": for_run(rmsprop(hyper.generator_rate), hyper),
        "critic": for_run(rmsprop(hyper.discriminator_rate), hyper),
    }
    generator_tx = optimizers["generator"].transformation(steps)
    critic_tx = optimizers["critic"].transformation(steps * hyper.critic_steps)

    def make(critic_steps):
        return wgan.game(
            generator, critic, generator_tx=generator_tx, critic_tx=critic_tx, image_shape=dataset.shape,
            latent=hyper.latent, critic_steps=critic_steps, limit=hyper.limit, ema=hyper.ema,
        )  # fmt: skip

    many, few = make(100), make(hyper.critic_steps)
    games = [(many if often else few, count) for often, count in schedule(steps, hyper.warm_up, hyper.burst_every)]
    return gan_run(hyper, dataset, games, generator=generator, prior=NORMAL, optimizers=optimizers)


if __name__ == "__main__":
    raise SystemExit(main("wgan"))
