"""InfoGAN (Chen et al. 2016, arXiv 1606.03657).

    python -m train.infogan [preset] [options]

Presets; "paper" is its appendix C, "code" openai/InfoGAN, the authors', which has MNIST alone. Appendix C: leaky slope
0.1, learned variances, Adam (2e-4 for D and Q, 1e-3 for G), lambda 1 unless noted. It gives no batch size, length, beta
or prior of the noise: here the code's 128, 0.5 and 0.999, and U(-1, 1); lengths are our own but for MNIST's
    small    embedded digits, the paper's layers at 16 channels, 10 classes and one continuous code: about a minute on
             two CPU cores; without information it is --categorical-weight 0 --continuous-weight 0; our own. The
             continuous code is weak, for both compete for the same pixels: within a class of c1 it explains 0.02 to
             0.07 of their variance (seeds 0 to 2), with --continuous-weight 0.5 0.18 to 0.32, and up to 0.76 of the
             slant, but then 0.54 to 0.65 of samples have the class of their code instead of 0.67 to 0.85
    ring     the ring of eight Gaussians, dense networks, a code of eight classes; our own
    paper    MNIST, table 1: a code of 10 classes, 2 continuous ones, 62 numbers of noise; 5,000 steps as in the code
    code     the same as the code has it, launchers/run_mnist_exp.py: leaky slope 0.01, variances held at 1
    svhn     table 2: four codes of 10 classes, 4 continuous ones, 124 numbers of noise
    celeba   table 3: ten codes of 10 classes, 128 numbers of noise
    faces    table 4: 5 continuous codes, 128 numbers of noise, images of rendered faces, --data folder:faces; rates and
             lambda are those of the azimuth in table 5, quoted from memory. Elevation: --discriminator-rate 4e-4
             --generator-rate 3e-4 --continuous-weight 0.1; lighting: 8e-4, 3e-4, 0.1
    chairs   table 6: three codes of 20 classes, a continuous one, 128 numbers of noise, images of rendered chairs,
             --data folder:chairs; lambdas are those of the rotation in table 7, quoted from memory. Width:
             --continuous-weight 0.05 --categorical-weight 2
In the paper's text D and Q share all layers for faces and chairs; for the others Q has a layer of 128 units of its own.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp

from genjax.codes import Codes
from genjax.data import Dataset
from genjax.data.ranges import TANH, UNIT
from genjax.gans import gan, infogan
from genjax.run.cli import main
from genjax.run.gan import AdamOptions, GanOptions, adam_of, gan_run, output_of, range_of
from genjax.run.options import at_least, check_uses, steps_of
from genjax.run.run import Run, compute_type
from genjax.tasks.coded import CodedImages, CodedPlane

LAYERS = {"mnist": infogan.MNIST, "svhn": infogan.SVHN, "faces": infogan.FACES, "chairs": infogan.CHAIRS}
PIXELS = {"tanh": TANH, "sigmoid": UNIT}
OUTPUTS = {"tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}
USES = {"dense": ("units",), **dict.fromkeys(LAYERS, ("width",))}


@dataclass(frozen=True, kw_only=True)
class Hyper(GanOptions, AdamOptions):
    """Options of the InfoGAN; the latent is noise, then categorical codes, then continuous ones."""

    categorical: Annotated[tuple[int, ...], at_least(2)]
    """Classes of each categorical code."""
    continuous: Annotated[int, at_least(0)]
    """Number of continuous codes."""
    categorical_weight: Annotated[float, at_least(0)]
    """Weight of the information on categorical codes, lambda."""
    continuous_weight: Annotated[float, at_least(0)]
    """Weight of the information on continuous codes."""
    variance: Literal["learned", "fixed"]
    """Variances of the recognition network's normal distributions: learned, or held at 1."""
    networks: Literal["dense", "mnist", "svhn", "faces", "chairs"]
    """Dense networks, or the layers that the paper has for a data set."""
    width: Annotated[int | None, at_least(1)] = None
    """Channels of the discriminator's first convolution, in the paper 64; all other layers grow with it."""
    units: Annotated[tuple[int, ...] | None, at_least(1)] = None
    """Units of the layers of dense networks."""
    slope: Annotated[float, at_least(0)]
    """Slope of the discriminator's leaky ReLU."""
    pixels: Literal["tanh", "sigmoid"]
    """The generator's last function, and so the range of pixels: [-1, 1] or [0, 1]."""


PAPER = Hyper(
    data="tfds:mnist", steps=5000, batch_size=128, latent=74, categorical=(10,), continuous=2, categorical_weight=1.0,
    continuous_weight=1.0, variance="learned", networks="mnist", width=64, slope=0.1, pixels="sigmoid",
    generator_rate=1e-3, discriminator_rate=2e-4, beta1=0.5, beta2=0.999, decay_from=None, ema=None,
    evaluate_every=1000, checkpoint_every=1000,
)  # fmt: skip
SVHN = replace(
    PAPER, data="tfds:svhn_cropped", steps=50_000, latent=168, categorical=(10,) * 4, continuous=4, networks="svhn",
    pixels="tanh", evaluate_every=5000, checkpoint_every=5000,
)  # fmt: skip
PRESETS = {
    "small": Hyper(
        steps=2000, batch_size=64, latent=32, categorical=(10,), continuous=1, categorical_weight=1.0,
        continuous_weight=0.1, variance="learned", networks="mnist", width=16, slope=0.1, pixels="sigmoid",
        generator_rate=5e-4, discriminator_rate=2e-4, beta1=0.5, beta2=0.999, decay_from=None, ema=0.99,
        evaluate_every=1000,
    ),
    "ring": Hyper(
        data="mixture:ring", steps=3000, batch_size=128, latent=16, categorical=(8,), continuous=0,
        categorical_weight=1.0, continuous_weight=1.0, variance="learned", networks="dense", units=(64, 64), slope=0.2,
        pixels="tanh", generator_rate=1e-3, discriminator_rate=1e-3, beta1=0.5, beta2=0.999, decay_from=None, ema=None,
        evaluate_every=500,
    ),
    "paper": PAPER,
    "code": replace(PAPER, variance="fixed", slope=0.01),
    "svhn": SVHN,
    "celeba": replace(
        SVHN, data="tfds:celeb_a", image_size=32, latent=228, categorical=(10,) * 10, continuous=0,
    ),
    "faces": replace(
        PAPER, data="folder:faces", image_size=32, channels=1, steps=50_000, latent=133, categorical=(), continuous=5,
        continuous_weight=0.2, networks="faces", generator_rate=5e-4, evaluate_every=5000, checkpoint_every=5000,
    ),
    "chairs": replace(
        PAPER, data="folder:chairs", image_size=64, channels=1, steps=50_000, latent=189, categorical=(20,) * 3,
        continuous=1, continuous_weight=10.0, networks="chairs", evaluate_every=5000, checkpoint_every=5000,
    ),
}  # fmt: skip
SCORE = ("read_accuracy", "share of test digits whose class is that of the code read off them, best matching")
CONTROLS = {"without information": ("--categorical-weight", "0", "--continuous-weight", "0")}


def codes_of(hyper: Hyper) -> Codes:
    """Return the codes; ValueError where they leave no noise of the latent, or where there are none."""
    taken = sum(hyper.categorical) + hyper.continuous
    if not taken:
        raise ValueError("an InfoGAN has codes; give --categorical 10, --continuous 1 or both")
    if taken >= hyper.latent:
        raise ValueError(
            f"--latent {hyper.latent}: the codes take {taken} numbers of it; give more, such as {taken + 62}"
        )
    return Codes(hyper.latent - taken, hyper.categorical, hyper.continuous)


def networks(hyper: Hyper, dataset: Dataset, codes: Codes) -> tuple[Any, Any]:
    """Return generator and discriminator as the options choose them."""
    given, dtype = check_uses(hyper, "networks", USES), compute_type(hyper)
    output = output_of(dataset, OUTPUTS[hyper.pixels])
    if hyper.networks == "dense":
        generator: Any = gan.Generator(given.units, dataset.shape, output=output, dtype=dtype)
        return generator, infogan.DenseDiscriminator(codes, given.units, hyper.slope, dtype)
    layers = LAYERS[hyper.networks]
    generator = infogan.Generator(dataset.shape, layers, given.width, output, dtype)
    return generator, infogan.Discriminator(codes, layers, given.width, hyper.slope, dtype)


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the InfoGAN's run on `dataset`; ValueError for codes that do not fit into the latent."""
    codes, steps = codes_of(hyper), steps_of(hyper, len(dataset.train))
    generator, discriminator = networks(hyper, dataset, codes)
    optimizers = {
        "generator": adam_of(hyper, hyper.generator_rate),
        "discriminator": adam_of(hyper, hyper.discriminator_rate),
    }
    game = infogan.game(
        generator, discriminator, codes=codes, generator_tx=optimizers["generator"].transformation(steps),
        discriminator_tx=optimizers["discriminator"].transformation(steps), image_shape=dataset.shape,
        weights=infogan.Weights(hyper.categorical_weight, hyper.continuous_weight),
        learned=hyper.variance == "learned", ema=hyper.ema,
    )  # fmt: skip
    run = gan_run(
        hyper, dataset, [(game, steps)], generator=generator, prior=codes.prior(), optimizers=optimizers,
        pixels=range_of(dataset, PIXELS[hyper.pixels]),
    )  # fmt: skip
    told = vars(run.task)
    if dataset.mixture is not None:
        return run._replace(task=CodedPlane(**told, codes=codes))
    return run._replace(task=CodedImages(**told, codes=codes, read=infogan.reading_of(discriminator)))


if __name__ == "__main__":
    raise SystemExit(main("infogan"))
