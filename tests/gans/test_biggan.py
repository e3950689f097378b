"""BigGAN's parts: orthogonal weights and their regularisation, the hierarchical latent, the published sizes."""

import math
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.traverse_util import flatten_dict

from genjax.engine import init_state
from genjax.gans import biggan
from genjax.losses.orthogonal import off_diagonal, off_diagonal_of
from tests.catalogue import SHAPE, labelled

KEY = jax.random.key(3)
SMALL = biggan.Generator(16, 1, 8, (8, 8), 3, attention=8, embedding=4)
DEEP = biggan.DeepGenerator(16, 1, 16, (8, 8), 3, attention=8, embedding=4)


@cache
def started(network, size):
    return jax.jit(network.init)(KEY, jnp.zeros((1, size)), jnp.zeros(1, jnp.int32))


# Orthogonal regularisation


def test_the_penalty_is_that_of_the_equation():
    matrix = jnp.asarray([[1.0, 2.0], [3.0, 4.0]])
    assert float(off_diagonal(matrix)) == 392  # 2 (1 * 2 + 3 * 4)^2
    assert float(off_diagonal(matrix.T)) == 242
    np.testing.assert_allclose(jax.grad(off_diagonal)(matrix.T), np.array([[132.0, 176.0], [44.0, 88.0]]).T)


@pytest.mark.parametrize("shape", [(3, 3, 2, 5), (2, 7), (1, 1, 3, 8)])
def test_the_smaller_matrix_of_products_gives_the_same_penalty(shape):
    kernel = jax.random.normal(KEY, shape)
    w = np.asarray(kernel, float).reshape(-1, shape[-1])
    products = w.T @ w
    assert float(off_diagonal(kernel)) == pytest.approx(((products - np.diag(np.diag(products))) ** 2).sum(), rel=1e-5)


def test_the_generator_pays_for_all_kernels_but_the_shared_embedding():
    params = {
        "embedding": {"table": jnp.full((4, 4), 9.0)},
        "block": {"gain": {"kernel": jnp.asarray([[1.0, 2.0], [3.0, 4.0]]), "bias": jnp.full(5, 7.0)}},
        "attention": {"gamma": jnp.float32(3)},
    }
    assert float(off_diagonal_of(params, exempt=("embedding",))) == 392
    discriminator = biggan.Discriminator((8, 8), 1, 10, None)
    generator = biggan.Generator(8, 1, 8, (8,), 10, None, 4)
    losses = []
    for orthogonal in (0.0, 0.5):
        game = biggan.game(
            generator, discriminator, generator_tx=optax.sgd(0.1), discriminator_tx=optax.sgd(0.1), classes=10,
            image_shape=SHAPE, latent=6, orthogonal=orthogonal,
        )  # fmt: skip
        state = jax.jit(partial(init_state, game))(KEY)
        params = jax.tree.map(lambda x: x + 0.05, state.params["generator"])
        state = state.replace(params={**state.params, "generator": params})
        losses.append(float(jax.jit(game.players[1].loss)(state, labelled(8, 0), KEY)[0]))
    penalty = float(off_diagonal_of(params, exempt=("embedding",)))
    assert penalty > 0.01
    assert losses[1] - losses[0] == pytest.approx(0.5 * penalty, rel=1e-3)
    assert game.players[0].repeats == 2


@pytest.mark.parametrize(("network", "size"), [(SMALL, 6), (DEEP, 5)])
def test_weights_begin_orthogonal(network, size):
    for path, kernel in flatten_dict(started(network, size)["params"], sep="/").items():
        if kernel.ndim < 2:
            continue
        w = np.asarray(kernel).reshape(-1, kernel.shape[-1])
        products = w.T @ w if w.shape[0] >= w.shape[1] else w @ w.T
        np.testing.assert_allclose(products, np.eye(len(products)), atol=1e-5, err_msg=path)


# Latents


@cache
def told(network):
    return jax.jit(partial(network.apply, capture_intermediates=True))


def within(network, variables, latent, label=1):
    """Return what the layers of a generator give."""
    _, found = told(network)(variables, latent, jnp.asarray([label]))
    return {path: leaf[0] for path, leaf in flatten_dict(found["intermediates"], sep="/").items()}


def moved_layers(network, size, part):
    """Return the layers whose outputs change where the numbers `part` of the latent do."""
    variables, latent = started(network, size), jax.random.normal(KEY, (1, size))
    before, after = (within(network, variables, z) for z in (latent, latent.at[:, part].add(1.0)))
    return {path.split("/")[0] for path, x in before.items() if not np.array_equal(x, after[path])}


def test_every_part_of_a_hierarchical_latent_enters_one_block():
    assert moved_layers(SMALL, 6, slice(4, 6)) >= {"block_1", "last"}
    assert not moved_layers(SMALL, 6, slice(4, 6)) & {"first", "block_0"}
    assert "block_0" in moved_layers(SMALL, 6, slice(2, 4))
    assert "first" not in moved_layers(SMALL, 6, slice(2, 4))
    assert "first" in moved_layers(SMALL, 6, slice(0, 2))
    whole = SMALL.clone(hierarchical=False)
    assert started(whole, 6)["params"]["block_0"]["ConditionalNorm_0"]["gain"]["kernel"].shape == (4, 8)


def test_the_whole_latent_enters_every_norm_of_the_deep_one():
    gain = started(DEEP, 5)["params"]["block_1_0"]["ConditionalNorm_3"]["gain"]["kernel"]
    assert gain.shape == (9, 2)
    assert "first" in moved_layers(DEEP, 5, slice(4, 5))


def test_the_class_enters_every_norm_with_and_without_the_shared_embedding():
    for network, gain in ((SMALL, (6, 8)), (SMALL.clone(embedding=0), (5, 8))):
        variables = started(network, 6)
        for block in ("block_0", "block_1"):
            for norm in ("ConditionalNorm_0", "ConditionalNorm_1"):
                assert variables["params"][block][norm]["gain"]["kernel"].shape == gain
        latent = jnp.ones((1, 6))
        first, second = (within(network, variables, latent, label) for label in (0, 1))
        assert np.array_equal(first["first/__call__"], second["first/__call__"])
        for norm in ("ConditionalNorm_0", "ConditionalNorm_1"):
            assert not np.array_equal(first[f"block_0/{norm}/__call__"], second[f"block_0/{norm}/__call__"])
        assert ("spectral" in variables) and ("embedding" in variables["params"]) == bool(network.embedding)


@pytest.mark.parametrize(
    ("network", "size", "sentence"),
    [
        (SMALL, 7, "a latent of 7 cannot be cut into 3 equal parts.*give --latent 6"),
        (SMALL.clone(attention=4), 6, "attention at 4 pixels: the generator's blocks make maps of 8, 16"),
        (SMALL.clone(size=18), 6, "2 doublings do not reach 18 pixels"),
        (DEEP.clone(widths=(32, 8)), 6, "cannot become 32 by dropping some"),
    ],
)
def test_what_cannot_be_built_is_one_clear_sentence(network, size, sentence):
    with pytest.raises(ValueError, match=sentence):
        jax.eval_shape(network.init, KEY, jnp.zeros((1, size)), jnp.zeros(1, jnp.int32))


# Sizes


def shapes(network, *inputs):
    given = (jax.ShapeDtypeStruct((2, *inputs), jnp.float32), jax.ShapeDtypeStruct((2,), jnp.int32))
    return jax.eval_shape(network.init, jax.eval_shape(lambda: jax.random.key(0)), *given)["params"]


def count(params, without=()):
    paths = flatten_dict(params, sep="/").items()
    return sum(math.prod(x.shape) for path, x in paths if not path.startswith(tuple(without)))


def times(width, *multiples):
    return tuple(width * multiple for multiple in multiples)


def test_compare_gans_networks_attend_elsewhere_and_lack_the_shortcuts_of_blocks_that_keep_their_channels():
    """Counts that google/compare_gan states: its discriminators have a shortcut where channels change alone."""
    generator = biggan.Generator(256, widths=times(96, 16, 8, 8, 4, 2, 1), attention=128)
    assert count(shapes(generator, 140)) == 82_097_604
    discriminator = biggan.Discriminator(times(96, 1, 2, 4, 8, 8, 16, 16), 6)
    assert count(shapes(discriminator, 256, 256, 3), without=["block_4/shortcut"]) == 98_635_298
    discriminator = biggan.Discriminator(times(96, 1, 1, 2, 4, 8, 8, 16, 16), 7)
    lacking = ["block_1/shortcut", "block_5/shortcut"]
    assert count(shapes(discriminator, 512, 512, 3), without=lacking) == 98_801_378


def test_studiogans_networks_on_cifar():
    generator = biggan.Generator(32, 3, 384, (384, 384, 384), 10, 16)
    assert count(shapes(generator, 80)) == 9_416_196
    assert count(shapes(biggan.Discriminator((192,) * 4, 2, 10, 16), 32, 32, 3)) == 2_415_170


def test_the_papers_table_counts_all_but_the_shared_embedding():
    generator = biggan.Generator(first=1024, widths=times(64, 16, 8, 4, 2, 1))
    discriminator = biggan.Discriminator(times(64, 1, 2, 4, 8, 16, 16))
    both = count(shapes(generator, 120), without=["embedding"]) + count(shapes(discriminator, 128, 128, 3))
    assert round(both / 1e6, 1) == 71.3
