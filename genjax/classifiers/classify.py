"""Classification as a game with one player, and what follows from a trained network: probabilities and accuracy."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from genjax.engine.game import Aux, Game, Player
from genjax.engine.network import aux, with_networks
from genjax.nn.wide import wide


def cross_entropy(logits: jax.Array, labels: jax.Array, smoothing: float = 0.0) -> jax.Array:
    """Return mean_b -sum_c q_bc log softmax(logits_b)_c, q = (1 - s) onehot(label) + s / classes.

    logits: float[B, classes].  labels: int[B].  smoothing: s in [0, 1).  Computed in at least float32.
    Source of s: Szegedy et al. 2015, arXiv 1512.00567, section 7.
    """
    log_p = jax.nn.log_softmax(wide(logits))
    target = jnp.take_along_axis(log_p, labels[:, None], axis=-1)[:, 0]
    return -jnp.mean((1 - smoothing) * target + smoothing * jnp.mean(log_p, axis=-1))


def loss(nets, state, batch, key, *, smoothing: float) -> tuple[jax.Array, Aux]:
    """Return the cross entropy of network "classifier" in training mode on images float[B, H, W, C], labels int[B]."""
    labels = batch["labels"]
    logits, classifier = nets.classifier(batch["images"], key=key)
    hits = jnp.mean(jnp.argmax(logits, axis=-1) == labels)
    return cross_entropy(logits, labels, smoothing), aux(classifier, accuracy=hits)


def game(
    network: nn.Module,
    tx: optax.GradientTransformation,
    *,
    image_shape: Sequence[int],
    smoothing: float = 0.0,
    ema: float | None = None,
) -> Game:
    """Return the game of one player that trains `network`, kept under the name "classifier".

    network: images float[B, H, W, C] -> logits, with a `train` flag.  image_shape: (H, W, C).
    smoothing: label smoothing in [0, 1).  ema: decay of averaged parameters, None for no average.
    Raises ValueError where `smoothing` is outside [0, 1).
    """
    if not 0 <= smoothing < 1:
        raise ValueError(f"label smoothing is {smoothing}; it must be in [0, 1), for example 0.1")
    owns = ("classifier",)
    bound = with_networks(partial(loss, smoothing=smoothing), {"classifier": network}, owns)
    return Game(
        players=(Player("classifier", bound, tx, owns),),
        networks={"classifier": lambda key: network.init(key, jnp.zeros((1, *image_shape)))},
        ema={} if ema is None else {"classifier": ema},
    )


def predictor(network: nn.Module, variables: Any) -> Callable[[jax.Array], jax.Array]:
    """Return the function images float[B, H, W, C] -> softmax probabilities float[B, classes]."""

    def predict(images: jax.Array) -> jax.Array:
        logits: Any = network.apply(variables, images, train=False)
        return jax.nn.softmax(wide(logits))

    return predict


def accuracy(
    predict: Callable[[jax.Array], jax.Array], images: jax.Array, labels: jax.Array, batch: int = 256
) -> float:
    """Return the share of images whose largest probability is that of their label, `batch` images at a time."""
    top = jax.jit(lambda x: jnp.argmax(predict(x), axis=-1))
    hits = sum(int(jnp.sum(top(images[i : i + batch]) == labels[i : i + batch])) for i in range(0, len(images), batch))
    return hits / len(images)


def features_and_logits(network: nn.Module, variables: Any, inputs: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return what the network's last dense layer sees, float[batch, features], and its logits, float[batch, classes].

    inputs: as the network takes them.  A network without a dense layer (SqueezeNet) has its logits as features.
    """
    seen: list[jax.Array] = []

    def note(call, arguments, options, context):
        if isinstance(context.module, nn.Dense) and context.method_name == "__call__":
            seen.append(arguments[0])
        return call(*arguments, **options)

    with nn.intercept_methods(note):
        logits: Any = network.apply(variables, inputs)
    return (seen[-1] if seen else logits), logits
