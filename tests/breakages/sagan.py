"""Breakages of SAGAN, of its attention, and of what is read from published files."""

from tests.breakages.breakage import Breakage

SAGAN, BLOCK, LAYERS = "genjax/gans/sagan.py", "genjax/nn/self_attention.py", "genjax/gans/published/layers.py"
GOLDEN, OWN = "tests/gans/test_golden_sagan.py", "tests/gans/test_sagan.py"
ATTENTION, PUBLISHED = "tests/nn/test_self_attention.py", "tests/gans/test_published.py"

BREAKAGES = (
    Breakage(
        "attention is a softmax over queries instead of keys",
        BLOCK,
        "query, key)), axis=-1)",
        "query, key)), axis=-2)",
        (f"{ATTENTION}::test_it_computes_the_equations",),
    ),
    Breakage(
        "attention's scores are divided by the root of their channels",
        BLOCK,
        'wide(jnp.einsum("bqc,bkc->bqk", query, key))',
        'wide(jnp.einsum("bqc,bkc->bqk", query, key)) / query.shape[-1] ** 0.5',
        (f"{ATTENTION}::test_it_computes_the_equations",),
    ),
    Breakage(
        "attention's keys and values are means of 2x2 pixels",
        BLOCK,
        "channels).max((2, 4))",
        "channels).mean((2, 4))",
        (f"{ATTENTION}::test_it_computes_the_equations",),
    ),
    Breakage(
        "attention replaces the features instead of being added",
        BLOCK,
        "return x + gamma.astype(seen.dtype) * seen",
        "return gamma.astype(seen.dtype) * seen",
        (f"{ATTENTION}::test_with_gamma_0_it_is_the_identity_and_gamma_has_a_gradient",),
    ),
    Breakage(
        "gamma starts at 1",
        BLOCK,
        '"gamma", nn.initializers.zeros_init()',
        '"gamma", nn.initializers.ones_init()',
        (f"{ATTENTION}::test_with_gamma_0_it_is_the_identity_and_gamma_has_a_gradient",),
    ),
    Breakage(
        "the softmax of attention is taken in half precision",
        BLOCK,
        'nn.softmax(wide(jnp.einsum("bqc,bkc->bqk", query, key)), axis=-1)',
        'nn.softmax(jnp.einsum("bqc,bkc->bqk", query, key), axis=-1)',
        (f"{ATTENTION}::test_half_precision_keeps_the_softmax_in_float32",),
    ),
    Breakage(
        "SAGAN's generator is not spectrally normalised",
        SAGAN,
        "start, weight = doublings(self.size, len(self.widths)), self.weight(GLOROT)",
        "from genjax.nn.weights import Plain\n        start, weight = doublings(self.size, len(self.widths)), Plain()",
        (f"{OWN}::test_every_kernel_and_table_is_normalised_and_only_its_owner_moves_its_iteration",),
    ),
    Breakage(
        "SAGAN's blocks start by their own rule instead of Glorot's",
        SAGAN,
        "return Spectral(GLOROT)",
        "return Spectral(initializer)",
        ("tests/presets/test_first_weights.py::test_first_weights_have_the_sources_deviations",),
    ),
    Breakage(
        "SAGAN's discriminator is as wide between two convolutions as before the block",
        SAGAN,
        "hidden=features, dtype=self.dtype)(x)",
        "dtype=self.dtype)(x)",
        ("tests/test_contracts.py::test_the_recipe_exists_and_its_presets_have_the_published_parameter_counts[sagan]",),
    ),
    Breakage(
        "SAGAN's samples are judged under the labels of the images",
        "genjax/gans/sngan.py",
        'labels = None if fake_labels is None else jnp.concatenate([batch["labels"], fake_labels])',
        'labels = None if fake_labels is None else jnp.concatenate([batch["labels"], batch["labels"]])',
        (f"{GOLDEN}::test_discriminator_moves",),
    ),
    Breakage(
        "SAGAN's generator maximises its loss",
        "genjax/gans/sngan.py",
        "return objective.generator(nets.discriminator.output(fake, labels)), aux(generator)",
        "return -objective.generator(nets.discriminator.output(fake, labels)), aux(generator)",
        ("tests/gans/test_fast_learning_sagan.py",),
    ),
    Breakage(
        "SAGAN's discriminator attends one block later",
        SAGAN,
        "return sides.index(attention)",
        "return len(sides) - 1 - list(reversed(sides)).index(attention)",
        (f"{OWN}::test_a_network_attends_after_the_block_that_makes_maps_of_that_size",),
    ),
    Breakage(
        "the last norm of SAGAN forgets as fast as those of blocks",
        SAGAN,
        "BatchNorm(self.momenta[1]",
        "BatchNorm(self.momenta[0]",
        (f"{OWN}::test_momenta_reach_the_norms",),
    ),
    Breakage(
        "published weights are divided by another singular value",
        LAYERS,
        "return w / (u.reshape(-1) @ _matrix(w) @ v.reshape(-1))",
        "return w / np.linalg.norm(u.reshape(-1) @ _matrix(w))",
        (f"{PUBLISHED}::test_the_singular_value_is_that_of_the_stored_vectors",),
    ),
    Breakage(
        "published norms have scale and bias exchanged",
        LAYERS,
        'f"params/{ours}/scale": Row((table,), lambda x: np.split(x, 2, axis=1)[0])',
        'f"params/{ours}/scale": Row((table,), lambda x: np.split(x, 2, axis=1)[1])',
        (f"{PUBLISHED}::test_mimicrys_generators_draw_what_they_draw_there",),
    ),
    Breakage(
        "mimicry's generators copy pixels",
        "genjax/gans/published/mimicry.py",
        "weight=Plain, growth=grow_smoothly)",
        "weight=Plain)",
        (f"{PUBLISHED}::test_mimicrys_generators_draw_what_they_draw_there",),
    ),
)
