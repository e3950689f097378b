"""Breakages of StackGAN, its text encoders and its judge."""

from tests.breakages.breakage import Breakage

STACK, NETWORKS, TEXT = "genjax/gans/stackgan.py", "genjax/nn/stages.py", "genjax/nn/text.py"
TESTS, GOLDEN = "tests/gans/test_stackgan.py", "tests/gans/test_golden_stackgan.py"
FAST, WORDS = "tests/gans/test_fast_learning_stackgan.py", "tests/nn/test_text.py"
HELD = f"{TESTS}::test_stage_two_starts_from_sketches_by_running_statistics"

BREAKAGES = (
    Breakage(
        "stage I is normalised by the batch in stage II",
        STACK,
        "sketches = nets.generator1.evaluated(z, text, noise).images",
        "sketches = nets.generator1.output(z, text, noise).images",
        (HELD,),
    ),
    Breakage(
        "an image's own sentence may be its wrong one",
        "genjax/losses/joint_embedding.py",
        "    return ~same",
        "    return ~same | True",
        (f"{TESTS}::test_mismatched_pairs_share_no_caption_and_no_class",),
    ),
    Breakage(
        "the divergence is a sum",
        STACK,
        "2 * fake.log_deviation)) / fake.mean.shape[-1]",
        "2 * fake.log_deviation))",
        (f"{GOLDEN}::test_generator_moves",),
    ),
    Breakage(
        "log sigma is read from mu",
        NETWORKS,
        "mean, spread = jnp.split(wide(both), 2, -1)",
        "mean, spread = jnp.split(wide(both), 2, -1)[0], jnp.split(wide(both), 2, -1)[0]",
        (f"{GOLDEN}::test_outputs",),
    ),
    Breakage(
        "the wrong sentence is called right",
        STACK,
        "terms.append(jnp.mean(share * jax.nn.softplus(wide(wrong))))",
        "terms.append(jnp.mean(share * jax.nn.softplus(-wide(wrong))))",
        (f"{FAST}::test_the_discriminator_knows_which_word_an_image_belongs_to",),
    ),
    Breakage(
        "the generator fools nobody",
        STACK,
        "fooled = sum(terms[1:], terms[0])",
        "fooled = -sum(terms[1:], terms[0])",
        (f"{FAST}::test_colours_follow_the_word",),
    ),
    Breakage(
        "the condition goes to the generator's gradient",
        STACK,
        'told = text if rules.judged == "text" else jax.lax.stop_gradient(fake.mean)',
        'told = text if rules.judged == "text" else fake.mean',
        (f"{GOLDEN}::test_generator_moves",),
    ),
    Breakage(
        "words run together",
        TEXT,
        '*(f"{word.lower()} " for word in words[1:])',
        '*(f"{word.lower()}" for word in words[1:])',
        (f"{WORDS}::test_letters_are_those_of_the_words_with_a_blank_between",),
    ),
    Breakage(
        "a sentence's last state is that behind its end",
        TEXT,
        "last = jnp.maximum(jnp.sum(tokens != 0, -1), 1) - 1",
        "last = jnp.full(len(tokens), tokens.shape[1] - 1)",
        (f"{WORDS}::test_words_behind_the_end_do_not_count",),
    ),
    Breakage(
        "left and right are exchanged in what is judged",
        "genjax/data/drawn/scenes.py",
        "return np.where(swapped[:, None, None], both[:, ::-1], both)",
        "return np.where(swapped[:, None, None], both, both[:, ::-1])",
        ("tests/data/test_scenes.py::test_captions_say_what_stands_left_and_right",),
    ),
)
