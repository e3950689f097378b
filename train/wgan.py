"""WGAN (Arjovsky et al. 2017, arXiv 1701.07875).

    python -m train.wgan [preset] [options]

Presets
    small   the ring of eight Gaussians, dense networks; weights within 0.1 and rate 1e-3, since with the paper's values
            nothing happens in minutes on such small networks: about a minute on two CPU cores
    paper   64 pixels of LSUN bedrooms, from the authors' code (martinarjovsky/WassersteinGAN, main.py): DCGAN's
            networks (width 64, 4x4 kernels, no biases), weights within 0.01, RMSProp 5e-5 as in PyTorch, batch 64, five
            critic steps a step, 100 in the first 25 steps and in every 500th, 25 passes over the images
    no_batch_norm  the same with the code's generator without batch norm; its critic keeps it
    mlp_generator  the same with three hidden layers of 512 ReLU as generator
    mlp     the same in both networks
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import jax

from genjax.data import Dataset
from genjax.gans import dcgan, gan, wgan
from genjax.latent import NORMAL
from genjax.nn.initializers import TORCH
from genjax.run.cli import main
from genjax.run.gan import BetaOptions, GanOptions, adam_or, gan_run, identity, output_of, square
from genjax.run.optimizers import rmsprop
from genjax.run.options import Limits, at_least, check_uses, steps_of
from genjax.run.run import Run, compute_type

MANY = 100
"""Moves of the critic in a step of the warm-up, or of a burst."""
USES = {
    "dense": (),
    "convolutional": ("width",),
    "unnormalised": ("width",),
    "mlp-generator": ("width",),
    "mlp": (),
}


@dataclass(frozen=True, kw_only=True)
class Hyper(GanOptions, BetaOptions):
    """Options of the WGAN."""

    networks: Literal["dense", "convolutional", "unnormalised", "mlp-generator", "mlp"]
    """Two layers of 64 units each; DCGAN's networks; these without the generator's batch norm; with three layers of 512
    units as generator; or such in both."""
    width: Annotated[int | None, at_least(1)] = None
    """Channels of DCGAN's networks at half the image's size; not for dense ones."""
    limit: Annotated[float, Limits(above=0, infinite=True)]
    """Largest absolute value of a critic's weight; inf for no clipping."""
    critic_steps: Annotated[int, at_least(1)]
    """Moves of the critic in a step."""
    warm_up: Annotated[int, at_least(0)]
    """Steps at the start with 100 moves of the critic each."""
    burst_every: Annotated[int | None, at_least(1)]
    """Number of steps after which one has 100 moves of the critic again; never if not given."""


PAPER = Hyper(
    data="tfds:lsun/bedroom", image_size=64, steps=227_862, batch_size=64, latent=100, generator_rate=5e-5,
    discriminator_rate=5e-5, networks="convolutional", width=64, limit=0.01, critic_steps=5, warm_up=25,
    burst_every=500, ema=None, evaluate_every=5000, checkpoint_every=5000,
)  # fmt: skip
PRESETS = {
    "small": Hyper(
        data="mixture:ring", steps=3000, batch_size=128, latent=8, generator_rate=1e-3, discriminator_rate=1e-3,
        networks="dense", limit=0.1, critic_steps=5, warm_up=25, burst_every=None, ema=None,
        evaluate_every=500,
    ),
    "paper": PAPER,
    "no_batch_norm": replace(PAPER, networks="unnormalised"),
    "mlp_generator": replace(PAPER, networks="mlp-generator"),
    "mlp": replace(PAPER, networks="mlp", width=None),
}  # fmt: skip
SCORE = ("overlap", "overlap of samples with equal shares of the ring's 8 modes, 1 at most")
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


def length(hyper: Hyper, images: int) -> list[tuple[bool, int]]:
    """Return the stretches of a run: of --steps, or of as many as read --epochs over the images, bursts included."""
    if hyper.steps is not None:
        return schedule(steps_of(hyper, images), hyper.warm_up, hyper.burst_every)
    batches = steps_of(hyper, images)
    longest = schedule(batches, hyper.warm_up, hyper.burst_every)
    kept = []
    for often, count in longest:
        read = MANY if often else hyper.critic_steps
        kept.append((often, min(count, -(-batches // read))))
        batches -= kept[-1][1] * read
        if batches <= 0:
            break
    return kept


def networks(hyper: Hyper, dataset: Dataset) -> tuple[Any, Any]:
    """Return generator and critic as the options choose them."""
    check_uses(hyper, "networks", USES)
    dtype, shape = compute_type(hyper), dataset.shape
    if hyper.networks == "dense":
        generator = gan.Generator((64, 64), shape, output=output_of(dataset), dtype=dtype)
        return generator, gan.Discriminator((64, 64), activation=jax.nn.relu, dtype=dtype)
    layers: dict[str, Any] = {"hidden": (512,) * 3, "initializer": TORCH, "dtype": dtype}
    multilayer = gan.Generator(image_shape=shape, output=identity, **layers)  # no tanh, as in the code
    if hyper.networks == "mlp":
        return multilayer, gan.Discriminator(activation=jax.nn.relu, **layers)
    shared: dict[str, Any] = {"size": square(dataset), "width": hyper.width, "dtype": dtype}
    if hyper.networks == "mlp-generator":
        return multilayer, dcgan.Discriminator(**shared)
    batch_norm = hyper.networks == "convolutional"
    return dcgan.Generator(channels=shape[-1], batch_norm=batch_norm, **shared), dcgan.Discriminator(**shared)


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the WGAN's run on `dataset`."""
    stretches = length(hyper, len(dataset.train))
    generator, critic = networks(hyper, dataset)
    moves = {
        "generator": sum(count for _, count in stretches),
        "critic": sum(count * (MANY if often else hyper.critic_steps) for often, count in stretches),
    }
    optimizers = {
        player: adam_or(hyper, rate, rmsprop(rate))
        for player, rate in (("generator", hyper.generator_rate), ("critic", hyper.discriminator_rate))
    }
    generator_tx, critic_tx = (optimizers[player].transformation(moves[player]) for player in ("generator", "critic"))

    def make(critic_steps):
        return wgan.game(
            generator, critic, generator_tx=generator_tx, critic_tx=critic_tx, image_shape=dataset.shape,
            latent=hyper.latent, critic_steps=critic_steps, limit=hyper.limit, ema=hyper.ema,
        )  # fmt: skip

    many, few = make(MANY), make(hyper.critic_steps)
    games = [(many if often else few, count) for often, count in stretches]
    return gan_run(hyper, dataset, games, generator=generator, prior=NORMAL, optimizers=optimizers)


if __name__ == "__main__":
    raise SystemExit(main("wgan"))
