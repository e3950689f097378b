"""CAGAN, the conditional analogy GAN (Jetchev & Bergmann 2017, arXiv 1709.04695).

    python -m train.cagan [preset] [options]

Presets
    small       drawn persons in plain, hooped, striped and dotted garments at 32 pixels; 16 channels
    paper       128 x 96 pixels out of 148 x 111, 64 channels: sizes and weights from the text. Batch 16 and rate 2e-4
                are those of its public re-implementations, 10,000 steps and the size of the authors' set unverified
Any persons and what they wear, as --data triplets:DIR: folders persons, articles and, where there are any, others, with
equal names. Without others the article of the batch's next person is wanted.

Persons are mirrored with the article that they wear, the other one by itself. Persons are cropped at random and
articles in their middle, which the text does not say.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from genjax.data import Dataset, transforms
from genjax.data.ranges import TANH
from genjax.engine.phases import Feed, Phase
from genjax.engine.state import State
from genjax.gans import cagan
from genjax.run.cli import main
from genjax.run.optimizers import adam, for_run
from genjax.run.options import PART, Options, above, at_least, steps_of
from genjax.run.run import Run, compute_type
from genjax.tasks.pairs import Pairs
from genjax.tasks.sizes import Rows, Takes


@dataclass(frozen=True, kw_only=True)
class Hyper(Options):
    """Options of CAGAN."""

    crop: Annotated[tuple[int, int] | None, at_least(1)]
    """Height and width of random crops to train on; whole images if not given."""
    mirror: bool
    """Mirror half of the persons with what they wear, and half of the other articles."""
    width: Annotated[int, at_least(1)]
    """Channels of the generator's first layer."""
    halvings: Annotated[int, at_least(1)]
    """How often the generator halves an image."""
    discriminator_width: Annotated[int, at_least(1)]
    """Channels of the discriminator's first layer."""
    discriminator_halvings: Annotated[int, at_least(1)]
    """How often the discriminator halves an image."""
    injection: Literal["both", "generator", "none"]
    """Networks every layer of which is given the inputs too, at its own size."""
    cycle: Annotated[float, at_least(0)]
    """Weight of swapping back."""
    identity: Annotated[float, at_least(0)]
    """Weight of the mask's mean."""
    mismatched: Annotated[float, at_least(0)]
    """Weight of the discriminator's pairs of a person and an article that is not worn."""
    generator_rate: Annotated[float, above(0)]
    """Learning rate of the generator."""
    discriminator_rate: Annotated[float, above(0)]
    """Learning rate of the discriminator."""
    beta1: Annotated[float, PART]
    """Decay of Adam's mean gradient."""


PRESETS = {
    "small": Hyper(
        data="triplets:garments", image_size=32, steps=600, batch_size=8, crop=None, mirror=False, width=16,
        halvings=3, discriminator_width=24, discriminator_halvings=3, injection="generator", cycle=1.0, identity=0.1,
        mismatched=1.0, generator_rate=1e-3, discriminator_rate=5e-4, beta1=0.5, evaluate_every=300,
    ),
    "paper": Hyper(
        data="triplets:zalando", image_size=None, steps=10_000, batch_size=16, crop=(128, 96), mirror=True, width=64,
        halvings=4, discriminator_width=64, discriminator_halvings=4, injection="both", cycle=1.0, identity=0.1,
        mismatched=1.0, generator_rate=2e-4, discriminator_rate=2e-4, beta1=0.5, stream=True,
    ),
}  # fmt: skip
SCORE = ("l1", "error of persons in the other garment, of a range of 1, in which they were never seen; copying: 0.0383")
CONTROLS = {"without swapping back": ("--cycle", "0")}
INPUTS = {
    "images": "uint8[count, height, width, 3], persons",
    "articles": "uint8[count, height, width, 3], what each wears",
    "others": "uint8[count, height, width, 3], what each is to wear",
}


def prepare(crop: tuple[int, int] | None, mirror: bool, batch: Any, key: jax.Array) -> dict[str, Any]:
    """Return persons and articles in [-1, 1], cropped, and mirrored: persons with what they wear."""
    cut_key, worn_key, other_key = jax.random.split(key, 3)
    out = {name: {"images": batch[name]} for name in INPUTS if name in batch}
    if crop is not None:
        out = {name: {"images": transforms.centre_crop(x["images"], crop)} for name, x in out.items()}
        out["images"] = transforms.random_crop({"images": batch["images"]}, cut_key, size=crop)
    if mirror:
        out = {name: transforms.flip(x, other_key if name == "others" else worn_key) for name, x in out.items()}
    return {name: TANH.from_bytes(x["images"]) for name, x in out.items()}


def split(crop: tuple[int, int] | None, rows: Rows) -> tuple[Rows, np.ndarray | None]:
    """Return persons, what they wear and what they are to wear, and the persons wearing that where it is known."""
    names = (*INPUTS, "targets")
    found = {
        name: np.asarray(rows[name] if crop is None else transforms.centre_crop(rows[name], crop))
        for name in names
        if name in rows
    }
    target = found.pop("targets", None)
    return {**found, "others": found.get("others", np.roll(found["articles"], -1, 0))}, target


def measure(composed: Any, crop: tuple[int, int] | None, state: State, rows: Rows, outputs: np.ndarray) -> dict:
    """Return how well garments are swapped, all of a range of 1.

    back: E |person - person swapped back|.  mask: the mask's mean.  Where the data set has masks of the garments,
    mask_in, mask_out: its means on them and elsewhere; outside: the mean change elsewhere; and where it has persons in
    what is wanted, cloth: E |mean colour of the garment - mean colour it should have|, cloth_copy the same of persons
    as they are.
    """
    given, target = split(crop, rows)
    swapped, drawn = composed(state, given)
    again, _ = composed(state, {"images": swapped, "articles": given["others"], "others": given["articles"]})
    persons = given["images"] / np.float32(255)
    found = {"back": float(np.abs(again - persons).mean()), "mask": float(drawn.mean())}
    if "masks" not in rows:
        return found
    cloth = rows["masks"] if crop is None else transforms.centre_crop(rows["masks"], crop)
    cloth = cloth.astype(np.float32)

    def within(images: np.ndarray, where: np.ndarray) -> np.ndarray:
        return (images * where).sum((1, 2)) / np.maximum(where.sum((1, 2)), 1)

    found |= {
        "mask_in": float(within(drawn, cloth).mean()),
        "mask_out": float(within(drawn, 1 - cloth).mean()),
        "outside": float(within(np.abs(outputs - persons), 1 - cloth).mean()),
    }
    if target is not None:
        right = within(target / np.float32(255), cloth)
        found |= {
            f"cloth{name}": float(np.abs(within(images, cloth) - right).mean())
            for name, images in (("", outputs), ("_copy", persons))
        }
    return found


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return CAGAN's run on `dataset`; ValueError unless it has persons in colour and what they wear."""
    columns = dataset.train.columns
    if "articles" not in columns or dataset.shape[-1] != 3:
        raise ValueError(
            f"CAGAN learns from persons in colour and what they wear, and {dataset.name} has none; give --data "
            "triplets:garments, or triplets:DIR with folders persons and articles"
        )
    if "others" not in columns and hyper.batch_size < 2:
        raise ValueError(f"--batch-size 1: {dataset.name} has no others, so the article of a batch's next person is "
                         "wanted; give at least 2")  # fmt: skip
    height, width, _ = dataset.shape
    if hyper.crop is not None and (len(hyper.crop) != 2 or hyper.crop[0] > height or hyper.crop[1] > width):
        raise ValueError(f"--crop {hyper.crop} does not fit into images of {height} x {width}; give a smaller one")
    shape = (*(hyper.crop or (height, width)), 3)
    dtype, steps = compute_type(hyper), steps_of(hyper, len(dataset.train))
    generator = cagan.Generator(hyper.width, hyper.halvings, hyper.injection != "none", dtype=dtype)
    discriminator = cagan.Discriminator(
        hyper.discriminator_width, hyper.discriminator_halvings, hyper.injection == "both", dtype=dtype
    )
    rates = {"discriminator": hyper.discriminator_rate, "generator": hyper.generator_rate}
    own = {player: for_run(adam(rate, b1=hyper.beta1), hyper) for player, rate in rates.items()}
    game = cagan.game(
        generator, discriminator, image_shape=shape, cycle=hyper.cycle, identity=hyper.identity,
        mismatched=hyper.mismatched, **{f"{player}_tx": each.transformation(steps) for player, each in own.items()},
    )  # fmt: skip
    for init in game.networks.values():  # each refuses sides that it cannot work with
        jax.eval_shape(init, jax.random.key(0))

    @jax.jit
    def dressed(variables: Any, rows: Rows) -> tuple[jax.Array, jax.Array]:
        persons, worn, wanted = (TANH.from_bytes(rows[name]) for name in INPUTS)
        drawn: Any = generator.apply(variables, persons, worn, wanted)
        swapped, mask = cagan.composite(drawn, persons)
        return (swapped + 1) / 2, mask

    def composed(state: State, rows: Rows) -> tuple[jax.Array, jax.Array]:
        missing = [f"{name} ({text})" for name, text in INPUTS.items() if name not in rows]
        if missing:
            raise ValueError(f"swapping garments also needs {' and '.join(missing)}; give them")
        return dressed(state.variables_of("generator"), {name: jnp.asarray(rows[name]) for name in INPUTS})

    prepared = partial(prepare, hyper.crop, hyper.mirror)
    multiple = 2**hyper.halvings
    task = Pairs(
        dataset=dataset, takes=Takes(multiple=multiple, smallest=2 * multiple), conditions=INPUTS,
        split=partial(split, hyper.crop), apply=lambda state, rows, key: composed(state, rows)[0], prepare=prepared,
        measure=partial(measure, composed, hyper.crop), imitates="images", size=shape[:2],
    )  # fmt: skip
    return Run((Phase(game, steps, Feed(dataset.train, hyper.batch_size, prepared)),), own, task)


if __name__ == "__main__":
    raise SystemExit(main("cagan"))
