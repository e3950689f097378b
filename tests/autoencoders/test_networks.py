"""AE, VAE and CVAE: what the catalogue's contracts cannot know."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from genjax import rng
from genjax.autoencoders import ae, cvae, vae
from genjax.engine.state import init_state
from genjax.engine.step import make_step
from genjax.losses.divergence import kl_standard_normal, warm_up
from genjax.losses.reconstruction import GAUSSIAN, Likelihood, bernoulli_nll
from genjax.nn.coders import ConvDecoder, ConvEncoder, DenseDecoder, DenseEncoder
from genjax.nn.conv import conv_transpose
from genjax.nn.initializers import LECUN, TORCH
from genjax.nn.normalization import BatchNorm
from genjax.parallel import DATA

SMALL = (6, 5, 1)
TX = optax.adam(1e-3)


def start(game):
    return jax.jit(partial(init_state, game))(jax.random.key(0))


def count(game):
    state = jax.eval_shape(partial(init_state, game), jax.random.key(0))
    return sum(x.size for x in jax.tree.leaves(state.params))


def torch_article():
    return vae.VAE(
        DenseEncoder((20,), nn.relu, batch_norm=True, initializer=TORCH),
        DenseDecoder((20,), nn.relu, dropout=0.2, initializer=TORCH),
        latent=10,
    )


def flax_example():
    return vae.VAE(
        DenseEncoder((500,), nn.relu, initializer=LECUN), DenseDecoder((500,), nn.relu, initializer=LECUN), latent=20
    )


def late():
    return cvae.CVAE(DenseEncoder(late=True), DenseDecoder(late=True))


PIXELS, HIDDEN, Z, LABEL = 784, 128, 16, 128
COUNTS = {
    "ae": (
        lambda: ae.game(ae.AE(DenseEncoder(), DenseDecoder()), TX),
        (PIXELS + 1) * HIDDEN + (HIDDEN + 1) * Z + (Z + 1) * HIDDEN + (HIDDEN + 1) * PIXELS,
    ),
    "vae": (
        lambda: vae.game(vae.VAE(DenseEncoder(), DenseDecoder()), TX),
        (PIXELS + 1) * HIDDEN + 2 * (HIDDEN + 1) * Z + (Z + 1) * HIDDEN + (HIDDEN + 1) * PIXELS,
    ),
    "vae, PyTorch article": (
        lambda: vae.game(torch_article(), TX),
        (PIXELS + 1) * 20 + 2 * 20 + 2 * (20 + 1) * 10 + (10 + 1) * 20 + (20 + 1) * PIXELS,
    ),
    "vae, Flax example": (
        lambda: vae.game(flax_example(), TX),
        (PIXELS + 1) * 500 + 2 * (500 + 1) * 20 + (20 + 1) * 500 + (500 + 1) * PIXELS,
    ),
    "cvae": (
        lambda: cvae.game(cvae.CVAE(DenseEncoder(), DenseDecoder()), TX),
        (PIXELS + LABEL + 1) * HIDDEN
        + 2 * (HIDDEN + 1) * Z
        + (Z + LABEL + 1) * HIDDEN
        + (HIDDEN + 1) * PIXELS
        + 2 * 10 * LABEL,
    ),
    "cvae, label joined late": (
        lambda: cvae.game(late(), TX),
        (PIXELS + 1) * HIDDEN
        + 2 * (HIDDEN + LABEL + 1) * Z
        + (Z + 1) * HIDDEN
        + (HIDDEN + LABEL + 1) * PIXELS
        + 2 * 10 * LABEL,
    ),
    "vae, convolutional": (
        lambda: vae.game(vae.VAE(ConvEncoder((32, 64)), ConvDecoder((64, 32))), TX),
        # No bias before batch norm, two parameters a channel in it.
        16 * 32
        + 2 * 32
        + 16 * 32 * 64
        + 2 * 64
        + 2 * (7 * 7 * 64 + 1) * Z
        + Z * 7 * 7 * 64
        + 2 * 64
        + 16 * 64 * 32
        + 2 * 32
        + 16 * 32
        + 1,
    ),
}


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts(name):
    game, expected = COUNTS[name]
    assert count(game()) == expected


def small_cvae(late=False, encoder=DenseEncoder, decoder=DenseDecoder, **fields):
    join = {"late": True} if late else {}
    size = (12,) if encoder is DenseEncoder else (4, 8)
    fields = {"latent": 3, "image_shape": SMALL, "embedding": 7, **fields}
    return cvae.CVAE(encoder(size, **join), decoder(size[::-1], **join), **fields)


def small_batch(rows=8):
    images = jax.random.uniform(jax.random.key(1), (rows, *SMALL))
    return {"images": images, "labels": jnp.arange(rows) % 10}


@pytest.mark.parametrize("networks", [(DenseEncoder, DenseDecoder), (ConvEncoder, ConvDecoder)])
@pytest.mark.parametrize("fields", [{}, {"likelihood": GAUSSIAN}, {"image_shape": (7, 9, 3)}])
def test_shapes_of_encode_and_decode(networks, fields):
    model = small_cvae(encoder=networks[0], decoder=networks[1], **fields)
    shape = model.image_shape

    def both(key, images, labels):
        apply = partial(model.apply, init_state(cvae.game(model, TX), key).variables_of("cvae"))
        mean, log_variance = apply(images, labels, method="encode")
        outputs = apply(mean[:, None] + jnp.zeros((1, 5, 1)), labels[:, None], method="decode")
        return mean, log_variance, outputs, model.likelihood.mean(outputs)

    batch = jnp.ones((4, *shape)), jnp.array([0, 9, -1, 2])
    mean, log_variance, outputs, images = jax.eval_shape(both, jax.random.key(0), *batch)
    assert mean.shape == log_variance.shape == (4, 3)
    assert outputs.shape == (4, 5, *shape[:2], shape[2] * model.likelihood.outputs)
    assert outputs.dtype == mean.dtype == jnp.float32
    assert images.shape == (4, 5, *shape)


@pytest.mark.parametrize("networks", [(DenseEncoder, DenseDecoder), (ConvEncoder, ConvDecoder)])
def test_decoding_rows_together_or_alone_is_the_same(networks):
    model = small_cvae(encoder=networks[0], decoder=networks[1])
    variables = start(cvae.game(model, TX)).variables_of("cvae")
    latent, labels = jax.random.normal(jax.random.key(1), (2, 3, 3)), jnp.array([4, -1])
    decode = jax.jit(partial(model.apply, variables, method="decode"))
    together = decode(latent, labels[:, None])
    for row, label in enumerate(labels):
        alone = decode(latent[row], jnp.full(3, label))
        np.testing.assert_allclose(together[row], alone, atol=1e-5)
    np.testing.assert_allclose(decode(latent[1]), together[1], atol=1e-5)  # no labels: -1


def test_the_cvaes_loss_takes_every_image_with_its_own_label():
    model, batch, key = small_cvae(), small_batch(), jax.random.key(2)
    game = cvae.game(model, TX, beta=0.5)
    state = start(game)
    loss, _ = jax.jit(game.players[0].loss)(state, batch, key)
    apply, total = jax.jit(partial(model.apply, state.variables_of("cvae"))), 0.0
    noise = jax.random.normal(rng.named(key, "noise"), (8, 1, 3))
    for row in range(8):
        image, label = batch["images"][row : row + 1], batch["labels"][row : row + 1]
        outputs, mean, log_variance = apply(image, noise[row : row + 1], label)
        total += float(bernoulli_nll(outputs[:, 0], image)[0] + 0.5 * kl_standard_normal(mean, log_variance)[0])
    assert float(loss) == pytest.approx(total / 8, rel=1e-6)


@pytest.mark.parametrize("late", [False, True])
def test_unlabelled_images_give_label_embeddings_no_gradient(late):
    model = small_cvae(late)
    game = cvae.game(model, TX, samples=2)
    state, loss = start(game), game.players[0].loss

    @jax.jit
    def gradient(labels):
        batch = {**small_batch(), "labels": labels}
        key = jax.random.key(2)
        return jax.grad(lambda params: loss(state.replace(params=params), batch, key)[0])(state.params)["cvae"]

    unlabelled, mixed = gradient(jnp.full(8, -1)), gradient(jnp.array([3, -1, -1, -1, 3, -1, 5, -1]))
    for table in ("encoder_labels", "decoder_labels"):
        assert not np.any(unlabelled[table]["table"])
        np.testing.assert_array_equal(np.flatnonzero(np.any(mixed[table]["table"], axis=1)), [3, 5])
    assert np.any(unlabelled["encoder"]["body"]["ConcatDense_0"]["kernel"])


@pytest.mark.parametrize("late", [True, False])
def test_a_label_joined_late_can_only_add_a_fixed_template(late):
    model = small_cvae(late)
    variables = start(cvae.game(model, TX)).variables_of("cvae")
    latent = jax.random.normal(jax.random.key(1), (20, 3))
    images = jax.random.uniform(jax.random.key(2), (20, *SMALL))
    decode = jax.jit(partial(model.apply, variables, latent, method="decode"))
    encode = jax.jit(partial(model.apply, variables, images, method="encode"))
    labels = jnp.full(20, 2), jnp.full(20, 7)
    for one, other in ([decode(y) for y in labels], [encode(y)[0] for y in labels]):
        template = one - other
        assert float(jnp.abs(template).max()) > 0.05
        assert (float(jnp.std(template, axis=0).max()) > 1e-3) is not late


def test_joining_equals_a_dense_layer_over_the_concatenation():
    encoder = DenseEncoder((6,))
    images, condition = jax.random.normal(jax.random.key(0), (4, *SMALL)), jax.random.normal(jax.random.key(1), (4, 3))
    variables = encoder.init(jax.random.key(2), images, condition, (2,), False)
    body, head = variables["params"]["body"]["ConcatDense_0"], variables["params"]["head_0"]
    joined = np.concatenate([images.reshape(4, -1), condition], -1)
    hidden = np.tanh(joined @ body["kernel"] + np.asarray(body["bias"])[None])
    expected = hidden @ np.asarray(head["kernel"]) + np.asarray(head["bias"])[None]
    np.testing.assert_allclose(encoder.apply(variables, images, condition, (2,), False)[0], expected, atol=1e-5)


def test_loss_averages_samples_outside_the_logarithm():
    model = vae.VAE(DenseEncoder((8,)), DenseDecoder((8,)), latent=3, image_shape=SMALL)
    game = vae.game(model, TX, beta=0.1, samples=4)
    state, images = start(game), small_batch()["images"]
    value, aux = game.players[0].loss(state, {"images": images}, jax.random.key(3))

    variables = state.variables_of("vae")
    mean, log_variance = model.apply(variables, images, method="encode")
    kl = jnp.mean(kl_standard_normal(mean, log_variance))
    np.testing.assert_allclose(aux.metrics["kl"], kl, rtol=1e-6)
    np.testing.assert_allclose(value, aux.metrics["nll"] + 0.1 * kl, rtol=1e-6)
    np.testing.assert_allclose(aux.metrics["neg_elbo"], aux.metrics["nll"] + kl, rtol=1e-6)
    # The average over many draws, one at a time, is what four draws estimate.
    noise = jax.random.normal(jax.random.key(4), (2000, *mean.shape))
    latent = mean[None] + jnp.exp(0.5 * log_variance)[None] * noise
    nll = bernoulli_nll(model.apply(variables, latent, method="decode"), images[None])
    assert abs(float(aux.metrics["nll"] - nll.mean())) < 5 * float(nll.mean(1).std()) / 2


class Fixed(nn.Module):
    """An encoder that gives every image N(0.5, 9)."""

    @nn.compact
    def __call__(self, images, condition, heads, train):
        self.param("unused", nn.initializers.zeros_init(), (1,))
        return [jnp.full((len(images), size), x) for size, x in zip(heads, (0.5, float(np.log(9))), strict=True)]


class Echo(nn.Module):
    """A decoder that draws the latent itself."""

    def __call__(self, latent, condition, shape, train):
        return latent


@pytest.mark.parametrize(("package", "model"), [(vae, vae.VAE), (cvae, cvae.CVAE)])
def test_draws_are_independent_and_as_wide_as_the_posterior_and_beta_weighs_the_divergence(package, model):
    def variance(axis):  # over images, or over the draws for an image
        spread = Likelihood(1, lambda outputs, images: jnp.var(outputs, axis), lambda outputs: outputs)
        game = package.game(
            model(Fixed(), Echo(), latent=3, image_shape=SMALL, likelihood=spread), TX, beta=0.1, samples=200
        )
        value, aux = game.players[0].loss(start(game), small_batch(200), jax.random.key(3))
        kl = 3 * 0.5 * (0.25 + 9 - 1 - np.log(9))
        np.testing.assert_allclose(value, aux.metrics["nll"] + 0.1 * kl, rtol=1e-5)
        return float(aux.metrics["nll"])

    assert [variance(0), variance(1)] == pytest.approx([9, 9], rel=0.05)


def test_beta_may_be_a_schedule_of_the_step():
    model = vae.VAE(DenseEncoder((8,)), DenseDecoder((8,)), latent=3, image_shape=SMALL)
    game = vae.game(model, TX, beta=warm_up(4))
    state, step = start(game), jax.jit(make_step(game))
    batch = {"images": small_batch()["images"][None]}
    weights = []
    for _ in range(6):
        state, metrics = step(state, batch, jax.random.key(1))
        weights.append(float(metrics["vae/beta"]))
        np.testing.assert_allclose(metrics["vae/loss"], metrics["vae/nll"] + weights[-1] * metrics["vae/kl"], rtol=1e-6)
    assert weights == [0, 0.25, 0.5, 0.75, 1, 1]


def test_gaussian_decoder_learns_mean_and_variance_of_real_values():
    deviation = np.linspace(0.05, 1.0, 30).reshape(SMALL)
    images = jnp.asarray(3 + deviation * np.random.default_rng(0).normal(size=(4096, *SMALL)), jnp.float32)
    model = vae.VAE(DenseEncoder((8,)), DenseDecoder((8,)), latent=2, image_shape=SMALL, likelihood=GAUSSIAN)
    game = vae.game(model, optax.adam(2e-2))
    state, step = start(game), jax.jit(make_step(game))
    batches = [{"images": part[None]} for part in jnp.split(images, 8)]
    for i in range(400):
        state, metrics = step(state, batches[i % 8], jax.random.key(1))
    outputs = model.apply(state.variables_of("vae"), jnp.zeros((1, 2)), method="decode")
    np.testing.assert_allclose(model.likelihood.mean(outputs)[0], jnp.full(SMALL, 3.0), atol=0.15)
    np.testing.assert_allclose(jnp.exp(0.5 * outputs[0, ..., 1:]), deviation, rtol=0.2, atol=0.02)
    entropy = np.sum(np.log(deviation) + 0.5 * np.log(2 * np.pi * np.e))
    assert float(metrics["vae/neg_elbo"]) == pytest.approx(entropy, abs=2.0)


def test_training_uses_batch_statistics_and_dropout_and_evaluation_does_not():
    game = vae.game(torch_article(), TX)
    state, step = start(game), jax.jit(make_step(game))
    batch = {"images": jax.random.uniform(jax.random.key(1), (1, 50, 28, 28, 1))}
    first, metrics = step(state, batch, jax.random.key(2))
    statistics = first.variables["vae"]["batch_stats"]["encoder"]["body"]["BatchNorm_0"]["BatchNorm_0"]
    kernel = state.params["vae"]["encoder"]["body"]["ConcatDense_0"]
    hidden = np.asarray(batch["images"]).reshape(50, -1) @ kernel["kernel"] + np.asarray(kernel["bias"])[None]
    hidden = np.maximum(hidden, 0)
    np.testing.assert_allclose(statistics["mean"], 0.1 * hidden.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(statistics["var"], 0.9 + 0.1 * hidden.var(0), rtol=1e-4, atol=1e-6)
    other = step(state, batch, jax.random.key(3))[1]
    assert float(other["vae/loss"]) != float(metrics["vae/loss"])
    decode = partial(torch_article().apply, first.variables_of("vae"), jnp.ones((3, 10)), method="decode")
    evaluated, dropped = decode(), decode(train=True, rngs={"dropout": jax.random.key(0)})
    np.testing.assert_array_equal(evaluated, decode())
    assert float(jnp.abs(dropped - evaluated).max()) > 0


def test_torch_initialisation_is_uniform_within_one_over_root_fan_in():
    params = start(vae.game(torch_article(), TX)).params["vae"]
    for layer, fan_in in ((params["encoder"]["body"]["ConcatDense_0"], 784), (params["decoder"]["head"], 20)):
        bound = fan_in**-0.5
        for values in layer.values():
            assert 0.85 * bound < float(jnp.abs(values).max()) <= bound
        assert float(layer["kernel"].std()) == pytest.approx(bound / 3**0.5, rel=0.02)


def test_batch_norm_is_synchronised_over_the_mapped_axis():
    norm, x = BatchNorm(), jax.random.normal(jax.random.key(0), (4, 6, 3)) + 100.0
    variables = norm.init(jax.random.key(0), x[0], True)
    apply = partial(norm.apply, variables, train=True, mutable=["batch_stats"])
    whole, statistics = apply(x.reshape(24, 3))
    parts, mapped = jax.pmap(apply, axis_name=DATA)(x)
    np.testing.assert_allclose(parts.reshape(24, 3), whole, atol=2e-4)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[0], b, rtol=1e-5), mapped, statistics)
    np.testing.assert_allclose(whole.std(0), 1.0, rtol=1e-3)


@pytest.mark.parametrize(("kernel", "stride"), [(4, 2), (3, 2), (3, 1)])
def test_transposed_convolution_has_the_gradient_of_lax(kernel, stride):
    x = jax.random.normal(jax.random.key(0), (2, 5, 4, 3))
    w = jax.random.normal(jax.random.key(1), (kernel, kernel, 3, 2))

    def plain(x, w):
        return jax.lax.conv_transpose(x, w, (stride, stride), "SAME")

    for order in (1, 2):
        gradients = []
        for f in (plain, partial(conv_transpose, stride=stride)):

            def total(x, w, f=f):
                return jnp.sum(jnp.sin(f(x, w)))

            first = jax.grad(total, (0, 1))
            second = jax.grad(lambda x, w: sum(jnp.sum(g**2) for g in first(x, w)), (0, 1))  # noqa: B023
            gradients.append(jax.jit(first if order == 1 else second)(x, w))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4), *gradients)
