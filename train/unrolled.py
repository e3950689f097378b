"""Unrolled GAN (Metz et al. 2017, arXiv 1611.02163).

    python -m train.unrolled [preset] [options]

Presets
    small   the ring of eight Gaussians, 10 steps of look-ahead, batch 128, Adam 1e-3: a minute or two on two CPU cores;
            with --look-ahead 0 no seed is on a mode by then (0, 0 and 0 of 8, against 7, 4 and 3, for seeds 0 to 2)
    paper   the same ring, from the paper's appendix A: latent 256, layers of 128 units, batch 512, Adam 1e-4, 25,000
            steps (the width of the discriminator's layer is not stated there)
    notebook  from the authors' notebook (poolio/unrolled_gan): tanh, two layers in the discriminator too, the
            generator's rate 1e-3, 5 steps of look-ahead. On this ring; theirs has radius 1 and deviation 0.01, and one
            of its eight centres there twice
In all of them the discriminator's Adam has its epsilon of 1e-16 inside the root, theirs 1e-8 outside.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from flax import linen as nn

from genjax.data import Dataset
from genjax.gans import gan, unrolled
from genjax.latent import NORMAL
from genjax.nn.initializers import GLOROT, Initializer
from genjax.run.cli import main
from genjax.run.gan import AdamOptions, GanOptions, adam_of, gan_run, output_of
from genjax.run.options import above, at_least, steps_of
from genjax.run.run import Run, compute_type

ACTIVATIONS = {"relu": nn.relu, "tanh": nn.tanh}


@dataclass(frozen=True, kw_only=True)
class Hyper(GanOptions, AdamOptions):
    """Options of the unrolled GAN."""

    look_ahead: Annotated[int, at_least(0)]
    """Steps of the discriminator's optimizer that the generator foresees; 0 for none."""
    units: Annotated[int, at_least(1)]
    """Units of each hidden layer."""
    layers: Annotated[int, at_least(1)]
    """Hidden layers of the discriminator; the generator has two."""
    activation: Literal["relu", "tanh"]
    """Function between the layers."""
    gain: Annotated[float, above(0)]
    """Gain of the orthogonal initialisation."""
    scale: Annotated[float, above(0)]
    """Number by which the discriminator multiplies points."""


PRESETS = {
    "small": Hyper(
        data="mixture:ring", steps=3000, batch_size=128, latent=32, generator_rate=1e-3, discriminator_rate=1e-3,
        beta1=0.5, beta2=0.999, decay_from=None, look_ahead=10, units=64, layers=1, activation="relu", gain=0.8,
        scale=0.25, ema=None, evaluate_every=500,
    ),
    "paper": Hyper(
        data="mixture:ring", steps=25_000, batch_size=512, latent=256, generator_rate=1e-4, discriminator_rate=1e-4,
        beta1=0.5, beta2=0.999, decay_from=None, look_ahead=10, units=128, layers=1, activation="relu", gain=0.8,
        scale=0.25, ema=None, evaluate_every=5000,
    ),
    "notebook": Hyper(
        data="mixture:ring", steps=25_000, batch_size=512, latent=256, generator_rate=1e-3, discriminator_rate=1e-4,
        beta1=0.5, beta2=0.999, decay_from=None, look_ahead=5, units=128, layers=2, activation="tanh", gain=1.4,
        scale=1.0, ema=None, evaluate_every=5000,
    ),
}  # fmt: skip
SCORE = ("overlap", "overlap of samples with equal shares of the ring's 8 modes, 1 at most")
CONTROLS = {"without look-ahead": ("--look-ahead", "0")}


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the unrolled GAN's run on `dataset`; ValueError for an optimizer that cannot be looked through."""
    if hyper.look_ahead and hyper.optimizer not in ("own", "sgd", "momentum"):
        raise ValueError(
            f"--optimizer {hyper.optimizer} has a square root whose derivative is infinite at 0, and the look-ahead "
            "differentiates it; use own, sgd or momentum, or --look-ahead 0"
        )
    steps = steps_of(hyper, len(dataset.train))
    layers: dict[str, Any] = {
        "activation": ACTIVATIONS[hyper.activation],
        "initializer": Initializer(nn.initializers.orthogonal(hyper.gain), GLOROT.bias),
        "dtype": compute_type(hyper),
    }
    generator = gan.Generator((hyper.units,) * 2, dataset.shape, output=output_of(dataset), **layers)
    discriminator = gan.Discriminator((hyper.units,) * hyper.layers, scale=hyper.scale, **layers)
    optimizers = {
        "generator": adam_of(hyper, hyper.generator_rate),
        # The look-ahead differentiates Adam's square root, so its epsilon stands inside it.
        "discriminator": adam_of(hyper, hyper.discriminator_rate, eps=0.0, eps_root=1e-16),
    }
    game = unrolled.game(
        generator, discriminator, generator_tx=optimizers["generator"].transformation(steps),
        discriminator_tx=optimizers["discriminator"].transformation(steps), image_shape=dataset.shape,
        latent=hyper.latent, steps=hyper.look_ahead, ema=hyper.ema,
    )  # fmt: skip
    return gan_run(hyper, dataset, [(game, steps)], generator=generator, prior=NORMAL, optimizers=optimizers)


if __name__ == "__main__":
    raise SystemExit(main("unrolled"))
