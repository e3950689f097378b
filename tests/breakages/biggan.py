"""Breakages of BigGAN, of standing statistics and truncation, and of the checkpoints that are read for it."""

from tests.breakages.breakage import Breakage

BIGGAN, STANDING, PUBLISHED = "genjax/gans/biggan.py", "genjax/nn/standing.py", "genjax/gans/published/biggan.py"
OWN, GOLDEN = "tests/gans/test_biggan.py", "tests/gans/test_golden_biggan.py"
OF_STANDING, OF_PUBLISHED = "tests/nn/test_standing.py", "tests/gans/test_published.py"
LEARNS = "tests/gans/test_fast_learning_biggan.py"

BREAKAGES = (
    Breakage(
        "every block is given the same part of the latent",
        BIGGAN,
        "parts[block]], -1)",
        "parts[0]], -1)",
        (f"{OWN}::test_every_part_of_a_hierarchical_latent_enters_one_block",),
    ),
    Breakage(
        "the condition has the latent before the class",
        BIGGAN,
        "jnp.concatenate([given, parts[block]], -1)",
        "jnp.concatenate([parts[block], given], -1)",
        (f"{GOLDEN}::test_outputs",),
    ),
    Breakage(
        "norms are multiplied by the gain without the 1",
        "genjax/nn/conditional.py",
        "(1 + gain[:, None, None])",
        "(gain[:, None, None])",
        (f"{GOLDEN}::test_outputs",),
    ),
    Breakage(
        "the condition does not reach the norms",
        "genjax/nn/conditional.py",
        "name=name)(condition)",
        "name=name)(0 * condition)",
        (LEARNS,),
    ),
    Breakage(
        "the shared embedding is regularised too",
        BIGGAN,
        'exempt=("embedding",)',
        "exempt=()",
        (f"{OWN}::test_the_generator_pays_for_all_kernels_but_the_shared_embedding",),
    ),
    Breakage(
        "filters are kept short as well as apart",
        "genjax/losses/orthogonal.py",
        "return jnp.sum(products**2) - jnp.sum(jnp.diagonal(products) ** 2)",
        "return jnp.sum(products**2)",
        (f"{OWN}::test_the_penalty_is_that_of_the_equation",),
    ),
    Breakage(
        "inputs are kept apart instead of outputs",
        "genjax/losses/orthogonal.py",
        "matrix = wide(kernel.reshape(-1, kernel.shape[-1]))",
        "matrix = wide(kernel.reshape(-1, kernel.shape[-1])).T",
        (f"{OWN}::test_the_penalty_is_that_of_the_equation",),
    ),
    Breakage(
        "the regularisation has no weight",
        BIGGAN,
        "loss + orthogonal * penalty",
        "loss + penalty",
        (f"{OWN}::test_the_generator_pays_for_all_kernels_but_the_shared_embedding",),
    ),
    Breakage(
        "deep shortcuts keep the last channels",
        "genjax/nn/bottleneck.py",
        "resize(x[..., : self.features])",
        "resize(x[..., -self.features :])",
        ("tests/nn/test_bottleneck.py::test_a_shortcut_to_fewer_channels_keeps_the_first_ones",),
    ),
    Breakage(
        "the deep latent does not enter the norms",
        BIGGAN,
        "norm = conditional(condition, weight, self.epsilon, self.dtype, train)",
        "norm = conditional(given, weight, self.epsilon, self.dtype, train)",
        (f"{OWN}::test_the_whole_latent_enters_every_norm_of_the_deep_one",),
    ),
    Breakage(
        "standing statistics are the last batch's",
        STANDING,
        "total = found if total is None else jax.tree.map(jnp.add, total, found)",
        "total = found",
        (f"{OF_STANDING}::test_of_several_batches_they_are_the_means_of_means_and_variances",),
    ),
    Breakage(
        "standing statistics keep a share of the running ones",
        STANDING,
        'empty = jax.tree.map(jnp.zeros_like, variables["batch_stats"])',
        'empty = variables["batch_stats"]',
        (f"{OF_STANDING}::test_of_one_batch_they_evaluate_as_in_training",),
    ),
    Breakage(
        "truncation by scaling does not scale",
        "genjax/latent.py",
        "return factor * truncated(prior, key, shape, 2.0)",
        "return truncated(prior, key, shape, 2.0 * factor)",
        ("tests/test_latent.py::test_scaled_latents_are_a_factor_on_those_within_two",),
    ),
    Breakage(
        "statistics between two truncations have their weights exchanged",
        PUBLISHED,
        "return x[low] + (place - low) * (x[low + 1] - x[low])",
        "return x[low + 1] + (place - low) * (x[low] - x[low + 1])",
        (f"{OF_PUBLISHED}::test_statistics_between_two_stored_truncations_are_in_proportion",),
    ),
    Breakage(
        "published conditions are taken in the other order",
        PUBLISHED,
        "np.roll(kernel.make(*parts), -latent, 0)",
        "kernel.make(*parts)",
        (f"{OF_PUBLISHED}::test_biggan_deep_draws_what_its_package_draws_at_a_truncation",),
    ),
    Breakage(
        "the generator is told to please the discriminator of others",
        BIGGAN,
        "return loss + orthogonal * penalty, found",
        "return orthogonal * penalty - loss, found",
        (LEARNS,),
    ),
)
