"""SRGAN and SRResNet: super-resolution (Ledig et al. 2017, arXiv 1609.04802).

    python -m train.srgan [preset] [options]

Presets; --steps counts both phases, of which the first, by the mean square error alone, takes --pretraining
    small     drawn scenes, 8 to 32 pixels, 24 channels, 3 blocks; features of the network for drawn scenes that comes
              with the library: minutes on two CPU cores; our own. Seeds 0 to 2: 0.8, 1.1
              and 0.4 dB below bicubic with 0.83, 0.77 and 0.73 of the right images' sharpness (bicubic: 0.47); as many
              steps of the mean square error alone end 1.3, 1.2 and 1.2 dB above bicubic with a sharpness of 0.61
    srresnet  the paper's section 3.2: ImageNet, 4x, crops of 96 pixels, batch 16, Adam (1e-4, 0.9), 1,000,000 updates
              by the mean square error; published 32.05 dB on Set5 (bicubic 28.43)
    paper     the same, then 100,000 updates at 1e-4 and 100,000 at 1e-5 by features after the fourth convolution of the
              fifth stage of VGG-19 (the text's VGG54) divided by 12.75, plus 1e-3 of the adversarial loss; published
              29.40 dB on Set5, where people find the images better all the same
    vgg22     the same with features of the second convolution of the second stage
    mse       the same with the mean square error as content, the text's SRGAN-MSE
    2x, 8x    the same as `paper` at other factors, which the text does not train; our own
Images are brought to 256 pixels before crops are cut, where the text cuts them out of ImageNet's own sizes. VGG-19 is
the user's file (--perceptual vgg19:FILE). Small images are bicubic reductions of crops, clipped and rounded to bytes.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp

from genjax.data import Dataset, transforms
from genjax.data.ranges import TANH, UNIT
from genjax.data.resize import shrunk
from genjax.engine.phases import Feed, Phase, carry_over_networks
from genjax.engine.state import State
from genjax.gans import srgan
from genjax.losses import perceptual
from genjax.run.cli import main
from genjax.run.optimizers import adam, falling, for_run, stairs
from genjax.run.options import PART, Options, above, at_least, steps_of
from genjax.run.run import Run, compute_type
from genjax.tasks.super_resolution import super_resolution


@dataclass(frozen=True, kw_only=True)
class Hyper(Options):
    """Options of SRGAN."""

    factor: Literal[2, 4, 8]
    """How many times as high and wide images become."""
    crop: Annotated[int | None, at_least(16)]
    """Side of random crops to train on; whole images if not given."""
    mirror: bool
    """Mirror half of the training images."""
    width: Annotated[int, at_least(1)]
    """Channels of the generator."""
    blocks: Annotated[int, at_least(0)]
    """Residual blocks of the generator."""
    discriminator_width: Annotated[int, at_least(1)]
    """Channels of the discriminator's first layers."""
    pretraining: Annotated[int, at_least(0)]
    """Steps of the first phase, by the mean square error alone; as many as --steps for SRResNet."""
    pretraining_rate: Annotated[float, above(0)]
    """Learning rate of the first phase."""
    pretraining_decay_from: Annotated[float | None, PART]
    """Share of the first phase after which its rate falls linearly to 0; constant if not given."""
    rate: Annotated[float, above(0)]
    """Learning rate of both networks in the second phase, divided by 10 in its middle."""
    beta1: Annotated[float, PART]
    """Decay of Adam's mean gradient."""
    beta2: Annotated[float, PART]
    """Decay of Adam's mean squared gradient."""
    content: Literal["features", "square-error"]
    """What holds an enlarged image to the right one in the second phase."""
    perceptual: str
    """Classifier whose features are compared: scenes, the small one that comes with the library, or vgg19:FILE."""
    layers: tuple[str, ...]
    """Its layers whose maps are compared, such as relu5_4."""
    scale: Annotated[float, at_least(0)]
    """Factor of the features' mean square error."""
    adversarial: Annotated[float, at_least(0)]
    """Weight of the adversarial loss."""


SRRESNET = Hyper(
    data="tfds:imagenet2012", image_size=256, stream=True, steps=1_000_000, batch_size=16, factor=4, crop=96,
    mirror=False, width=64, blocks=16, discriminator_width=64, pretraining=1_000_000, pretraining_rate=1e-4,
    pretraining_decay_from=None, rate=1e-4, beta1=0.9, beta2=0.999, content="square-error",
    perceptual="vgg19:vgg19.npz", layers=("relu5_4",), scale=1 / 12.75**2, adversarial=1e-3, evaluate_every=5000,
    checkpoint_every=5000,
)  # fmt: skip
PAPER = replace(SRRESNET, steps=1_200_000, content="features")
PRESETS = {
    "small": Hyper(
        data="scenes", image_size=32, steps=1000, batch_size=8, factor=4, crop=None, mirror=True, width=24, blocks=3,
        discriminator_width=8, pretraining=800, pretraining_rate=3e-3, pretraining_decay_from=0.0, rate=2e-4, beta1=0.9,
        beta2=0.999, content="features", perceptual="scenes", layers=("relu1_2", "relu2_2"), scale=0.1,
        adversarial=0.002, evaluate_every=200,
    ),
    "srresnet": SRRESNET,
    "paper": PAPER,
    "vgg22": replace(PAPER, layers=("relu2_2",)),
    "mse": replace(PAPER, content="square-error"),
    "2x": replace(PAPER, factor=2),
    "8x": replace(PAPER, factor=8),
}  # fmt: skip
SCORE = ("sharpness_share", "sharpness of enlarged images over that of the right ones")
CONTROLS = {"the mean square error alone (SRResNet)": ("--pretraining", "1000")}


def prepare(hyper: Hyper, batch: Any, key: jax.Array) -> dict[str, Any]:
    """Return "images", cropped at random and mirrored now and then, in [-1, 1], and "lows", reduced, in [0, 1]."""
    cut_key, flip_key = jax.random.split(key)
    if hyper.crop is not None:
        batch = transforms.random_crop(batch, cut_key, size=hyper.crop)
    images = (transforms.flip(batch, flip_key) if hyper.mirror else batch)["images"]
    images = UNIT.quantised(images) if images.dtype != jnp.uint8 else images
    return {"images": TANH.from_bytes(images), "lows": UNIT.from_bytes(shrunk(images, hyper.factor))}


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the run of both phases on `dataset`; ValueError for sizes that the factor does not divide."""
    if hyper.rate_warm_up:
        raise ValueError(
            "SRGAN's optimizers start afresh in its second phase, so that rates cannot rise over the run; leave out "
            "--rate-warm-up"
        )
    height, width, channels = dataset.shape
    if hyper.crop is not None and hyper.crop > min(height, width):
        raise ValueError(f"--crop {hyper.crop} does not fit into images of {height} x {width}; give a smaller one")
    shape = (hyper.crop or height, hyper.crop or width, channels)
    srgan.low_shape(shape, hyper.factor)
    dtype, steps = compute_type(hyper), steps_of(hyper, len(dataset.train))
    first = min(hyper.pretraining, steps)
    generator = srgan.Generator(hyper.factor, channels, hyper.width, hyper.blocks, dtype=dtype)
    own = partial(adam, b1=hyper.beta1, b2=hyper.beta2)
    slow, fast = (
        for_run(own(hyper.pretraining_rate, decay=falling(hyper.pretraining_decay_from)), hyper),
        for_run(own(hyper.rate, decay=stairs(0.5)), hyper),
    )
    feed = Feed(dataset.train, hyper.batch_size, partial(prepare, hyper))
    phases, optimizers, notes = [], {"generator": slow}, []
    if first:
        game = srgan.pretraining(generator, generator_tx=slow.transformation(first), image_shape=shape)
        phases.append(Phase(game, first, feed))
    if steps > first:
        content: dict[str, Any] = {}
        if hyper.content == "features":
            sight = perceptual.open_sight(hyper.perceptual, absent=dataset.absent)
            notes.append(f"content: {', '.join(hyper.layers)} of {sight.name}")
            distance = perceptual.squared(sight, hyper.layers, hyper.scale)
            content = {"content": distance, "memory": {perceptual.MEMORY: sight.parameters}}
        optimizers = {"generator": fast, "discriminator": fast}
        game = srgan.game(
            generator, srgan.Discriminator(hyper.discriminator_width, dtype=dtype),
            generator_tx=fast.transformation(steps - first), discriminator_tx=fast.transformation(steps - first),
            image_shape=shape, weight=hyper.adversarial, **content,
        )  # fmt: skip
        phases.append(Phase(game, steps - first, feed, carry_over_networks))
    apply = jax.jit(generator.apply)

    def enlarge(state: State, lows: Any) -> jax.Array:
        return apply(state.variables_of("generator"), lows)

    task = super_resolution(
        dataset=dataset, factor=hyper.factor, enlarge=enlarge, reach=generator.reach, prepare=partial(prepare, hyper)
    )
    return Run(tuple(phases), optimizers, task, tuple(notes))


if __name__ == "__main__":
    raise SystemExit(main("srgan"))
