"""pix2pix (Isola et al. 2017, arXiv 1611.07004).

    python -m train.pix2pix [preset] [options]

Presets
    small         outlines of drawn solids to the solids in colour at 32 pixels: 16 channels, 4 halvings, no dropout,
                  batch 4, a rate that falls to 0 over the second half: minutes on two CPUs; our own. What belongs to
                  an outline is certain here, so that the L1 loss alone comes nearer (0.0195 in the mean of three seeds,
                  with the adversarial loss 0.0225, the mean image 0.0473); the adversarial loss alone comes to 0.062,
                  and to 0.076 with a discriminator that sees the output alone, which then has the right shape in a
                  third of the images only
    paper         facades from label maps at 256 pixels: 400 pairs, batch 1, 200 epochs, jitter from 286, mirrored
    facades       the same
    maps          aerial photographs to maps: 1,096 pairs, the rest as `paper`; --backward for maps to photographs
    cityscapes    label maps to photographs: 2,975 pairs, the rest as `paper`
    edges2shoes   outlines to shoes: 49,825 pairs, batch 4, 15 epochs
    day2night     17,823 pairs, batch 4, 17 epochs
    colourise     photographs of ImageNet from their lightness, in CIE L*a*b*: batch 4, 6 epochs, mirrored, no jitter
Any pairs, as --data pairs:DIR: folders A and B with equal names, or both side by side in one file.

Epochs and batches are the paper's (appendix on training details), everything else is the authors' code in Torch: one
rate for the whole run (their later code in PyTorch lets it fall to 0 over another 100 epochs, as --decay-from does),
and jitter for every task that the text does not except. In the published archives A is the left half of a file: the
photograph of facades and Cityscapes, hence --backward there. Test images are the middle of what is loaded at 286
pixels, while the authors load them at 256.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from genjax.data import Dataset, transforms
from genjax.data.colour import grey_from_lightness, lab_from_rgb, rgb_from_lab
from genjax.data.ranges import TANH, UNIT
from genjax.engine.phases import Feed, Phase
from genjax.engine.state import State
from genjax.gans import pix2pix
from genjax.nn.patch import PatchDiscriminator, PixelDiscriminator, by_batch
from genjax.run.cli import main
from genjax.run.optimizers import adam, falling, for_run
from genjax.run.options import PART, Limits, Options, above, at_least, steps_of
from genjax.run.run import Run, compute_type
from genjax.tasks.pairs import Pairs
from genjax.tasks.sizes import Rows, Takes


@dataclass(frozen=True, kw_only=True)
class Hyper(Options):
    """Options of pix2pix."""

    backward: bool
    """Translate the second image of a pair into the first: B to A."""
    colours: Literal["rgb", "lab"]
    """Images to translate into, or single images whose lightness is given and whose colours are to be guessed."""
    crop: Annotated[int | None, at_least(1)]
    """Side of random crops to train on, the same of both images of a pair; whole images if not given."""
    mirror: bool
    """Mirror half of the training pairs."""
    width: Annotated[int, at_least(1)]
    """Channels of the generator's first layer."""
    halvings: Annotated[int, at_least(2)]
    """How often the generator halves an image: 8 for 256 pixels, 7 for 128."""
    dropout: Literal["torch", "pytorch", "none"]
    """Behind which layers of the generator half of the features are dropped: as in the authors' code in Torch and the
    paper, as in their code in PyTorch, or none."""
    skips: bool
    """Let the generator's decoder see what its encoder made at the same size."""
    discriminator_width: Annotated[int, at_least(1)]
    """Channels of the discriminator's first layer."""
    discriminator_layers: Annotated[int, Limits(least=0, most=6)]
    """Strided layers of the discriminator: with 0, 1, 2, 3, 5 it judges patches of 1, 16, 34, 70, 286 pixels a side."""
    conditional: bool
    """Let the discriminator see the input beside the output."""
    l1: Annotated[float, at_least(0)]
    """Weight of the mean absolute difference from the target."""
    fooling: Annotated[float, at_least(0)]
    """Weight of the adversarial loss; with 0 there is no discriminator."""
    rate: Annotated[float, above(0)]
    """Learning rate of both networks."""
    beta1: Annotated[float, PART]
    """Decay of Adam's mean gradient."""
    decay_from: Annotated[float | None, PART]
    """Share of the run after which the rate falls linearly to 0, as in the authors' code in PyTorch from half of it;
    constant if not given."""


PAPER = Hyper(
    data="pairs:facades", image_size=286, epochs=200, batch_size=1, backward=True, colours="rgb", crop=256, mirror=True,
    width=64, halvings=8, dropout="torch", skips=True, discriminator_width=64, discriminator_layers=3, conditional=True,
    l1=100.0, fooling=1.0, rate=2e-4, beta1=0.5, decay_from=None, evaluate_every=5000, checkpoint_every=5000,
)  # fmt: skip
PRESETS = {
    "small": Hyper(
        data="pairs:scenes", image_size=32, steps=2000, batch_size=4, backward=False, colours="rgb", crop=None,
        mirror=False, width=16, halvings=4, dropout="none", skips=True, discriminator_width=16, discriminator_layers=2,
        conditional=True, l1=100.0, fooling=1.0, rate=2e-3, beta1=0.5, decay_from=0.5, evaluate_every=1000,
    ),
    "paper": PAPER,
    "facades": PAPER,
    "maps": replace(PAPER, data="pairs:maps", backward=False),
    "cityscapes": replace(PAPER, data="pairs:cityscapes"),
    "edges2shoes": replace(PAPER, data="pairs:edges2shoes", backward=False, epochs=15, batch_size=4, stream=True),
    "day2night": replace(PAPER, data="pairs:day2night", backward=False, epochs=17, batch_size=4, stream=True),
    "colourise": replace(
        PAPER, data="tfds:imagenet2012", image_size=256, backward=False, colours="lab", crop=None, epochs=6,
        batch_size=4, stream=True,
    ),
}  # fmt: skip
SCORE = ("l1", "mean absolute error of test images, of a range of 1")
CONTROLS = {
    "an L1 loss alone": ("--fooling", "0"),
    "the adversarial loss alone": ("--l1", "0"),
    "the same, of a discriminator that sees the output alone": ("--l1", "0", "--no-conditional"),
}

LIGHTNESS, OPPONENTS = 50.0, 110.0
"""L is divided by the first, less 1; a and b are divided by the second: the ranges of the authors' code."""


def to_lab(images: Any) -> tuple[jax.Array, jax.Array]:
    """Return lightness [..., 1] and opponents [..., 2] in [-1, 1] of images in colour, bytes or float in [0, 1]."""
    lab = lab_from_rgb(UNIT.from_bytes(images))
    return lab[..., :1] / LIGHTNESS - 1, lab[..., 1:] / OPPONENTS


def from_lab(lightness: jax.Array, opponents: jax.Array) -> jax.Array:
    """Return images in colour in [0, 1], the inverse of `to_lab`."""
    return rgb_from_lab(jnp.concatenate([(lightness + 1) * LIGHTNESS, opponents * OPPONENTS], -1))


def names_of(hyper: Hyper) -> tuple[str, str]:
    """Return the data set's names of inputs and targets."""
    if hyper.colours == "lab":
        return "images", "images"
    return ("targets", "images") if hyper.backward else ("images", "targets")


def prepare(hyper: Hyper, batch: Any, key: jax.Array) -> dict[str, Any]:
    """Return images and targets in [-1, 1], both cropped and mirrored alike."""
    names = names_of(hyper)
    cut_key, flip_key = jax.random.split(key)
    depth = batch[names[0]].shape[-1]
    both = {"images": jnp.concatenate([batch[name] for name in names], -1)}
    if hyper.crop is not None:
        both = transforms.random_crop(both, cut_key, size=hyper.crop)
    if hyper.mirror:
        both = transforms.flip(both, flip_key)
    images, targets = both["images"][..., :depth], both["images"][..., depth:]
    if hyper.colours == "lab":
        lightness, opponents = to_lab(targets)
        return {"images": lightness, "targets": opponents}
    return {"images": TANH.from_bytes(images), "targets": TANH.from_bytes(targets)}


def split(hyper: Hyper, rows: Rows) -> tuple[Rows, np.ndarray]:
    """Return inputs and targets, bytes of the data set's middle; the input for colours is a grey image as light."""
    source, target = (
        np.asarray(rows[name] if hyper.crop is None else transforms.centre_crop(rows[name], hyper.crop))
        for name in names_of(hyper)
    )
    if hyper.colours == "lab":
        grey = grey_from_lightness((to_lab(source)[0] + 1) * LIGHTNESS)
        source = UNIT.to_bytes(grey)
    return {"images": source}, target


def drawing(hyper: Hyper, generator: pix2pix.Generator) -> Any:
    """Return how a state translates, as `Pairs` asks it."""

    @jax.jit
    def translated(variables: Any, images: jax.Array, key: jax.Array) -> jax.Array:
        if hyper.colours == "lab":
            lightness, _ = to_lab(jnp.broadcast_to(images, (*images.shape[:-1], 3)))
            return from_lab(lightness, pix2pix.translate(generator, variables, lightness, key))
        return (pix2pix.translate(generator, variables, TANH.from_bytes(images), key) + 1) / 2

    def apply(state: State, rows: Rows, key: jax.Array) -> jax.Array:
        return translated(state.variables_of("generator"), jnp.asarray(rows["images"]), key)

    return apply


def channels_of(hyper: Hyper, dataset: Dataset) -> tuple[int, int]:
    """Return the channels of inputs and targets; ValueError unless the data set has what `hyper` translates."""
    columns = dataset.train.columns
    if hyper.colours == "lab":
        if dataset.shape[-1] != 3:
            raise ValueError(f"--colours lab guesses colours, and {dataset.name} has none; give --channels 3")
        if hyper.backward:
            raise ValueError("--colours lab has one direction, from lightness to colours; leave out --backward")
        return 1, 2
    if not dataset.facts.paired:
        raise ValueError(
            f"pix2pix learns from pairs, and {dataset.name} has none; give --data pairs:scenes, or pairs:DIR with "
            "folders A and B"
        )
    source, target = (columns[name][0][-1] for name in names_of(hyper))
    return source, target


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return pix2pix's run on `dataset`; ValueError unless it has pairs, or colours to guess."""
    depth, target_depth = channels_of(hyper, dataset)
    height, width, _ = dataset.shape
    if hyper.crop is not None and hyper.crop > min(height, width):
        raise ValueError(f"--crop {hyper.crop} does not fit into images of {height} x {width}; give a smaller one")
    sides = (hyper.crop or height, hyper.crop or width)
    dtype, steps = compute_type(hyper), steps_of(hyper, len(dataset.train))
    dropped = {"torch": pix2pix.torch_dropout, "pytorch": pix2pix.pytorch_dropout, "none": lambda halvings: ()}
    generator = pix2pix.Generator(
        target_depth, hyper.width, hyper.halvings, dropped[hyper.dropout](hyper.halvings), hyper.skips, dtype=dtype
    )
    if hyper.discriminator_layers:
        discriminator: Any = PatchDiscriminator(
            hyper.discriminator_layers, hyper.discriminator_width, by_batch, use_bias=False, dtype=dtype
        )
    else:
        discriminator = PixelDiscriminator(hyper.discriminator_width, by_batch, dtype=dtype)
    own = for_run(adam(hyper.rate, b1=hyper.beta1, decay=falling(hyper.decay_from)), hyper)
    game = pix2pix.game(
        generator, discriminator, generator_tx=own.transformation(steps), discriminator_tx=own.transformation(steps),
        image_shape=(*sides, depth), target_channels=target_depth, conditional=hyper.conditional, l1=hyper.l1,
        fooling=hyper.fooling,
    )  # fmt: skip
    for init in game.networks.values():  # each refuses sides that it cannot work with
        jax.eval_shape(init, jax.random.key(0))
    prepared = partial(prepare, hyper)
    multiple = 2**hyper.halvings
    task = Pairs(
        dataset=dataset, takes=Takes(channels=depth, multiple=multiple, smallest=multiple),
        split=partial(split, hyper), apply=drawing(hyper, generator), prepare=prepared, imitates=names_of(hyper)[1],
        size=sides,
    )  # fmt: skip
    phase = Phase(game, steps, Feed(dataset.train, hyper.batch_size, prepared))
    return Run((phase,), {player.name: own for player in game.players}, task)


if __name__ == "__main__":
    raise SystemExit(main("pix2pix"))
