"""PGGAN (Karras et al. 2018, arXiv 1710.10196).

    python -m train.pggan [preset] [options]

Presets
    small     embedded digits, 4 to 16 pixels, 24 channels: minutes on two CPU cores
Published ones follow the authors' Theano code (tkarras/progressive_growing_of_gans, branch original-theano-version,
config.py), with which the paper's results were made
    paper     section 6.3: CelebA-HQ, 4 to 1024 pixels: 800,000 images a phase, 19 million in all, Adam (1e-3, 0, 0.99)
              rising over the first 40,000 images, batch 16 up to 128 pixels, then 14, 6 and 3, mirrored images;
              published FID 7.30. A fifth of the 30,000 images is held out here for the scores
    cifar10   section 6.5: 128 channels everywhere, latent 128, gradient norm 750, 400,000 images a phase, 20 million in
              all, both networks moving at once, no rise of the rate; published inception score 8.80 +- 0.05
    lsun      section 6.4: LSUN bedrooms, 4 to 256 pixels, 20 million images, batch 16; published FID 8.34

A resolution has two phases, fading in and stabilising; a phase's batch is a number of --batches. --steps counts all
phases: the last takes what the others leave, and a run of few steps ends before it is grown. Optimizers start afresh in
every phase, as there. Samples of a smaller resolution are enlarged, by copying pixels, to the size of the data.
"""

from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Annotated, Any

import jax
import jax.numpy as jnp

from genjax.data import Dataset
from genjax.data.ranges import TANH
from genjax.engine.state import State
from genjax.gans import pggan
from genjax.latent import NORMAL
from genjax.losses.wasserstein import Penalties
from genjax.run.cli import main
from genjax.run.gan import square
from genjax.run.growth import DRAWN, GrowthOptions, Stage, adam_for, ema_of, enlarge, grown, prepare
from genjax.run.optimizers import Optimizer, ramp
from genjax.run.options import above, at_least
from genjax.run.run import Run, compute_type
from genjax.tasks.generation import Generation


@dataclass(frozen=True, kw_only=True)
class Hyper(GrowthOptions):
    """Options of the PGGAN."""

    ramp_images: Annotated[int, at_least(0)]
    """Images at the start of the training over which learning rates rise; 0 for none."""
    weight: Annotated[float, at_least(0)]
    """Weight of the gradient penalty, over the target's square."""
    drift: Annotated[float, at_least(0)]
    """Weight of the squared scores of images."""
    target: Annotated[float, above(0)]
    """Norm of the gradient that the penalty asks for."""
    simultaneous: bool
    """Move both players at once, from the same batch, latent and parameters."""


PAPER = Hyper(
    data="tfds:celeb_a_hq/1024", image_size=1024, steps=3_264_286, batch_size=16,
    batches=(16, 16, 16, 16, 16, 16, 14, 6, 3), latent=512, generator_rate=1e-3, discriminator_rate=1e-3, beta1=0.0,
    beta2=0.99, base=8192, limit=512, first_size=4, first_images=800_000, fade_images=800_000, stable_images=800_000,
    ramp_images=40_000, weight=10.0, target=1.0, drift=1e-3, compare=True, simultaneous=False, half_life=None,
    ema=0.999, mirror=True, evaluate_every=20_000, checkpoint_every=20_000,
)  # fmt: skip
PRESETS = {
    "small": Hyper(
        image_size=16, steps=1600, batch_size=32, batches=(), latent=24, generator_rate=3e-3, discriminator_rate=3e-3,
        beta1=0.0, beta2=0.99, base=8192, limit=24, first_size=4, first_images=12_800, fade_images=4_800,
        stable_images=6_400, ramp_images=0, weight=10.0, target=1.0, drift=1e-3, compare=True, simultaneous=False,
        half_life=2_200.0, ema=None, mirror=False, evaluate_every=400,
    ),
    "paper": PAPER,
    "cifar10": replace(
        PAPER, data="tfds:cifar10", image_size=None, steps=1_250_000, batches=(), latent=128, base=4096, limit=128,
        first_images=400_000, fade_images=400_000, stable_images=400_000, ramp_images=0, target=750.0,
        simultaneous=True, mirror=False,
    ),
    "lsun": replace(
        PAPER, data="tfds:lsun/bedroom", image_size=256, steps=1_250_000, batches=(), mirror=False,
    ),
}  # fmt: skip
SCORE = ("sliced_wasserstein", "sliced Wasserstein distance to test digits at 16 pixels")
CONTROLS = {"without growth": ("--first-size", "16")}


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the PGGAN's run on `dataset`; ValueError for sizes out of doubling's reach, or options that collide."""
    size, channels = square(dataset), dataset.shape[-1]
    optimizers = {
        player: adam_for(hyper, rate)
        for player, rate in (("generator", hyper.generator_rate), ("critic", hyper.discriminator_rate))
    }

    def rising(player: str, shown: int, batch: int) -> Optimizer:
        own = optimizers[player]
        return own._replace(decay=ramp(shown, batch, hyper.ramp_images)) if shown < hyper.ramp_images else own

    def make(stage: Stage) -> Any:
        shared: dict[str, Any] = {"base": hyper.base, "limit": hyper.limit, "dtype": compute_type(hyper)}
        generator = pggan.Generator(stage.size, channels, **shared)
        critic = pggan.Critic(stage.size, compare=hyper.compare, **shared)
        txs = {
            f"{player}_tx": rising(player, stage.shown, stage.batch).transformation(stage.steps)
            for player in optimizers
        }
        game = pggan.game(
            generator, critic, **txs, latent=hyper.latent, ema=ema_of(hyper, stage), fading=stage.fade,
            penalties=Penalties(hyper.weight, hyper.target, hyper.drift), simultaneous=hyper.simultaneous,
        )  # fmt: skip
        return game, generator

    run, compiled = grown(hyper, dataset, size, make), cache(lambda generator: jax.jit(generator.apply))
    averaged = hyper.ema is not None or hyper.half_life is not None

    def draw(state: State, latents: Any, labels: Any = None) -> jax.Array:
        _, generator, alpha = run.at(state)
        apply, variables = compiled(generator), state.variables_of("generator", ema=averaged)
        parts = [latents[start : start + DRAWN] for start in range(0, len(latents), DRAWN)]
        return jnp.concatenate([enlarge(apply(variables, part, alpha=alpha), size) for part in parts])

    task = Generation(
        dataset=dataset, pixels=TANH, prior=NORMAL, latent=hyper.latent, draw=draw,
        prepare=partial(prepare, size, hyper.mirror),
    )  # fmt: skip
    told = {player: rising(player, 0, hyper.batch_size) for player in optimizers}
    return Run(run.phases, told, task)


if __name__ == "__main__":
    raise SystemExit(main("pggan"))
