"""Breakages of the GANs that grow."""

from tests.breakages.breakage import Breakage

GOLDEN, PGGAN = "tests/gans/test_golden.py", "tests/gans/test_pggan.py"
STYLEGAN, STYLED = "tests/gans/test_stylegan.py", "tests/gans/test_golden_stylegan.py"
GROWING, LAYERS, GROWN = "genjax/nn/growing.py", "genjax/nn/styles.py", "genjax/gans/pggan.py"

BREAKAGES = (
    # PGGAN
    Breakage(
        "PGGAN's images do not fade",
        GROWN,
        'images = fade(batch["images"], alpha)',
        'images = batch["images"]',
        (f"{GOLDEN}::test_pggan_critic_moves",),
    ),
    Breakage(
        "PGGAN has no drift penalty",
        "genjax/losses/wasserstein.py",
        " + drift * jnp.mean(real_scores**2)",
        "",
        (f"{GOLDEN}::test_pggan_critic_moves",),
    ),
    Breakage(
        "PGGAN's penalty ignores its target",
        "genjax/losses/wasserstein.py",
        "fake, key, target)",
        "fake, key)",
        (f"{GOLDEN}::test_pggan_penalty_towards_750",),
    ),
    Breakage(
        "PGGAN's fade is over before it begins",
        GROWING,
        "return jnp.clip((jnp.asarray(step, jnp.float32) - first) / steps, 0.0, 1.0)",
        "return jnp.float32(1)",
        (f"{PGGAN}::test_alpha_rises_over_the_phase_without_another_trace",),
    ),
    Breakage(
        "PGGAN's critic pools before the activation",
        GROWING,
        "else pool(activate(second(x)))",
        "else activate(pool(second(x)))",
        (f"{GOLDEN}::test_pggan_outputs",),
    ),
    Breakage(
        "PGGAN's latent is not normalised",
        GROWN,
        "(pixel_norm(latent))",
        "(latent)",
        (f"{GOLDEN}::test_pggan_outputs",),
    ),
    Breakage(
        "PGGAN's last layer has the gain of a ReLU",
        GROWING,
        "Dense(1, weight=Equalised(gain=1.0)",
        "Dense(1, weight=Equalised()",
        (f"{GOLDEN}::test_pggan_outputs",),
    ),
    Breakage(
        "PGGAN's first layer has the gain of the others",
        GROWN,
        "Equalised(RELU_GAIN / 4)",
        "Equalised(RELU_GAIN)",
        (f"{GOLDEN}::test_pggan_outputs",),
    ),
    Breakage(
        "PGGAN's average forgets as fast for every batch",
        "genjax/run/growth.py",
        "return 0.5 ** (batch_size / half_life)",
        "return 0.5 ** (1 / half_life)",
        (f"{PGGAN}::test_the_decay_for_a_half_life_of_10000_images",),
    ),
    Breakage(
        "PGGAN's phases each begin from new weights",
        "genjax/run/growth.py",
        "phases.append(Phase(game, stage.steps, feed, carry_over_networks))",
        "phases.append(Phase(game, stage.steps, feed, lambda old, fresh: fresh.replace(step=old.step)))",
        ("tests/presets/test_games.py::test_pggans_networks_on_cifar_move_at_once_from_the_same_samples",),
    ),
    # StyleGAN
    Breakage(
        "StyleGAN's noise has no strength that is learned",
        LAYERS,
        "x = x + noise.astype(x.dtype) * strength",
        "x = x + noise.astype(x.dtype) + 0 * strength",
        (f"{STYLED}::test_every_layer",),
    ),
    Breakage(
        "StyleGAN's styles scale around 0 instead of 1",
        LAYERS,
        "* (1 + scale) + shift",
        "* scale + shift",
        (f"{STYLED}::test_every_layer",),
    ),
    Breakage(
        "StyleGAN's doubled images are not blurred",
        LAYERS,
        "x = blur(x) if self.doubles else x",
        "x = x",
        (f"{STYLED}::test_every_layer",),
    ),
    Breakage(
        "StyleGAN's mapping learns as fast as the rest",
        LAYERS,
        "Equalised(RELU_GAIN, self.rate)",
        "Equalised(RELU_GAIN)",
        (f"{STYLEGAN}::test_the_mapping_is_stored_a_hundred_times_as_large_and_learns_a_hundredth_as_fast",),
    ),
    Breakage(
        "StyleGAN's mixed styles change places",
        "genjax/gans/stylegan.py",
        "[None, :, None] < crossover, first, second)",
        "[None, :, None] < crossover, second, first)",
        (f"{STYLED}::test_styles_and_images",),
    ),
    Breakage(
        "StyleGAN truncates every layer",
        "genjax/gans/stylegan.py",
        "return crossed(average + psi * (styles - average), styles, cutoff)",
        "return average + psi * (styles - average)",
        (f"{STYLEGAN}::test_truncation_moves_the_first_layers_to_the_mean_style",),
    ),
    Breakage(
        "StyleGAN's mean style stands still",
        "genjax/gans/stylegan.py",
        "return objective.generator(nets.discriminator.output(fake, alpha=alpha)), aux(generator)",
        "return objective.generator(nets.discriminator.output(fake, alpha=alpha)), aux()",
        (f"{STYLEGAN}::test_the_mean_style_follows_in_the_generators_moves_alone",),
    ),
    Breakage(
        "StyleGAN's styles never cross over at the last layer",
        "genjax/gans/stylegan.py",
        "jax.random.randint(where_key, (), 1, layers(size))",
        "jax.random.randint(where_key, (), 1, layers(size) - 1)",
        (f"{STYLEGAN}::test_batches_cross_over_at_every_layer_and_as_often_as_told",),
    ),
    Breakage(
        "StyleGAN's penalty is on samples",
        "genjax/gans/stylegan.py",
        "r1(precise, real)",
        "r1(precise, fake)",
        (f"{STYLED}::test_the_discriminator_moves",),
    ),
    Breakage(
        "StyleGAN's discriminator does not blur",
        GROWING,
        "activate(pool(second(blur(x))))",
        "activate(pool(second(x)))",
        (f"{STYLED}::test_the_discriminator_moves",),
    ),
    Breakage(
        "StyleGAN's samples share one noise",
        "genjax/tasks/styles.py",
        "jax.random.fold_in(key, number), len(part))",
        "jax.random.fold_in(key, number), 1)",
        (f"{STYLEGAN}::test_samples_have_their_own_noise_and_images_of_given_latents_share_one",),
    ),
    Breakage(
        "StyleGAN's rates are the same at every resolution",
        "train/stylegan.py",
        "own.rate * factors[min(level, len(factors) - 1)]",
        "own.rate * factors[0]",
        (f"{STYLEGAN}::test_rates_rise_with_the_resolution",),
    ),
)
