"""PresGAN: golden values and closed forms of a linear generator, its chains, its noise, and what its moves promise."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from genjax import hmc
from genjax.engine import init_state, make_step, move
from genjax.engine.network import Network
from genjax.gans import gan, presgan
from genjax.metrics.likelihood import annealed_bound
from genjax.nn.normalization import BatchNorm
from tests.gans import golden
from tests.gans.golden import agree

KEY = jax.random.key(5)
IMAGE = (5, 1, 1)
LATENT = 3


class Linear(nn.Module):
    """mu(z) = A z + b, five pixels."""

    dtype: type | None = None

    @nn.compact
    def __call__(self, latent, labels=None, train=False):
        a = self.param("a", lambda key: jnp.asarray(VALUES["in/A"], latent.dtype))
        b = self.param("b", lambda key: jnp.asarray(VALUES["in/b"], latent.dtype))
        return (latent @ a.T + b[None]).reshape(-1, *IMAGE)


VALUES = golden.read("presgan")
SIGMA = VALUES["out/sigma"][None, :, None, None]
IMAGES = VALUES["out/x"].reshape(-1, *IMAGE)


def mean_of(latents, a=VALUES["in/A"], b=VALUES["in/b"]):
    return (latents @ a.T + b[None]).reshape(-1, *IMAGE)


def target(prior_only=False):
    return presgan.posterior(mean_of, jnp.asarray(IMAGES), jnp.asarray(SIGMA), prior_only)


@pytest.fixture
def in_double():
    """Compute in float64."""
    with jax.enable_x64(True):
        yield


# Golden values


@pytest.mark.usefixtures("in_double")
@pytest.mark.parametrize(("prior_only", "name"), [(False, "true_gradient"), (True, "peer_prior_only_gradient")])
def test_trajectories(prior_only, name):
    values = golden.under(VALUES, "hmc/")
    start = target(prior_only)(jnp.asarray(values["in_z"]))
    step_size, leaps = float(values["stepsize"]), int(values["leapfrog_steps"])
    momentum = jnp.asarray(values["in_momentum"])
    end, last = hmc.trajectory(target(prior_only), start, momentum, step_size, leaps)
    agree(end.position, values[f"{name}/z"])
    agree(last, values[f"{name}/momentum_negated"])
    # Their energy leaves out what does not depend on z.
    agree(start.log_density - end.log_density, values[f"{name}/U_after"] - values[f"{name}/U_before"], 1e-5)
    gain = hmc.energy(start, momentum) - hmc.energy(end, last)
    agree(jnp.exp(gain), values[f"{name}/exp_energy_difference"], 1e-5)
    if not prior_only:
        agree(-start.force, values["grad_U_true_at_z"])


@pytest.mark.usefixtures("in_double")
def test_the_step_size_follows_the_acceptance():
    found = hmc.adapted(jnp.asarray(0.1), jnp.asarray(0.25), hmc.Chains())
    agree(found, np.asarray(VALUES["hmc/stepsize_after_adaptation_with_acceptance_0.25"]))


@pytest.mark.usefixtures("in_double")
def test_the_surrogate_of_the_entropy_and_its_gradients():
    def surrogate(a, b, raw):
        sigma = jax.nn.softplus(raw)[None, :, None, None]
        images = mean_of(VALUES["in/z"], a, b) + sigma * VALUES["in/eta"].reshape(-1, *IMAGE)
        return presgan.entropy_surrogate(images, VALUES["out/E_mu_given_x"].reshape(-1, *IMAGE), sigma)

    given = [jnp.asarray(VALUES[f"in/{name}"]) for name in ("A", "b", "sigma_raw_before_softplus")]
    found, gradients = jax.value_and_grad(surrogate, (0, 1, 2))(*given)
    agree(found, np.asarray(VALUES["loss/entropy_surrogate"]))
    for gradient, name in zip(gradients, ("A", "b", "sigma_raw"), strict=True):
        agree(gradient, VALUES[f"grad/entropy_surrogate/{name}"])


# Closed forms of the linear generator


def test_chains_sample_the_posterior():
    chains = hmc.Chains(burn_in=300, samples=2000, rate=0.1)
    start = jnp.asarray(VALUES["in/z"], jnp.float32)
    found = jax.jit(lambda key: hmc.sample(target(), start, key, jnp.float32(0.1), chains))(KEY)
    positions = np.asarray(found.positions, float)
    np.testing.assert_allclose(positions.mean(0), VALUES["out/posterior_mean"], atol=0.03)
    for chain in range(4):
        covariance = np.cov(positions[:, chain].T)
        np.testing.assert_allclose(covariance, VALUES["out/posterior_covariance"], atol=0.02)
    images = np.asarray(jax.vmap(mean_of)(found.positions)).mean(0).reshape(4, 5)
    np.testing.assert_allclose(images, VALUES["out/E_mu_given_x"], atol=0.03)


def gradient_by_chains(step_size, chains, prior_only=False, count=15_000):
    """Return the gradient of the entropy to A and raw, as a mean over draws of x with a chain from the z of each."""
    a, raw = (jnp.asarray(VALUES[f"in/{name}"], jnp.float32) for name in ("A", "sigma_raw_before_softplus"))
    b = jnp.asarray(VALUES["in/b"], jnp.float32)

    def surrogate(parameters, key):
        z_key, noise_key, chain_key = jax.random.split(key, 3)
        latents = jax.random.normal(z_key, (count, LATENT))
        sigma = jax.nn.softplus(parameters[1])[None, :, None, None]
        images = mean_of(latents, parameters[0], b) + sigma * jax.random.normal(noise_key, (count, *IMAGE))
        held_a, held_images, held_sigma = jax.lax.stop_gradient((parameters[0], images, sigma))
        density = presgan.posterior(lambda z: mean_of(z, held_a, b), held_images, held_sigma, prior_only)
        found = hmc.sample(density, latents, chain_key, jnp.float32(step_size), chains)
        means = jnp.mean(jax.vmap(lambda z: mean_of(z, held_a, b))(found.positions), 0)
        return presgan.entropy_surrogate(images, means, sigma)

    return jax.jit(jax.grad(surrogate))((a, raw), KEY)


def test_the_chains_gradient_of_the_entropy_is_the_exact_one():
    found = gradient_by_chains(0.15, hmc.Chains(burn_in=12, samples=4, leaps=12))
    for gradient, name in zip(found, ("A", "sigma_raw"), strict=True):
        np.testing.assert_allclose(gradient, VALUES[f"grad/exact_entropy/{name}"], atol=0.1)


def test_chains_that_do_not_move_see_the_noises_entropy_alone():
    """Which is sum log sigma: what becomes of the entropy where chains follow the prior by steps small enough."""
    to_a, to_raw = gradient_by_chains(0.005, hmc.Chains(), prior_only=True)
    raw = VALUES["in/sigma_raw_before_softplus"]
    np.testing.assert_allclose(to_a, 0, atol=0.2)
    np.testing.assert_allclose(to_raw, jax.nn.sigmoid(raw) / VALUES["out/sigma"], atol=0.04)
    assert np.abs(VALUES["grad/exact_entropy/A"]).max() > 0.3
    assert np.abs(to_raw - VALUES["grad/exact_entropy/sigma_raw"]).max() > 0.3


@pytest.mark.usefixtures("in_double")
def test_the_likelihood_is_that_of_independent_normals():
    from scipy import stats

    latents = jnp.asarray(VALUES["in/z"])
    expected = stats.norm.logpdf(IMAGES, mean_of(VALUES["in/z"]), SIGMA).sum((1, 2, 3))
    agree(presgan.log_likelihood(jnp.asarray(IMAGES), mean_of(latents), jnp.asarray(SIGMA)), expected)
    coloured = presgan.log_likelihood(jnp.ones((2, 4, 3, 3)), jnp.zeros((2, 4, 3, 3)), jnp.full((1, 4, 3, 1), 0.5))
    agree(coloured, np.full(2, 36 * stats.norm.logpdf(1, 0, 0.5)))


def test_annealing_finds_the_density():
    from scipy import stats

    sigma = SIGMA / 4  # narrow, so that draws of the prior alone find little
    covariance = VALUES["in/A"] @ VALUES["in/A"].T + np.diag(sigma.ravel() ** 2)
    exact = stats.multivariate_normal(VALUES["in/b"], covariance).logpdf(VALUES["out/x"])

    def likelihood(latents):
        return presgan.log_likelihood(jnp.asarray(IMAGES), mean_of(latents), jnp.asarray(sigma))

    found = jax.jit(partial(annealed_bound, likelihood, (4, LATENT), chains=64, temperatures=300))(KEY)
    np.testing.assert_allclose(found, exact, atol=0.5)
    hasty = jax.jit(partial(annealed_bound, likelihood, (4, LATENT), chains=64, temperatures=1))(KEY)
    assert np.mean(hasty - exact) < -2
    with pytest.raises(ValueError, match="at least one"):
        annealed_bound(likelihood, (4, LATENT), KEY, chains=0)


# Noise


@pytest.mark.parametrize(("start", "expected"), [(0.1, 0.1), (0.5, 0.3), (0.001, 0.01)])
def test_sigma_starts_within_its_bounds(start, expected):
    noise = presgan.Noise(4, 6, start)
    sigma = noise.apply(noise.init(KEY))
    assert sigma.shape == (1, 4, 6, 1)
    np.testing.assert_allclose(sigma, expected, rtol=1e-5)


def tiny(weight=0.1, rate=0.0, discriminator=None, **options):
    """Return the game of the linear generator."""
    discriminator = discriminator or gan.Discriminator((8,))
    still, noise = optax.sgd(0.0), presgan.Noise(5, 1, 0.2)
    return presgan.game(
        Linear(), discriminator, noise, generator_tx=still, discriminator_tx=still, noise_tx=optax.sgd(rate),
        image_shape=IMAGE, latent=LATENT, weight=weight, step_size=0.1, **options,
    )  # fmt: skip


def begin(game):
    return jax.jit(lambda key: init_state(game, key))(KEY)


BATCH = {"images": jax.random.normal(KEY, (512, *IMAGE))}


@pytest.mark.parametrize(("weight", "bound"), [(10.0, 0.3), (-10.0, 0.01)])
def test_sigma_stays_within_its_bounds_where_the_entropy_pulls(weight, bound):
    game = tiny(weight, rate=10.0)
    after, _ = jax.jit(partial(move, game.players[1]))(begin(game), BATCH, KEY)
    sigma = presgan.Noise(5, 1).apply(after.variables_of("noise"))
    np.testing.assert_allclose(sigma, bound, rtol=1e-4)


# Moves


class Witness(nn.Module):
    """A discriminator whose logits are the first pixel."""

    @nn.compact
    def __call__(self, images, labels=None, train=False):
        return images[:, 0, 0, 0] * self.param("scale", nn.initializers.ones, ())


def test_images_and_samples_get_the_same_noise():
    """softplus(-x - n) and softplus(x + n): where logits are huge and positive only the second one is left."""
    game, far = tiny(discriminator=Witness()), {"images": jnp.full((4096, *IMAGE), 3.0)}
    state = begin(game)
    _, metrics = jax.jit(partial(move, game.players[0]))(state, far, KEY)
    _, noise_key = jax.random.split(KEY)
    noise = 0.2 * jax.random.normal(noise_key, (4096, *IMAGE))[:, 0, 0, 0]
    np.testing.assert_allclose(metrics["discriminator/real"], np.mean(jax.nn.sigmoid(3 + noise)), rtol=1e-5)
    latents = jax.random.normal(jax.random.split(KEY)[0], (4096, LATENT))
    fake = mean_of(latents)[:, 0, 0, 0] + noise
    np.testing.assert_allclose(metrics["discriminator/fake"], np.mean(jax.nn.sigmoid(fake)), rtol=1e-5)


def test_the_step_size_is_remembered():
    game = tiny()
    state, step = begin(game), jax.jit(make_step(game))
    assert float(state.memory["step_size"]) == np.float32(0.1)
    sizes = []
    for _ in range(3):
        state, metrics = step(state, jax.tree.map(lambda x: x[None], BATCH), KEY)
        sizes.append(float(state.memory["step_size"]))
        assert sizes[-1] == float(metrics["generator/step_size"])
    assert len(set(sizes)) == 3


def test_without_a_weight_there_are_no_chains():
    game = tiny(weight=0.0)
    state, metrics = jax.jit(partial(move, game.players[1]))(begin(game), BATCH, KEY)
    assert set(metrics) == {"generator/loss", "generator/sigma"}
    assert float(state.memory["step_size"]) == np.float32(0.1)


def test_the_entropy_pulls_sigma_up_by_its_weight():
    """The gradient of the loss to sigma is that without the entropy, less the weight times the entropy's."""
    change = {}
    for weight in (0.0, 1.0, 2.0):
        game = tiny(weight, rate=1e-4)
        state = begin(game)
        after, _ = jax.jit(partial(move, game.players[1]))(state, BATCH, KEY)
        change[weight] = np.asarray(after.params["noise"]["raw"] - state.params["noise"]["raw"])
    assert np.mean(change[1.0] - change[0.0]) > 0
    np.testing.assert_allclose(change[2.0] - change[0.0], 2 * (change[1.0] - change[0.0]), rtol=1e-2)


class Normed(nn.Module):
    """A generator of points with batch norm."""

    dtype: type | None = None

    @nn.compact
    def __call__(self, latent, labels=None, train=False):
        return nn.relu(BatchNorm(dtype=self.dtype)(nn.Dense(4)(latent), train)).reshape(-1, 2, 2, 1)


def test_mu_is_held_at_the_statistics_of_its_batch():
    """In chains each z passes batch norm alone, and gives for the batch's own z what it gave in the batch."""
    generator, latents = Normed(), jax.random.normal(KEY, (12, 6))
    variables = jax.jit(generator.init)(KEY, latents)
    statistics = jax.tree.map(lambda x: x + 3.0, variables["batch_stats"])
    network = Network("generator", generator, variables["params"], {"batch_stats": statistics}, True)
    means, after, mu = presgan.held(network, latents)
    expected, moved = network(latents)
    np.testing.assert_allclose(means, expected, atol=1e-6)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), after.variables, moved.variables)
    np.testing.assert_allclose(mu(latents), expected, atol=1e-5)
    np.testing.assert_allclose(mu(latents[:3]), expected[:3], atol=1e-5)

    def through(params):
        return jnp.sum(presgan.held(replace(network, params=params), latents)[2](latents))

    assert not any(np.any(x) for x in jax.tree.leaves(jax.grad(through)(network.params)))
