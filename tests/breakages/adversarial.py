"""Breakages of the adversarial losses and their penalties."""

from tests.breakages.breakage import Breakage

GOLDEN, RESIDUAL = "tests/gans/test_golden.py", "tests/gans/test_golden_residual.py"
LOSSES, PENALTIES = "genjax/losses/adversarial.py", "genjax/losses/penalties.py"

BREAKAGES = (
    Breakage(
        "the discriminator's loss of images has its sign turned",
        LOSSES,
        "_mean(jax.nn.softplus(-wide(real))) + _mean(jax.nn.softplus(wide(fake)))",
        "_mean(jax.nn.softplus(wide(real))) + _mean(jax.nn.softplus(wide(fake)))",
        (f"{GOLDEN}::test_dcgan_discriminator_moves",),
    ),
    Breakage(
        "the generator maximises what it is to minimise",
        LOSSES,
        "return _mean(jax.nn.softplus(-wide(fake)))",
        "return -_mean(jax.nn.softplus(-wide(fake)))",
        (f"{GOLDEN}::test_dcgan_generator_moves",),
    ),
    Breakage(
        "the generator lowers its scores",
        LOSSES,
        "return -_mean(fake)",
        "return _mean(fake)",
        (f"{RESIDUAL}::test_wgan_gp_generator_moves",),
    ),
    Breakage(
        "the critic raises samples above images",
        LOSSES,
        "return _mean(fake) - _mean(real)",
        "return _mean(real) - _mean(fake)",
        (f"{RESIDUAL}::test_wgan_gp_critic_moves",),
    ),
    Breakage(
        "the hinge pushes samples up",
        LOSSES,
        "_mean(jax.nn.relu(1 + fake))",
        "_mean(jax.nn.relu(1 - fake))",
        (f"{RESIDUAL}::test_sngan_discriminator_moves",),
    ),
    Breakage(
        "the least squares are not halved",
        LOSSES,
        "return 0.5 * (_mean((real - 1) ** 2) + _mean(fake**2))",
        "return _mean((real - 1) ** 2) + _mean(fake**2)",
        (f"{GOLDEN}::test_cyclegan_discriminators_move",),
    ),
    Breakage(
        "the penalty's norm runs over channels alone",
        PENALTIES,
        "tuple(range(1, images.ndim)))",
        "(images.ndim - 1,))",
        (f"{RESIDUAL}::test_wgan_gp_critic_moves",),
    ),
    Breakage(
        "the penalty's mixture is the other way round",
        PENALTIES,
        "mix * real + (1 - mix) * fake",
        "mix * fake + (1 - mix) * real",
        (f"{RESIDUAL}::test_wgan_gp_critic_moves",),
    ),
    Breakage(
        "the penalty is one-sided",
        PENALTIES,
        "return jnp.mean((norm - target) ** 2)",
        "return jnp.mean(jnp.maximum(norm - target, 0) ** 2)",
        (f"{RESIDUAL}::test_wgan_gp_critic_moves",),
    ),
)
