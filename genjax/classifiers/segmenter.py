"""A small network that names the class of every pixel, by which images that were drawn from label maps are judged."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from genjax import parallel
from genjax.data.dataset import Arrays
from genjax.data.ranges import TANH
from genjax.engine.game import Aux, Game, Player
from genjax.engine.loop import Settings, train
from genjax.engine.network import aux, with_networks
from genjax.engine.phases import Feed, Phase
from genjax.nn.conv import Conv
from genjax.nn.initializers import HE
from genjax.nn.weights import Plain
from genjax.nn.wide import wide

Segment = Callable[[np.ndarray], np.ndarray]
"""images uint8[count, height, width, channels] -> classes int[count, height, width]."""
AT_ONCE = 64
"""Images in one call."""


class Segmenter(nn.Module):
    """3x3 convolutions of `width` channels with ReLU, and one of 1x1: a class sees 7 pixels a side.

    It knows colours and textures, not scenes: enough to see whether a pixel was drawn as its class.
    """

    classes: int
    width: int = 24
    depth: int = 3

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Return logits float32[batch, height, width, classes] of images in [-1, 1]."""
        x = images
        for layer in range(self.depth):
            x = nn.relu(Conv(self.width, 3, 1, weight=Plain(HE), name=f"conv{layer}")(x))
        return wide(Conv(self.classes, 1, 1, weight=Plain(HE), name="classes")(x))


def loss(nets, state, batch, key) -> tuple[jax.Array, Aux]:
    """L = -E log softmax(logits) at the class of every pixel that has one: a map's 255 has none."""
    maps = batch["maps"][..., 0].astype(jnp.int32)
    logits, segmenter = nets.segmenter(batch["images"])
    known = maps < logits.shape[-1]
    log_p = jax.nn.log_softmax(logits)
    of_class = jnp.take_along_axis(log_p, jnp.where(known, maps, 0)[..., None], -1)[..., 0]
    return -jnp.sum(of_class * known) / jnp.maximum(jnp.sum(known), 1), aux(segmenter)


def game(network: Segmenter, tx: optax.GradientTransformation, image_shape: tuple[int, int, int]) -> Game:
    """Return the game of one player, "segmenter"."""
    owns = ("segmenter",)
    player = Player("segmenter", with_networks(loss, {"segmenter": network}, owns), tx, owns)
    return Game((player,), {"segmenter": lambda key: network.init(key, jnp.zeros((1, *image_shape)))})


def trained(arrays: Any, classes: int, *, steps: int = 300, batch_size: int = 16, seed: int = 0) -> Segment:
    """Return a segmenter trained on {"images", "maps"} of a split, by `steps` steps of Adam."""
    network = Segmenter(classes)
    tx = optax.adam(optax.cosine_decay_schedule(5e-3, steps))
    shape = arrays["images"].shape[1:]
    split = {name: np.asarray(arrays[name]) for name in ("images", "maps")}
    feed = Feed(Arrays(split), min(batch_size, len(split["images"])), TANH.prepare)
    phase, never = Phase(game(network, tx, shape), steps, feed), steps + 1
    settings = Settings(evaluate_every=never, checkpoint_every=never)
    state = train(
        (phase,), parallel.jit_plan(jax.local_devices()[:1]), seed=seed, settings=settings, progress=False
    ).state
    apply = jax.jit(partial(_classes, network))

    def segment(images: np.ndarray) -> np.ndarray:
        parts = (images[at : at + AT_ONCE] for at in range(0, len(images), AT_ONCE))
        return np.concatenate([np.asarray(apply(state.variables_of("segmenter"), part)) for part in parts])

    return segment


def _classes(network: Segmenter, variables: Any, images: jax.Array) -> jax.Array:
    logits: Any = network.apply(variables, TANH.from_bytes(images))
    return jnp.argmax(logits, -1)
