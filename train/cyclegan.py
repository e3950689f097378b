"""CycleGAN (Zhu et al. 2017, arXiv 1703.10593).

    python -m train.cyclegan [preset] [options]

Presets
    small       digits, white on black and yellow on blue, at 16 pixels; 12 channels, 2 blocks: minutes on two CPUs
    paper       256 pixels of horses and zebras, 9 blocks, batch 1, 200 epochs; any two domains, as --data folder:DIR
                with trainA, trainB and perhaps testA, testB
    cityscapes  128 pixels, 6 blocks, as the paper's experiments on Cityscapes

In `small` the strokes are the brighter part in both domains. With dark strokes on a bright ground in B instead, one of
three seeds took strokes for ground, cycled as well as the others, and kept no label: nothing in the losses forbids it.

The rate is constant over the first half and falls linearly to 0 over the second; the authors' code falls by 1/101 in
each of 100 epochs and ends at 0.0099 of it.
"""

import dataclasses
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from genjax import optim
from genjax.data import Arrays, Dataset, Files, Unpaired, transforms
from genjax.engine.phases import Feed, Phase
from genjax.engine.state import State
from genjax.gans import cyclegan
from genjax.nn.patch import PatchDiscriminator
from genjax.viz.grid import save_grid
from train import _gan as shared
from train import _optimizer
from train._cli import Common, Run, Sampler, main, steps_of

SCORE = ("label_kept", "translated digits whose nearest image of the other domain has the same label")
COMPARED = 200
"""Test images in a score."""


@dataclass(frozen=True)
class Hyper(Common):
    """Options of CycleGAN."""

    crop: int | None = None
    """Train on random crops of this side; whole images if not given."""
    mirror: bool = True
    """Mirror half of the training images."""
    width: int = 64
    """Channels of the generators' first and last layers."""
    blocks: int = 9
    """Residual blocks."""
    discriminator_width: int = 64
    """Channels of the discriminators' first layer."""
    discriminator_layers: int = 3
    """Strided layers of the discriminators; 3 see 70 pixels."""
    cycle: float = 10.0
    """Weight of the cycle loss."""
    identity: float = 5.0
    """Weight of the identity loss; 0 for none."""
    pool: int = 50
    """Generated images kept in each domain, from which the discriminators' are drawn."""
    rate: float = 2e-4
    """Learning rate of all networks."""
    beta1: float = 0.5
    """Adam's decay of the mean gradient."""


SMALL = Hyper(
    data="domains:digits", image_size=16, steps=500, batch_size=4, mirror=False, width=12, blocks=2,
    discriminator_width=16, discriminator_layers=2, rate=1e-3, fuse=1, evaluate_every=250,
)  # fmt: skip
PAPER = Hyper(
    data="folder:horse2zebra", image_size=286, crop=256, epochs=200, batch_size=1, evaluate_every=5000,
    checkpoint_every=5000,
)  # fmt: skip
PRESETS = {
    "small": SMALL,
    "paper": PAPER,
    "cityscapes": dataclasses.replace(PAPER, data="folder:cityscapes", image_size=143, crop=128, blocks=6),
}
CONTROLS = {"without the cycle loss": ("--cycle", "0", "--identity", "0")}


def second_half(peak: float, steps: int) -> optim.Schedule:
    """Return peak for the first half of `steps`, then peak (1 - (t - h) / (steps - h)) from h = steps / 2 on."""
    half = steps // 2
    return optax.join_schedules([optax.constant_schedule(peak), optax.linear_schedule(peak, 0.0, steps - half)], [half])


def prepare(crop: int | None, mirror: bool, batch: Any, key: jax.Array) -> dict[str, Any]:
    """Return images and targets in [-1, 1], each cropped at random and mirrored on its own."""
    out = {}
    for number, name in enumerate(("images", "targets")):
        own = {"images": batch[name]}
        cut_key, flip_key = jax.random.split(jax.random.fold_in(key, number))
        if crop is not None:
            own["images"] = _crop(own["images"], crop, cut_key)
        if mirror:
            own = transforms.flip(own, flip_key)
        out[name] = transforms.scale(own, key, low=-1.0, high=1.0)["images"]
    return out


def _crop(images: jax.Array, side: int, key: jax.Array) -> jax.Array:
    limits = jnp.array(images.shape[1:3]) - side + 1
    corners = jax.random.randint(key, (images.shape[0], 2), 0, limits[None])
    cut = lambda image, corner: jax.lax.dynamic_slice(image, (*corner, 0), (side, side, image.shape[-1]))  # noqa: E731
    return jax.vmap(cut)(images, corners)


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return CycleGAN's run on `dataset`; ValueError unless it has two domains."""
    if "targets" not in dataset.train.take([0]):
        raise ValueError(
            f"CycleGAN translates between two domains, and {dataset.name} has one; give --data domains:digits, "
            "domains:scenes, or folder:DIR with sub-folders trainA and trainB"
        )
    height, width, channels = dataset.shape
    if hyper.crop is not None and not 1 <= hyper.crop <= min(height, width):
        raise ValueError(f"--crop {hyper.crop} does not fit into images of {height} x {width}; give a smaller one")
    shape = (hyper.crop or height, hyper.crop or width, channels)
    kind = shared.dtype(hyper)
    generator = cyclegan.Generator(channels, hyper.width, hyper.blocks, dtype=kind)
    discriminator = PatchDiscriminator(hyper.discriminator_layers, hyper.discriminator_width, dtype=kind)
    for network in (generator, discriminator):  # each refuses sides that it cannot work with
        jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, *shape)))
    own = partial(optax.adam, b1=hyper.beta1)
    made, judging = (_optimizer.optimizer(hyper, hyper.rate, hyper.steps, own, second_half, hyper.beta1) for _ in "AB")
    game = cyclegan.game(generator, discriminator, made, judging, shape, hyper.cycle, hyper.identity, hyper.pool)
    betas = f", {hyper.beta1:g}, 0.999"
    text = _optimizer.text(hyper, hyper.rate, f"adam({{rate}}{betas})", betas) + ", falling to 0 in the second half"
    feed = Feed(dataset.train, hyper.batch_size, partial(prepare, hyper.crop, hyper.mirror))
    apply = jax.jit(generator.apply)

    def translate(net: str, state: State, images: Any) -> np.ndarray:
        # A few at a time: batches of large images would not fit.
        parts = np.array_split(np.asarray(images), max(1, len(images) * images.shape[1] // 512))
        return np.concatenate([np.asarray(apply(state.variables_of(net), part)) for part in parts])

    def prior(key: jax.Array, count: int) -> jax.Array:
        source = domains(dataset.test)[0]
        rows = np.asarray(jax.random.randint(key, (count,), 0, len(source)))
        return jnp.asarray(pixels(source, rows, shape)["images"])

    def generate(state: State, latents: Any, labels: Any = None) -> np.ndarray:
        return translate("forward", state, latents)

    return Run(
        phases=(Phase(game, steps_of(hyper, len(dataset.train)), feed),),
        optimizers={"generators": text, "discriminators": text},
        evaluate=partial(evaluate, dataset, shape, translate),
        pictures=partial(pictures, dataset, shape, translate),
        sampler=Sampler(prior, generate, -1.0, 1.0, real=partial(middle, shape)),
    )


def domains(split: Any) -> tuple[Any, Any]:
    """Return the splits of domains A and B; pairs are taken apart."""
    if isinstance(split, Unpaired):
        return split.first, split.second
    rest = {name: x for name, x in split.arrays.items() if name not in ("images", "targets")}
    return Arrays({"images": split.arrays["images"], **rest}), Arrays({"images": split.arrays["targets"], **rest})


def pixels(split: Arrays | Files, rows: np.ndarray, shape: tuple[int, int, int]) -> dict[str, np.ndarray]:
    """Return images `rows`, their middle of `shape`, in [-1, 1], and labels if there are any."""
    batch = split.take(rows)
    return {**batch, "images": middle(shape, batch["images"])}


def middle(shape: tuple[int, ...], images: np.ndarray) -> np.ndarray:
    """Return the middle, of `shape`, of images of bytes, in [-1, 1]."""
    top, left = ((have - want) // 2 for have, want in zip(images.shape[1:3], shape[:2], strict=True))
    images = images[:, top : top + shape[0], left : left + shape[1]]
    return np.asarray(transforms.scale({"images": images}, jax.random.key(0), low=-1.0)["images"])


def _spread(split: Any, shape: tuple[int, int, int], count: int) -> dict[str, np.ndarray]:
    return pixels(split, np.linspace(0, len(split) - 1, min(count, len(split))).astype(int), shape)


def evaluate(dataset: Dataset, shape: tuple[int, int, int], translate: Any, state: State) -> dict[str, float]:
    """Return the cycle error of test images and, with labels, the share of labels that translation keeps.

    cycle_a: E |F(G(a)) - a|, of a range of 2.  kept_ab: how often the training image of B nearest to G(a) has a's
    label;
    real_b: the same for test images of B themselves, which no translation can expect to pass.  label_kept: the mean of
    kept_ab and kept_ba.
    """
    scores: dict[str, float] = {}
    test, train = domains(dataset.test), domains(dataset.train)
    for i, (here, there, net, back) in enumerate(
        (("a", "b", "forward", "backward"), ("b", "a", "backward", "forward"))
    ):
        source = _spread(test[i], shape, COMPARED)
        moved = translate(net, state, source["images"])
        scores[f"cycle_{here}"] = float(np.abs(translate(back, state, moved) - source["images"]).mean())
        if "labels" in source:
            known, real = _spread(train[1 - i], shape, 4000), _spread(test[1 - i], shape, COMPARED)
            nearest = partial(shared.nearest_labels, images=known["images"], labels=known["labels"])
            scores[f"kept_{here}{there}"] = float((nearest(moved) == source["labels"]).mean())
            scores[f"real_{there}"] = float((nearest(real["images"]) == real["labels"]).mean())
    if "kept_ab" in scores:
        scores["label_kept"] = (scores["kept_ab"] + scores["kept_ba"]) / 2
    return scores


def pictures(
    dataset: Dataset, shape: tuple[int, int, int], translate: Any, state: State, folder: Path, step: int
) -> None:
    """Write rows of test images a, G(a), F(G(a)) and b, F(b), G(F(b)), ten images wide."""
    rows = []
    for split, net, back in zip(domains(dataset.test), ("forward", "backward"), ("backward", "forward"), strict=True):
        images = _spread(split, shape, 10)["images"]
        moved = translate(net, state, images)
        rows += [np.resize(part, (10, *shape)) for part in (images, moved, translate(back, state, moved))]
    save_grid(folder / f"samples-{step:06d}.png", np.concatenate(rows), 10, low=-1.0, high=1.0)


if __name__ == "__main__":
    raise SystemExit(main("cyclegan", PRESETS, build))
