"""StyleGAN (Karras et al. 2019, arXiv 1812.04948), the first version.

    python -m train.stylegan [preset] [options]

Presets
    small     drawn scenes, 8 and 16 pixels, 16 channels: minutes on two CPU cores
Published ones follow the authors' code (NVlabs/stylegan, train.py and training/networks_stylegan.py); --image-size 8,
16 ... 1024 gives their smaller networks
    paper     FFHQ (configuration F), 8 to 1024 pixels: logistic losses with R1 of weight 10, 600,000 images to
              stabilise and as many to fade in, 25 million in all; batches 256, 128, 64 and 32; Adam (1e-3, 0, 0.99),
              its rate 1.5, 2, 3 and 3 times as high at 128 to 1024 pixels; mirrored images; an average of the generator
              with a half-life of 10,000 images; published FID 4.40. A fifth of the 70,000 images is held out here
    celebahq  the same on CelebA-HQ with PGGAN's Wasserstein losses and rates of at most 2e-3; published FID 5.17

On the small preset neither control lowers the score: the layers' places in the network decide what they draw, mixed in
training or not. What mixing in training changes is how samples with mixed styles look: those whose last layer takes
another style are farther from test scenes than others ("mixing_cost") by -0.001, -0.002 and 0.013 (seeds 0 to 2), and
by 0.019, 0.016 and 0.027 without it (sliced Wasserstein distance, 2026-11-26).

Phases, --steps, batches and optimizers are as PGGAN's (`train.pggan`). Samples are truncated only where --truncation is
given (`eval.sample`), and scores are of samples without it.
"""

from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Annotated, Any, Literal

import jax

from genjax.data import Dataset
from genjax.data.ranges import TANH
from genjax.engine.state import State
from genjax.gans import stylegan
from genjax.latent import NORMAL
from genjax.losses.wasserstein import Penalties
from genjax.nn.styles import layers
from genjax.run.cli import main
from genjax.run.gan import square
from genjax.run.growth import GrowthOptions, Stage, adam_for, ema_of, enlarge, grown, prepare
from genjax.run.optimizers import Optimizer
from genjax.run.options import SHARE, above, at_least, check_uses
from genjax.run.run import Run, compute_type
from genjax.tasks.styles import Stylist, styled


@dataclass(frozen=True, kw_only=True)
class Hyper(GrowthOptions):
    """Options of the StyleGAN."""

    depth: Annotated[int, at_least(1)]
    """Dense layers of the mapping network."""
    mapping_rate: Annotated[float, above(0)]
    """Factor on the learning rate of the mapping network."""
    mixing: Annotated[float, SHARE]
    """Probability that a batch is drawn from two styles each, which cross over at a random layer."""
    noise: bool
    """Give every layer of the generator a noise image."""
    cutoff: Annotated[int, at_least(1)]
    """Layers that truncation acts on, the first ones; two for each resolution from 4 pixels on."""
    rate_factors: Annotated[tuple[float, ...], above(0)]
    """Factors on both learning rates at the first resolution, the next and so on, the last one for all that follow; 1
    if empty."""
    objective: Literal["logistic", "wasserstein"]
    """Non-saturating losses with the penalty R1, or Wasserstein losses with a gradient penalty and a drift penalty."""
    gamma: Annotated[float | None, at_least(0)]
    """Weight of the penalty R1, of the logistic objective."""
    weight: Annotated[float | None, at_least(0)]
    """Weight of the gradient penalty, of the Wasserstein objective."""
    drift: Annotated[float | None, at_least(0)]
    """Weight of the squared scores of images, of the Wasserstein objective."""


PAPER = Hyper(
    data="folder:ffhq", image_size=1024, steps=717_970, batch_size=256, batches=(256, 128, 64, 32), latent=512,
    generator_rate=1e-3, discriminator_rate=1e-3, rate_factors=(1.0, 1.0, 1.0, 1.0, 1.5, 2.0, 3.0, 3.0), beta1=0.0,
    beta2=0.99, base=8192, limit=512, first_size=8, first_images=600_000, fade_images=600_000, stable_images=600_000,
    depth=8, mapping_rate=0.01, mixing=0.9, noise=True, cutoff=8, objective="logistic", gamma=10.0, weight=None,
    drift=None, compare=True, half_life=10_000.0, ema=None, mirror=True, evaluate_every=20_000,
    checkpoint_every=20_000,
)  # fmt: skip
PRESETS = {
    "small": Hyper(
        data="scenes", image_size=16, steps=900, batch_size=16, batches=(), latent=16, generator_rate=3e-3,
        discriminator_rate=3e-3, rate_factors=(), beta1=0.0, beta2=0.99, base=8192, limit=16, first_size=8,
        first_images=6_400, fade_images=1_600, stable_images=6_400, depth=4, mapping_rate=0.01, mixing=0.9,
        noise=True, cutoff=4, objective="logistic", gamma=1.0, weight=None, drift=None, compare=True,
        half_life=2_200.0, ema=None, mirror=False, evaluate_every=450,
    ),
    "paper": PAPER,
    "celebahq": replace(
        PAPER, data="tfds:celeb_a_hq/1024", steps=717_970, batch_size=256, objective="wasserstein", gamma=None,
        weight=10.0, drift=1e-3, rate_factors=(1.0, 1.0, 1.0, 1.0, 1.5, 2.0, 2.0, 2.0),
    ),
}  # fmt: skip
SCORE = ("mixing", "how much more place and extent than colours follow the first four of six layers' styles, 1 at most")
CONTROLS = {"without mixing": ("--mixing", "0"), "without noise": ("--no-noise",)}
USES = {"logistic": ("gamma",), "wasserstein": ("weight", "drift")}


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the StyleGAN's run on `dataset`; ValueError for sizes out of doubling's reach, or options that collide."""
    check_uses(hyper, "objective", USES)
    size, channels = square(dataset), dataset.shape[-1]
    optimizers = {
        "generator": adam_for(hyper, hyper.generator_rate),
        "discriminator": adam_for(hyper, hyper.discriminator_rate),
    }
    if hyper.gamma is not None:
        objective = stylegan.logistic(hyper.gamma)
    else:
        assert hyper.weight is not None and hyper.drift is not None
        objective = stylegan.wasserstein(Penalties(hyper.weight, 1.0, hyper.drift))

    def at_level(own: Optimizer, level: int) -> Optimizer:
        factors = hyper.rate_factors or (1.0,)
        return own._replace(rate=own.rate * factors[min(level, len(factors) - 1)])

    def make(stage: Stage) -> Any:
        if hyper.compare and stage.batch % min(stylegan.GROUP, stage.batch):
            raise ValueError(
                f"a batch of {stage.batch} does not fall into groups of {stylegan.GROUP}, the images that the "
                f"discriminator compares; give multiples of {stylegan.GROUP}"
            )
        shared: dict[str, Any] = {"base": hyper.base, "limit": hyper.limit, "dtype": compute_type(hyper)}
        generator = stylegan.Generator(
            stage.size, channels, style=hyper.latent, depth=hyper.depth, rate=hyper.mapping_rate, **shared
        )
        discriminator = stylegan.Discriminator(stage.size, compare=hyper.compare, **shared)
        txs = {
            f"{player}_tx": at_level(own, stage.level).transformation(stage.steps) for player, own in optimizers.items()
        }
        game = stylegan.game(
            generator, discriminator, **txs, latent=hyper.latent, ema=ema_of(hyper, stage), fading=stage.fade,
            styling=stylegan.Styling(hyper.mixing, hyper.noise), objective=objective,
        )  # fmt: skip
        return game, generator

    run = grown(hyper, dataset, size, make)
    averaged = hyper.ema is not None or hyper.half_life is not None
    mapped = cache(lambda generator: jax.jit(partial(generator.apply, method="styles_of")))
    drawn = cache(lambda generator: jax.jit(partial(generator.apply, method="drawn")))

    def styles(state: State, latents: Any) -> jax.Array:
        _, generator, _ = run.at(state)
        w = mapped(generator)(state.variables_of("generator", ema=averaged), latents)
        return stylegan.repeated(w, layers(generator.size))

    def average(state: State) -> jax.Array:
        return state.variables["generator"]["average"]["w"]

    def noise(state: State, key: jax.Array, count: int) -> Any:
        return stylegan.noise_images(key, count, run.at(state)[0].size) if hyper.noise else None

    def draw(state: State, styles: Any, noise: Any) -> jax.Array:
        _, generator, alpha = run.at(state)
        variables = state.variables_of("generator", ema=averaged)
        return enlarge(drawn(generator)(variables, styles, noise, alpha), size)

    task = styled(
        Stylist(styles, average, noise, draw, hyper.cutoff), dataset=dataset, pixels=TANH, prior=NORMAL,
        latent=hyper.latent, prepare=partial(prepare, size, hyper.mirror),
    )  # fmt: skip
    return Run(run.phases, optimizers, task)


if __name__ == "__main__":
    raise SystemExit(main("stylegan"))
