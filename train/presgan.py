"""PresGAN (Dieng et al. 2019, arXiv 1910.04302).

    python -m train.presgan [preset] [options]

Presets; "code" is the authors' (adjidieng/PresGANs, main.py and train.py)
    small    the ring of eight Gaussians, two dense layers of 64 units in each network: under a minute on two CPU cores;
             without the entropy it is --weight 0; --data digits with --image-size 8 serves too; our own
    stacked  1,000 modes: three embedded digits of 8 pixels in a picture, whose covered modes `eval.scores` counts; our
             own. The paper's are of MNIST at 64 pixels
    paper    CIFAR-10 brought to 64 pixels, code: networks of DCGAN with width 64, Adam (2e-4, 0.5, 0.999) for mu, sigma
             and D alike, batch 64, 1,000 epochs, entropy weight 0.01, five leaps, two transitions of burn-in and two
             kept, first step 1 / latent, acceptance 0.67. sigma in [0.01, 0.3] is the code's too, where it has to be
             asked for; the paper's weight of every data set could not be found out
    celeba   the same on CelebA, on which the paper reports and which the code does not load
`--prior-only` gives the authors' chains, which do not see the likelihood's gradient; see `genjax.gans.presgan`, which
tells what else differs. `eval.density` draws sigma and estimates log p(x).
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import jax

from genjax.data import Dataset
from genjax.gans import dcgan, gan, presgan
from genjax.hmc import Chains
from genjax.latent import NORMAL
from genjax.run.cli import main
from genjax.run.gan import AdamOptions, GanOptions, adam_of, gan_run, output_of, square
from genjax.run.options import above, at_least, check_uses, steps_of
from genjax.run.run import Run, compute_type

USES = {"dense": ("units",), "convolutional": ("width",)}


@dataclass(frozen=True, kw_only=True)
class Hyper(GanOptions, AdamOptions):
    """Options of the PresGAN."""

    weight: Annotated[float, at_least(0)]
    """Weight of the entropy, lambda; 0 for none, and then no chains."""
    networks: Literal["dense", "convolutional"]
    """Two dense layers in each network, or those of DCGAN."""
    units: Annotated[int | None, at_least(1)] = None
    """Units of the dense layers."""
    width: Annotated[int | None, at_least(1)] = None
    """Channels of DCGAN's networks at half the image's size; twice as many at each halving from there."""
    sigma_rate: Annotated[float, above(0)]
    """Learning rate of the noise's scale."""
    sigma_start: Annotated[float, above(0)]
    """First scale of the noise."""
    sigma_min: Annotated[float | None, above(0)]
    """Smallest scale of the noise; no bound if not given."""
    sigma_max: Annotated[float | None, above(0)]
    """Largest scale of the noise; no bound if not given."""
    burn_in: Annotated[int, at_least(1)]
    """Transitions of a chain that adapt its step size and are thrown away."""
    samples: Annotated[int, at_least(1)]
    """Transitions of a chain whose ends are kept."""
    leaps: Annotated[int, at_least(1)]
    """Leaps of a transition."""
    step_size: Annotated[float, above(0)]
    """Size of the first leap; it is then adapted to an acceptance of 0.67."""
    prior_only: bool = False
    """Let chains follow the prior's gradient alone, as the authors' code does."""


PAPER = Hyper(
    data="tfds:cifar10", image_size=64, epochs=1000, batch_size=64, latent=100, weight=0.01, networks="convolutional",
    width=64, generator_rate=2e-4, discriminator_rate=2e-4, sigma_rate=2e-4, beta1=0.5, beta2=0.999, decay_from=None,
    sigma_start=0.3133, sigma_min=0.01, sigma_max=0.3, burn_in=2, samples=2, leaps=5, step_size=0.01, ema=None,
    evaluate_every=5000, checkpoint_every=5000,
)  # fmt: skip
PRESETS = {
    "small": Hyper(
        data="mixture:ring", steps=1500, batch_size=128, latent=10, weight=0.1, networks="dense", units=64,
        generator_rate=1e-3, discriminator_rate=1e-3, sigma_rate=1e-3, beta1=0.5, beta2=0.999, decay_from=None,
        sigma_start=0.3, sigma_min=0.01, sigma_max=0.3, burn_in=2, samples=2, leaps=5, step_size=0.1, ema=None,
        evaluate_every=750,
    ),
    "paper": PAPER,
    "celeba": replace(PAPER, data="tfds:celeb_a"),
    "stacked": Hyper(
        data="stacked", steps=1500, batch_size=64, latent=32, weight=0.01, networks="dense", units=128,
        generator_rate=1e-3, discriminator_rate=1e-3, sigma_rate=1e-3, beta1=0.5, beta2=0.999, decay_from=None,
        sigma_start=0.1, sigma_min=0.01, sigma_max=0.3, burn_in=2, samples=2, leaps=5, step_size=0.1, ema=None,
        evaluate_every=1500,
    ),
}  # fmt: skip
SCORE = ("mode_divergence", "divergence of the ring's modes from equal shares, nats")
CONTROLS = {"without entropy": ("--weight", "0")}


def networks(hyper: Hyper, dataset: Dataset) -> tuple[Any, Any, presgan.Noise]:
    """Return generator, discriminator and noise as the options choose them."""
    given, dtype = check_uses(hyper, "networks", USES), compute_type(hyper)
    least, most = hyper.sigma_min, hyper.sigma_max
    if least is not None and most is not None and least > most:
        raise ValueError(f"--sigma-min {least} is above --sigma-max {most}; exchange them")
    noise = presgan.Noise(*dataset.shape[:2], hyper.sigma_start, least, most)
    if hyper.networks == "dense":
        hidden = (given.units, given.units)
        generator = gan.Generator(hidden, dataset.shape, output=output_of(dataset), dtype=dtype)
        return generator, gan.Discriminator(hidden, activation=jax.nn.relu, dtype=dtype), noise
    shared: dict[str, Any] = {"size": square(dataset), "width": given.width, "dtype": dtype}
    return dcgan.Generator(channels=dataset.shape[-1], **shared), dcgan.Discriminator(**shared), noise


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the PresGAN's run on `dataset`; ValueError for options that do nothing or contradict each other."""
    if hyper.prior_only and not hyper.weight:
        raise ValueError("--prior-only does nothing without chains, which --weight 0 leaves out; leave out one of them")
    steps = steps_of(hyper, len(dataset.train))
    generator, discriminator, noise = networks(hyper, dataset)
    rates = {"generator": hyper.generator_rate, "discriminator": hyper.discriminator_rate, "noise": hyper.sigma_rate}
    optimizers = {name: adam_of(hyper, rate) for name, rate in rates.items()}
    game = presgan.game(
        generator, discriminator, noise,
        **{f"{name}_tx": optimizer.transformation(steps) for name, optimizer in optimizers.items()},
        image_shape=dataset.shape, latent=hyper.latent, ema=hyper.ema, weight=hyper.weight,
        chains=Chains(hyper.burn_in, hyper.samples, hyper.leaps), step_size=hyper.step_size,
        prior_only=hyper.prior_only,
    )  # fmt: skip
    return gan_run(hyper, dataset, [(game, steps)], generator=generator, prior=NORMAL, optimizers=optimizers)


if __name__ == "__main__":
    raise SystemExit(main("presgan"))
