"""Breakages of InfoGAN, its codes and what measures them."""

from tests.breakages.breakage import Breakage

MODEL, CODES, TASK = "genjax/gans/infogan.py", "genjax/codes.py", "genjax/tasks/coded.py"
LOSSES = "genjax/losses/information.py"
TESTS, LATENTS = "tests/gans/test_infogan.py", "tests/test_codes.py"
LEARNING, PROGRAM = "tests/gans/test_fast_learning_infogan.py", "tests/eval/test_codes.py"

BREAKAGES = (
    Breakage(
        "InfoGAN's generator makes its codes hard to read",
        MODEL,
        "adversarial.non_saturating_generator(fake_logits) - told",
        "adversarial.non_saturating_generator(fake_logits) + told",
        (
            f"{TESTS}::test_both_losses_are_the_golden_ones_less_the_information_by_its_weights",
            f"{LEARNING}::test_every_class_of_a_code_draws_a_point_of_its_own",
        ),
    ),
    Breakage(
        "InfoGAN's information does not reach the generator",
        MODEL,
        "    fake_logits, numbers = nets.discriminator.output(fake)\n",
        "    fake_logits, _ = nets.discriminator.output(fake)\n"
        "    numbers = nets.discriminator.output(jax.lax.stop_gradient(fake))[1]\n",
        (
            f"{TESTS}::test_the_information_reaches_the_generator_q_and_the_shared_layers",
            f"{LEARNING}::test_every_class_of_a_code_draws_a_point_of_its_own",
        ),
    ),
    Breakage(
        "InfoGAN's Q reads images as well",
        MODEL,
        "nets.discriminator(images, read=False)",
        "nets.discriminator(images)",
        (f"{TESTS}::test_q_reads_samples_alone_and_images_do_not_touch_its_statistics",),
    ),
    Breakage(
        "InfoGAN's Q is trained on the codes of other samples",
        MODEL,
        "told, metrics = reading.information(latents, numbers)\n    metrics |=",
        "told, metrics = reading.information(jnp.roll(latents, 1, 0), numbers)\n    metrics |=",
        (
            f"{TESTS}::test_both_losses_are_the_golden_ones_less_the_information_by_its_weights",
            f"{LEARNING}::test_every_class_of_a_code_draws_a_point_of_its_own",
        ),
    ),
    Breakage(
        "InfoGAN ignores the weight of continuous codes",
        MODEL,
        "total + self.weights.continuous * found",
        "total + self.weights.categorical * found",
        (f"{TESTS}::test_both_losses_are_the_golden_ones_less_the_information_by_its_weights",),
    ),
    Breakage(
        "InfoGAN learns variances that are to be held at 1",
        MODEL,
        "log_variance = read.log_variance if self.learned else 0.0",
        "log_variance = read.log_variance",
        (f"{TESTS}::test_variances_that_are_held_at_one_leave_their_outputs_without_gradient",),
    ),
    Breakage(
        "InfoGAN's Q has no batch norm",
        MODEL,
        'x = activate(_norm(self.dtype)(dense(self.layers.recognition * self.width, name="recognition")(x), train))',
        'x = activate(dense(self.layers.recognition * self.width, name="recognition")(x))',
        (f"{TESTS}::test_parameters_of_generator_discriminator_and_q",),
    ),
    Breakage(
        "the variance of InfoGAN's continuous codes is taken for the deviation",
        LOSSES,
        "** 2 * jnp.exp(-log_variance)",
        "** 2 * jnp.exp(-2 * log_variance)",
        (f"{TESTS}::test_information_in_closed_form",),
    ),
    Breakage(
        "the entropy of continuous codes is left out of the information",
        LOSSES,
        "math.log(2) + density",
        "density",
        (f"{TESTS}::test_the_information_on_codes_is_the_golden_one",),
    ),
    Breakage(
        "continuous codes lie in [0, 1]",
        CODES,
        "jax.random.uniform(uniform_key, (count, plain), minval=-1.0, maxval=1.0)",
        "jax.random.uniform(uniform_key, (count, plain))",
        (f"{LATENTS}::test_latents_are_noise_then_one_hot_codes_then_continuous_ones",),
    ),
    Breakage(
        "all categorical codes are drawn alike",
        CODES,
        "jax.nn.one_hot(jax.random.randint(each, (count,)",
        "jax.nn.one_hot(jax.random.randint(keys[0], (count,)",
        (f"{LATENTS}::test_latents_are_noise_then_one_hot_codes_then_continuous_ones",),
    ),
    Breakage(
        "a walk between latents passes through mixtures of classes",
        CODES,
        "1.0, self.nearest)",
        "1.0)",
        (f"{LATENTS}::test_between_two_latents_classes_change_at_once_and_numbers_evenly",),
    ),
    Breakage(
        "samples ignore the codes that are asked for",
        TASK,
        "self.from_latents(state, self.codes.placed(self.latents(key, count), codes or {}))",
        "self.from_latents(state, self.latents(key, count))",
        (f"{PROGRAM}::test_samples_have_the_codes_that_are_asked_for",),
    ),
    Breakage(
        "a code that merely follows its class is taken to change it",
        "genjax/metrics/factors.py",
        "a, b = centred(codes), centred(values.reshape(len(values), -1))",
        "a, b = codes - codes.mean(), (values - values.mean(0)).reshape(len(values), -1)",
        ("tests/metrics/test_factors.py::test_a_code_explains_what_it_explains_within_groups",),
    ),
)
