import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.losses import adversarial, penalties

ZERO, REAL, FAKE = jnp.zeros(3), jnp.array([2.0, 0.5, -1.0]), jnp.array([-2.0, 0.0, 1.0])
A = jnp.array([3.0, 4.0]).reshape(1, 1, 1, 2)
LN2 = np.log(2)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (adversarial.discriminator(ZERO, ZERO), 2 * LN2),
        (adversarial.minimax_generator(ZERO), -LN2),
        (adversarial.non_saturating_generator(ZERO), LN2),
        (adversarial.hinge_discriminator(ZERO, ZERO), 2.0),
        (adversarial.hinge_discriminator(REAL, FAKE), 11 / 6),
        (adversarial.score_generator(FAKE), 1 / 3),
        (adversarial.wasserstein_critic(REAL, FAKE), -1 / 3 - 0.5),
        (adversarial.least_squares_discriminator(REAL, FAKE), ((1 + 0.25 + 4) / 3 + 5 / 3) / 2),
        (adversarial.least_squares_generator(FAKE), (9 + 1 + 0) / 6),
    ],
)
def test_values_worked_by_hand(value, expected):
    np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-6)


def test_losses_agree_with_logarithms_of_probabilities_and_survive_extreme_logits():
    d_real, d_fake = jax.nn.sigmoid(REAL), jax.nn.sigmoid(FAKE)
    bce = -jnp.mean(jnp.log(d_real)) - jnp.mean(jnp.log(1 - d_fake))
    np.testing.assert_allclose(adversarial.discriminator(REAL, FAKE), bce, rtol=1e-6)
    np.testing.assert_allclose(adversarial.minimax_generator(FAKE), jnp.mean(jnp.log(1 - d_fake)), rtol=1e-6)
    np.testing.assert_allclose(adversarial.non_saturating_generator(FAKE), -jnp.mean(jnp.log(d_fake)), rtol=1e-6)
    huge = jnp.array([-1e4, 1e4])
    for loss in (adversarial.minimax_generator, adversarial.non_saturating_generator):
        value, gradient = jax.value_and_grad(loss)(huge)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


def test_the_losses_are_float32_for_bfloat16_logits():
    half = REAL.astype(jnp.bfloat16)
    for loss in (adversarial.discriminator, adversarial.hinge_discriminator, adversarial.least_squares_discriminator):
        assert loss(half, half).dtype == jnp.float32


def linear(x):
    return jnp.sum(A * x, (1, 2, 3))


def pairs(count=5):
    return jax.random.normal(jax.random.key(0), (2, count, 1, 1, 2))


def test_the_penalty_of_a_linear_critic_is_known_for_any_mixture():
    real, fake = pairs()
    for seed in range(3):
        np.testing.assert_allclose(
            penalties.gradient_penalty(linear, real, fake, jax.random.key(seed)), 16.0, rtol=1e-5
        )
    np.testing.assert_allclose(penalties.gradient_penalty(linear, real, fake, jax.random.key(0), 750.0), 745**2, 1e-5)
    np.testing.assert_allclose(penalties.r1(linear, real), 12.5, rtol=1e-6)


def test_the_mixture_is_one_number_per_image_between_the_two():
    """The critic |x|^2 / 2 has gradient x, so the penalty with target 0 is the squared norm of the mixture itself."""
    real, fake = jnp.ones((1, 4, 4, 3)), jnp.zeros((1, 4, 4, 3))

    def bowl(x):
        return 0.5 * jnp.sum(x**2, (1, 2, 3))

    values = [float(penalties.gradient_penalty(bowl, real, fake, jax.random.key(i), 0.0)) / 48 for i in range(200)]
    shares = np.sqrt(values)
    # e = one uniform number: mean 1/2 and deviation 0.289; a number per pixel would concentrate at sqrt(1/3).
    assert abs(np.mean(shares) - 0.5) < 0.05
    assert abs(np.std(shares) - 0.289) < 0.03


def test_the_norm_runs_over_all_axes_of_an_image():
    def bowl(x):
        return 0.5 * jnp.sum(x**2, (1, 2, 3))

    images = jax.random.normal(jax.random.key(1), (3, 4, 4, 2))
    np.testing.assert_allclose(penalties.squared_gradient(bowl, images), jnp.sum(images**2, (1, 2, 3)), rtol=1e-5)


def test_a_gradient_of_exactly_zero_gives_no_nan_and_the_penalty_trains_the_critic():
    real, fake = pairs()

    def penalty(scale):
        return penalties.gradient_penalty(lambda x: scale * linear(x), real, fake, jax.random.key(0))

    value, slope = jax.value_and_grad(penalty)(0.0)
    assert float(value) == 1.0
    assert np.isfinite(slope)
    np.testing.assert_allclose(jax.grad(penalty)(1.0), 2 * 4 * 5, rtol=1e-5)
