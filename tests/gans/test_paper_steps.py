"""One real optimizer step of every published configuration, at a reduced batch."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import data
from genjax.engine import init_state, make_step
from genjax.run.run import recipe
from tests.engine.toy import worst

# Data sets keep their shapes and classes; of images there are as many as a batch takes.
FAST = (("unrolled", "paper"), ("cgan", "paper"))
SLOW = (
    ("unrolled", "notebook"), ("wgan_gp", "plane"), ("gan", "paper"),
    ("wgan_gp", "mnist"), ("dcgan", "cifar10"), ("gan", "cifar10"),
    ("dcgan", "paper"), ("dcgan", "torch"), ("dcgan", "lsun"), ("wgan", "paper"),
    ("wgan", "no_batch_norm"), ("wgan", "mlp_generator"), ("wgan", "mlp"),
    ("wgan_gp", "paper"), ("wgan_gp", "lsun"), ("wgan_gp", "lsun_strided"), ("wgan_gp", "cifar10_strided"),
    ("sngan", "paper"), ("sngan", "plain"), ("sngan", "table3"), ("sngan", "projection"), ("sngan", "stl10"),
    ("sngan", "imagenet"), ("sngan", "imagenet_projection"), ("sngan", "imagenet64_projection"),
    ("biggan", "paper"), ("biggan", "ch64"), ("biggan", "cifar10"), ("biggan", "deep128"),
    ("sagan", "paper"), ("sagan", "attention64"), ("sagan", "cifar10"),
    ("presgan", "paper"), ("presgan", "celeba"),
)  # fmt: skip
BATCH = 4


def images_like(spec: str, size: int | None) -> data.Dataset:
    """Return random images of the shape and with as many classes as `spec` has."""
    if spec.startswith("mixture:"):
        return data.load(spec)
    facts = data.known(spec, image_size=size)
    (shape, _), classes = facts.columns["images"], len(facts.class_names)
    random = np.random.Generator(np.random.Philox(0))
    count = max(64, classes)  # a class number at or above the number of images is refused
    arrays = {"images": random.integers(0, 256, (count, *shape), np.uint8)}
    if classes:
        arrays["labels"] = random.integers(0, classes, count, np.int32)
    return data.Dataset(spec, data.Arrays(arrays), data.Arrays(arrays), facts.class_names)


@pytest.mark.parametrize(("name", "preset"), [*FAST, *(pytest.param(*each, marks=pytest.mark.slow) for each in SLOW)])
def test_a_step_changes_every_network_and_its_losses_are_finite(name, preset):
    found = recipe(name)
    hyper = dataclasses.replace(found.presets[preset], batch_size=BATCH, epochs=None, steps=1000, train_images=None)
    phase = found.build(hyper, images_like(hyper.data, hyper.image_size)).phases[-1]
    game, key = phase.game, jax.random.key(0)
    repeats = game.batches_per_step
    raw = phase.feed.split.take(np.arange(BATCH * repeats) % len(phase.feed.split))

    @jax.jit
    def advance(state, raw):
        batch = {k: x.reshape(repeats, BATCH, *x.shape[1:]) for k, x in phase.feed.prepare(raw, key).items()}
        return make_step(game)(state, batch, key)

    start = jax.jit(lambda key: init_state(game, key))(key)
    after, metrics = advance(start, {name: jnp.asarray(x) for name, x in raw.items()})
    losses = {name: float(x) for name, x in metrics.items() if name.endswith("/loss")}
    assert losses
    assert all(math.isfinite(x) for x in losses.values()), losses
    for net in start.params:
        assert worst(after.params[net], start.params[net]) > 0, net
    assert all(np.isfinite(np.asarray(x)).all() for x in jax.tree.leaves(after.params))


def test_every_published_preset_is_among_them():
    for name in ("gan", "dcgan", "cgan", "wgan", "wgan_gp", "sngan", "sagan", "presgan", "unrolled"):
        own = {(name, preset) for preset in ("small", "stacked")}
        assert {(name, preset) for preset in recipe(name).presets} - own <= {*FAST, *SLOW}
