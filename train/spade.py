"""SPADE, or GauGAN: images from label maps (Park et al. 2019, arXiv 1903.07291).

    python -m train.spade [preset] [options]

Presets; the published ones follow the authors' code (NVlabs/SPADE), with lengths from the paper's section 4
    small       drawn scenes at 32 pixels with maps of 6 classes, 3 doublings, 8 channels; larger first weights, Adam's
                second decay of the text, no perceptual loss: minutes on two CPU cores; our own. Seeds 0 to 2: mean
                IoU 0.87, 0.81 and 0.86 (0.97 in the images themselves), 0.86, 0.82 and 0.84 for two classes exchanged
                in the map, 0.01 at most for the map as it was; with the map concatenated instead 0.73, 0.78 and 0.66
    paper, coco COCO-Stuff at 256 pixels, 182 classes, edges of instances, batch 32, 100 epochs; published FID 22.6 and
                mean IoU 37.4
    ade20k      ADE20K at 256 pixels, 150 classes, no edges, 200 epochs of which the second hundred falls to rate 0;
                published FID 33.9 and mean IoU 38.5
    cityscapes  512 x 256 pixels, 35 classes, edges, 6 doublings, batch 16, 200 epochs as above; published FID 71.8 and
                mean IoU 62.3. Images and maps must be stored at that size
    facades     256 pixels, 13 classes, no edges; the code has the data but no length: 200 epochs as above, batch 32
All: generator's rate 1e-4, discriminator's 4e-4, Adam (0, 0.9) of the code (the text: 0, 0.999), feature matching 10,
perceptual loss 10 by five layers of VGG-19, which is the user's file (--perceptual vgg19:FILE). --style adds the
encoder, with KL weight 0.05 on the sum over a device's 4 images, which is 0.2 on their mean, as here. Label 255 and
others without a class have a class of their own in coco and ade20k. Edges are those of "instances", where the data has
them, else of the map.
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
from genjax.gans import spade
from genjax.losses import perceptual
from genjax.nn.initializers import scaled_glorot
from genjax.run.cli import main
from genjax.run.optimizers import adam, falling, for_run
from genjax.run.options import PART, Options, above, at_least, steps_of
from genjax.run.run import Run, compute_type
from genjax.tasks.sizes import Rows, Takes
from genjax.tasks.synthesis import synthesis


@dataclass(frozen=True, kw_only=True)
class Hyper(Options):
    """Options of SPADE."""

    crop: Annotated[int | None, at_least(1)]
    """Side of random crops to train on; whole images if not given."""
    mirror: bool
    """Mirror half of the training images, with their maps."""
    dont_care: bool
    """Give pixels without a class, such as 255, a class of their own."""
    edges: bool
    """Show the networks the edges of instances."""
    style: bool
    """Start the generator from an encoder's style of an image instead of from the map."""
    concatenate: bool
    """Hand the map to the generator's convolutions as channels beside ordinary batch norm, instead of SPADE's."""
    width: Annotated[int, at_least(1)]
    """Channels of the generator's last block, and of the encoder's first layer."""
    doublings: Annotated[int, at_least(1)]
    """Doublings of the size in the generator."""
    hidden: Annotated[int, at_least(1)]
    """Channels through which each norm reads the map."""
    gain: Annotated[float, above(0)]
    """Gain of the first weights, which are Xavier's normal ones."""
    encoder_size: Annotated[int, at_least(8)]
    """Side of the images that the encoder sees."""
    discriminator_width: Annotated[int, at_least(1)]
    """Channels of the discriminator's first layer."""
    discriminator_layers: Annotated[int, at_least(2)]
    """Layers of the discriminator whose maps are compared; all but the last of them have stride 2."""
    generator_rate: Annotated[float, above(0)]
    """Learning rate of generator and encoder."""
    discriminator_rate: Annotated[float, above(0)]
    """Learning rate of the discriminator."""
    beta1: Annotated[float, PART]
    """Decay of Adam's mean gradient."""
    beta2: Annotated[float, PART]
    """Decay of Adam's mean squared gradient."""
    decay_from: Annotated[float | None, PART]
    """Share of the run after which both rates fall linearly to 0; constant if not given."""
    matching: Annotated[float, at_least(0)]
    """Weight of feature matching."""
    seen: Annotated[float, at_least(0)]
    """Weight of the perceptual loss; 0 for none."""
    perceptual: str
    """Classifier of the perceptual loss: scenes, the small one that comes with the library, or vgg19:FILE."""
    kl: Annotated[float, at_least(0)]
    """Weight of the styles' divergence from N(0, I)."""


COCO = Hyper(
    data="maps:coco_stuff", image_size=286, stream=True, epochs=100, batch_size=32, crop=256, mirror=True,
    dont_care=True, edges=True, style=False, concatenate=False, width=64, doublings=5, hidden=128, gain=0.02,
    encoder_size=256, discriminator_width=64, discriminator_layers=4, generator_rate=1e-4, discriminator_rate=4e-4,
    beta1=0.0, beta2=0.9, decay_from=None, matching=10.0, seen=10.0, perceptual="vgg19:vgg19.npz", kl=0.2,
    evaluate_every=5000, checkpoint_every=5000,
)  # fmt: skip
ADE20K = replace(COCO, data="maps:ade20k", epochs=200, decay_from=0.5, edges=False)
PRESETS = {
    "small": Hyper(
        data="maps:scenes", image_size=32, steps=200, batch_size=8, crop=None, mirror=True, dont_care=False,
        edges=False, style=False, concatenate=False, width=8, doublings=3, hidden=16, gain=1.0, encoder_size=32,
        discriminator_width=16, discriminator_layers=3, generator_rate=5e-4, discriminator_rate=2e-3, beta1=0.0,
        beta2=0.999, decay_from=None, matching=10.0, seen=0.0, perceptual="scenes", kl=0.05, evaluate_every=200,
    ),
    "paper": COCO,
    "coco": COCO,
    "ade20k": ADE20K,
    "cityscapes": replace(
        COCO, data="maps:cityscapes", image_size=None, crop=None, epochs=200, batch_size=16, decay_from=0.5,
        dont_care=False, doublings=6,
    ),
    "facades": replace(ADE20K, data="maps:facades", dont_care=False),
}  # fmt: skip
SCORE = ("mean_iou", "mean IoU of what a segmenter sees in drawn test maps")
CONTROLS = {"map concatenated instead": ("--concatenate",)}


def prepare(crop: int | None, mirror: bool, batch: Any, key: jax.Array) -> dict[str, Any]:
    """Return images in [-1, 1] with their maps, each cropped and mirrored at random, alike."""
    cut_key, flip_key = jax.random.split(key)
    out = {}
    for name in [name for name in ("images", "maps", "instances") if name in batch]:
        own = {"images": batch[name]}
        if crop is not None:
            own = transforms.random_crop(own, cut_key, size=crop)
        out[name] = (transforms.flip(own, flip_key) if mirror else own)["images"]
    return {**out, "images": TANH.from_bytes(out["images"])}


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return SPADE's run on `dataset`; ValueError unless it has label maps and images in colour."""
    if "maps" not in dataset.train.columns:
        raise ValueError(
            f"SPADE draws label maps, and {dataset.name} has none; give --data maps:scenes, or maps:DIR with folders "
            "images and maps"
        )
    height, width, channels = dataset.shape
    if channels != 3:
        raise ValueError(f"SPADE draws in colour, and {dataset.name} is grey; add --channels 3")
    if hyper.crop is not None and hyper.crop > min(height, width):
        raise ValueError(f"--crop {hyper.crop} does not fit into images of {height} x {width}; give a smaller one")
    shape = (hyper.crop or height, hyper.crop or width, channels)
    dtype, steps = compute_type(hyper), steps_of(hyper, len(dataset.train))
    labels = spade.Labels(len(dataset.map_names), hyper.dont_care, hyper.edges)
    made: dict[str, Any] = {"initializer": scaled_glorot(hyper.gain), "dtype": dtype}
    generator = spade.Generator(hyper.width, hyper.doublings, hyper.hidden, hyper.concatenate, **made)
    discriminator = spade.Discriminator(hyper.discriminator_width, hyper.discriminator_layers, **made)
    encoder = spade.Encoder(hyper.width, hyper.encoder_size, **made) if hyper.style else None
    own = partial(adam, b1=hyper.beta1, b2=hyper.beta2, decay=falling(hyper.decay_from))
    optimizers = {"generator": for_run(own(hyper.generator_rate), hyper),
                  "discriminator": for_run(own(hyper.discriminator_rate), hyper)}  # fmt: skip
    notes: list[str] = []
    compared: dict[str, Any] = {}
    if hyper.seen:
        sight = perceptual.open_sight(hyper.perceptual, absent=dataset.absent)
        shares = perceptual.shares_of(sight)
        notes.append(f"perceptual loss: {', '.join(shares)} of {sight.name}")
        compared = {"perceptual": perceptual.absolute(sight, shares), "memory": {perceptual.MEMORY: sight.parameters}}
    game = spade.game(
        generator, discriminator, encoder, generator_tx=optimizers["generator"].transformation(steps),
        discriminator_tx=optimizers["discriminator"].transformation(steps), image_shape=shape, labels=labels,
        weights=spade.Weights(hyper.matching, hyper.seen, hyper.kl), **compared,
    )  # fmt: skip
    task = synthesis(
        dataset=dataset, size=shape[:2], takes=Takes("maps", 1, multiple=2**hyper.doublings),
        draw=drawing(generator, encoder, labels, shape[:2]), prepare=partial(prepare, hyper.crop, hyper.mirror),
        inputs=_inputs(hyper),
    )  # fmt: skip
    return Run(
        (Phase(game, steps, Feed(dataset.train, hyper.batch_size, task.prepare)),), optimizers, task, tuple(notes)
    )


def _inputs(hyper: Hyper) -> dict[str, str]:
    edges = {"instances": "uint8[count, height, width, 1], a number for each instance; the map if not given"}
    style = {"style": "uint8[count, height, width, 3], images whose style is taken; a random style if not given"}
    return (edges if hyper.edges else {}) | (style if hyper.style else {})


def drawing(generator: Any, encoder: Any, labels: spade.Labels, size: tuple[int, int]) -> Any:
    """Return how a state draws maps, see `genjax.tasks.synthesis.Draw`; one random style for all if none is given."""

    @jax.jit
    def drawn(generator_variables: Any, encoder_variables: Any, rows: Any, key: jax.Array) -> jax.Array:
        style = None
        if encoder is not None and "style" in rows:
            style, _ = encoder.apply(encoder_variables, TANH.from_bytes(rows["style"]))
        elif encoder is not None:
            style = jnp.broadcast_to(jax.random.normal(key, (1, encoder.style)), (len(rows["maps"]), encoder.style))
        image = generator.apply(generator_variables, labels.read(rows), style)
        return (image - TANH.low) / (TANH.high - TANH.low)

    def draw(state: State, rows: Rows, key: jax.Array) -> jax.Array:
        if encoder is not None and rows["maps"].shape[1:3] != size:
            raise ValueError(
                f"with --style this generator draws {size[0]} x {size[1]} pixels (height x width) alone, not "
                f"{rows['maps'].shape[1]} x {rows['maps'].shape[2]}; resize the maps, to the nearest pixel"
            )
        own = state.variables_of("encoder") if encoder is not None else None
        return drawn(state.variables_of("generator"), own, dict(rows), key)

    return draw


if __name__ == "__main__":
    raise SystemExit(main("spade"))
