"""CycleGAN (Zhu et al. 2017, arXiv 1703.10593).

    python -m train.cyclegan [preset] [options]

Presets
    small       digits, white on black and yellow on blue, at 16 pixels; 12 channels, 2 blocks: minutes on two CPUs
    paper       256 pixels of horses and zebras, from the authors' code in PyTorch: 9 blocks, batch 1, 200 epochs,
                identity 5; any two domains, as --data folder:DIR with trainA, trainB and perhaps testA, testB
    cityscapes  128 pixels, from the paper's experiments on Cityscapes: 6 blocks, identity 0, for the text adds it for
                paintings alone; sizes 143 and 128 of the authors' code in Torch

In `small` the strokes are the brighter part in both domains. With dark strokes on a bright ground in B instead, one of
three seeds took strokes for ground, cycled as well as the others, and kept no label: nothing in the losses forbids it.

The rate is constant over the first half and falls linearly to 0 over the second, as in the text; the authors' code
falls by 1/101 in each of 100 epochs and ends at 0.0099 of it.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

import jax
import jax.numpy as jnp

from genjax.data import Dataset, transforms
from genjax.data.ranges import TANH
from genjax.engine.phases import Feed, Phase
from genjax.engine.state import State
from genjax.gans import cyclegan
from genjax.nn.patch import PatchDiscriminator
from genjax.run.cli import main
from genjax.run.optimizers import adam, falling, for_run
from genjax.run.options import PART, Options, above, at_least, steps_of
from genjax.run.run import Run, compute_type
from genjax.tasks.sizes import Takes
from genjax.tasks.translation import Translation


@dataclass(frozen=True, kw_only=True)
class Hyper(Options):
    """Options of CycleGAN."""

    crop: Annotated[int | None, at_least(1)]
    """Side of random crops to train on; whole images if not given."""
    mirror: bool
    """Mirror half of the training images."""
    width: Annotated[int, at_least(1)]
    """Channels of the generators' first and last layers."""
    blocks: Annotated[int, at_least(0)]
    """Residual blocks of a generator."""
    discriminator_width: Annotated[int, at_least(1)]
    """Channels of the discriminators' first layer."""
    discriminator_layers: Annotated[int, at_least(1)]
    """Strided layers of the discriminators; 3 see 70 pixels."""
    cycle: Annotated[float, at_least(0)]
    """Weight of the cycle loss."""
    identity: Annotated[float, at_least(0)]
    """Weight of the identity loss; 0 for none."""
    pool: Annotated[int, at_least(1)]
    """Generated images kept in each domain, from which the discriminators' are drawn."""
    rate: Annotated[float, above(0)]
    """Learning rate of all networks."""
    beta1: Annotated[float, PART]
    """Decay of Adam's mean gradient."""


PAPER = Hyper(
    data="folder:horse2zebra", image_size=286, crop=256, epochs=200, batch_size=1, mirror=True, width=64, blocks=9,
    discriminator_width=64, discriminator_layers=3, cycle=10.0, identity=5.0, pool=50, rate=2e-4, beta1=0.5,
    evaluate_every=5000, checkpoint_every=5000,
)  # fmt: skip
PRESETS = {
    "small": Hyper(
        data="domains:digits", image_size=16, crop=None, steps=500, batch_size=4, mirror=False, width=12, blocks=2,
        discriminator_width=16, discriminator_layers=2, cycle=10.0, identity=5.0, pool=50, rate=1e-3, beta1=0.5,
        evaluate_every=250,
    ),
    "paper": PAPER,
    "cityscapes": replace(PAPER, data="folder:cityscapes", image_size=143, crop=128, blocks=6, identity=0.0),
}  # fmt: skip
SCORE = ("label_kept", "translated digits whose nearest image of the other domain has the same label")
CONTROLS = {"without the cycle loss": ("--cycle", "0", "--identity", "0")}


def prepare(crop: int | None, mirror: bool, batch: Any, key: jax.Array) -> dict[str, Any]:
    """Return images and targets in [-1, 1], each cropped at random and mirrored on its own."""
    out = {}
    for number, name in enumerate(("images", "targets")):
        own = {"images": batch[name]}
        cut_key, flip_key = jax.random.split(jax.random.fold_in(key, number))
        if crop is not None:
            own = transforms.random_crop(own, cut_key, size=crop)
        if mirror:
            own = transforms.flip(own, flip_key)
        out[name] = TANH.prepare(own, key)["images"]
    return out


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return CycleGAN's run on `dataset`; ValueError unless it has two domains."""
    if "targets" not in dataset.train.columns:
        raise ValueError(
            f"CycleGAN translates between two domains, and {dataset.name} has one; give --data domains:digits, "
            "domains:scenes, or folder:DIR with sub-folders trainA and trainB"
        )
    height, width, channels = dataset.shape
    if hyper.crop is not None and hyper.crop > min(height, width):
        raise ValueError(f"--crop {hyper.crop} does not fit into images of {height} x {width}; give a smaller one")
    shape = (hyper.crop or height, hyper.crop or width, channels)
    dtype, steps = compute_type(hyper), steps_of(hyper, len(dataset.train))
    generator = cyclegan.Generator(channels, hyper.width, hyper.blocks, dtype=dtype)
    discriminator = PatchDiscriminator(hyper.discriminator_layers, hyper.discriminator_width, dtype=dtype)
    for network in (generator, discriminator):  # each refuses sides that it cannot work with
        jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, *shape)))
    own = for_run(adam(hyper.rate, b1=hyper.beta1, decay=falling(0.5)), hyper)
    game = cyclegan.game(
        generator, discriminator, generators_tx=own.transformation(steps), discriminators_tx=own.transformation(steps),
        image_shape=shape, cycle=hyper.cycle, identity=hyper.identity, pool=hyper.pool,
    )  # fmt: skip
    apply = jax.jit(generator.apply)

    def translate(state: State, net: str, images: Any) -> jax.Array:
        return apply(state.variables_of(net), images)

    prepared = partial(prepare, hyper.crop, hyper.mirror)
    phase = Phase(game, steps, Feed(dataset.train, hyper.batch_size, prepared))
    takes = Takes(channels=channels, multiple=4, smallest=8)
    task = Translation(dataset=dataset, shape=shape, apply=translate, prepare=prepared, takes=takes)
    return Run((phase,), {"generators": own, "discriminators": own}, task)


if __name__ == "__main__":
    raise SystemExit(main("cyclegan"))
