"""A classifier of drawn scenes with two solids, which says whether images show what sentences say."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from genjax import rng
from genjax.classifiers.classify import cross_entropy
from genjax.data import Dataset
from genjax.data.drawn import scenes
from genjax.data.resize import shrunk
from genjax.data.transforms import centre_crop
from genjax.nn.coders import ConvEncoder

STEPS, BATCH, RATE = 600, 64, 3e-3
CHOICES = {"size": 2, "colour": len(scenes.COLOURS), "shape": len(scenes.SHAPES)}


class Seen(NamedTuple):
    """Logits float[count, 2, choices] of each property, of the left solid and of the right one."""

    size: jax.Array
    colour: jax.Array
    shape: jax.Array


Judge = Callable[[int], Callable[[np.ndarray], Seen]]
"""Side of images -> (images uint8[count, side, side, channels] -> what is seen in them)."""


def solids_judge(dataset: Dataset, crop: int) -> Judge:
    """Return a function that trains a classifier of images of some size when it is first asked for, and keeps it.

    crop: side of the middle of images that is seen, reduced to the size.  Strided convolutions and a dense layer for
    both solids, 600 steps of Adam at 3e-3, falling along a cosine; always the same, whatever the seed of the run.
    """

    @cache
    def trained(size: int) -> Callable[[np.ndarray], Seen]:
        network, ends = ConvEncoder((16, 32, 64)), np.cumsum(list(CHOICES.values()))[:-1]
        heads = (2 * sum(CHOICES.values()),)
        tx = optax.adam(optax.cosine_decay_schedule(RATE, STEPS))

        def read(logits: jax.Array) -> Seen:
            return Seen(*jnp.split(logits.reshape(len(logits), 2, -1), ends, -1))

        def loss(params, stats, images, asked):
            variables = {"params": params, "batch_stats": stats}
            (out,), changed = network.apply(variables, images, None, heads, True, mutable=["batch_stats"])
            flat = [(x.reshape(-1, x.shape[-1]), asked[..., number].ravel()) for number, x in enumerate(read(out))]
            return sum(cross_entropy(*each) for each in flat), changed["batch_stats"]

        @jax.jit
        def step(carry, images, asked):
            params, stats, moments = carry
            gradient, stats = jax.grad(loss, has_aux=True)(params, stats, images / 255.0, asked)
            updates, moments = tx.update(gradient, moments, params)
            return optax.apply_updates(params, updates), stats, moments

        example = jnp.zeros((1, size, size, dataset.shape[-1]))
        variables = network.init(rng.named(jax.random.key(0), "judge"), example, None, heads, True)
        carry = variables["params"], variables["batch_stats"], tx.init(variables["params"])
        draw = np.random.default_rng(0)
        for _ in range(STEPS):
            rows = dataset.train.take(np.sort(draw.integers(0, len(dataset.train), BATCH)))
            images = shrunk(jnp.asarray(centre_crop(rows["images"], crop)), crop // size)
            carry = step(carry, images, scenes.sides(rows["captions"][:, 0]))
        found = {"params": carry[0], "batch_stats": carry[1]}
        apply = jax.jit(lambda images: network.apply(found, images / 255.0, None, heads, False)[0])

        def classify(images: np.ndarray) -> Seen:
            return read(
                jnp.concatenate([apply(jnp.asarray(images[at : at + 250])) for at in range(0, len(images), 250)])
            )

        return classify

    return trained


def agreement(seen: Seen, asked: np.ndarray) -> dict[str, float]:
    """Return size, colour, shape, place and match: see `Captioned.scores`.

    asked: int[count, 2, 3], size, colour and shape of the left and of the right solid.
    """
    found = {
        name: float((np.asarray(logits).argmax(-1) == asked[..., number]).mean())
        for number, (name, logits) in enumerate(seen._asdict().items())
    }
    log_p, colours = np.asarray(jax.nn.log_softmax(seen.colour)), asked[..., 1]
    straight, crossed = (
        np.take_along_axis(log_p, each[..., None], -1).sum((1, 2)) for each in (colours, colours[:, ::-1])
    )
    different = colours[:, 0] != colours[:, 1]
    found["place"] = float((straight > crossed)[different].mean())
    found["match"] = float(np.mean([found[name] for name in ("colour", "shape", "place")]))
    return found
