"""Breakages of recipes, their published presets, and optimizers."""

from tests.breakages.breakage import Breakage

OPTIMIZERS, RATES = "tests/presets/test_optimizers.py", "tests/test_train_optimizer.py"
VALUES = ("tests/presets/test_values.py::test_a_published_preset_has_its_sources_values",)
MOVES = (f"{OPTIMIZERS}::test_rates_of_a_game_fall_over_all_moves_of_their_player",)

BREAKAGES = (
    # Values
    Breakage(
        "the article's VAE has beta 1",
        "train/vae.py",
        "beta=0.1, beta_schedule",
        "beta=1.0, beta_schedule",
        VALUES,
    ),
    Breakage(
        "the article's VAE draws one sample",
        "train/vae.py",
        'beta_schedule="constant", samples=5',
        'beta_schedule="constant", samples=1',
        VALUES,
    ),
    Breakage(
        "the paper's DCGAN has Adam's usual beta1",
        "train/dcgan.py",
        "\n    discriminator_rate=2e-4, beta1=0.5",
        "\n    discriminator_rate=2e-4, beta1=0.9",
        VALUES,
    ),
    Breakage(
        "the paper's DCGAN trains on batches of 64",
        "train/dcgan.py",
        'batch_size=128, latent=100, prior="uniform"',
        'batch_size=64, latent=100, prior="uniform"',
        VALUES,
    ),
    Breakage(
        "the paper's GAN does not halve its discriminator's loss",
        "train/gan.py",
        "simultaneous=True, discriminator_weight=0.5",
        "simultaneous=True, discriminator_weight=1.0",
        VALUES,
    ),
    Breakage(
        "the paper's WGAN learns ten times as fast",
        "train/wgan.py",
        "batch_size=64, latent=100, generator_rate=5e-5",
        "batch_size=64, latent=100, generator_rate=5e-4",
        VALUES,
    ),
    Breakage(
        "WGAN-GP on MNIST trains on batches of 64",
        "train/wgan_gp.py",
        'pixels="sigmoid", batch_size=50',
        'pixels="sigmoid", batch_size=64',
        VALUES,
    ),
    Breakage(
        "the paper's SNGAN does not dequantise",
        "train/sngan.py",
        "generator_batch=2, dequantize=True",
        "generator_batch=2, dequantize=False",
        VALUES,
    ),
    Breakage(
        "SNGAN on ImageNet decays from the start",
        "train/sngan.py",
        "decay_from=8 / 9",
        "decay_from=0.0",
        VALUES,
    ),
    Breakage(
        "the paper's PGGAN has no drift penalty",
        "train/pggan.py",
        "drift=1e-3, compare=True, simultaneous=False, half_life=None",
        "drift=0.0, compare=True, simultaneous=False, half_life=None",
        VALUES,
    ),
    Breakage(
        "PGGAN on CIFAR-10 asks for gradients of norm 1",
        "train/pggan.py",
        "target=750.0",
        "target=1.0",
        VALUES,
    ),
    Breakage(
        "the paper's CycleGAN has no identity loss",
        "train/cyclegan.py",
        "discriminator_width=64, discriminator_layers=3, cycle=10.0, identity=5.0",
        "discriminator_width=64, discriminator_layers=3, cycle=10.0, identity=0.0",
        VALUES,
    ),
    Breakage(
        "the notebook's unrolled GAN looks ten steps ahead",
        "train/unrolled.py",
        "look_ahead=5",
        "look_ahead=10",
        VALUES,
    ),
    # Optimizers
    Breakage(
        "RMSProp has its epsilon inside the root",
        "genjax/run/optimizers.py",
        "Rule(partial(optax.rmsprop, eps_in_sqrt=False))",
        "Rule(optax.rmsprop)",
        (f"{OPTIMIZERS}::test_wgans_rmsprop_is_pytorchs",),
    ),
    Breakage(
        "the penalty on weights is added behind the clipping",
        "genjax/run/optimizers.py",
        "            links.insert(0, optax.add_decayed_weights(self.l2))",
        "            links.insert(1, optax.add_decayed_weights(self.l2))",
        (f"{OPTIMIZERS}::test_the_penalty_is_a_part_of_the_gradient_that_is_clipped",),
    ),
    Breakage(
        "gradients are not clipped",
        "genjax/run/optimizers.py",
        "            links.insert(0, optax.clip_by_global_norm(self.clip))",
        "            pass",
        (f"{RATES}::test_gradients_are_clipped_before_any_rule",),
    ),
    Breakage(
        "a rate does not grow with the batch",
        "genjax/run/optimizers.py",
        "rate = SCALINGS[options.scaling](own.rate, options.batch_size, options.base_batch or options.batch_size)",
        "rate = own.rate",
        (f"{RATES}::test_rates_grow_with_the_batch",),
    ),
    Breakage(
        "momentum falls where it is to rise",
        "genjax/run/optimizers.py",
        "return self.low + (self.high - self.low) * jnp.minimum",
        "return self.high - (self.high - self.low) * jnp.minimum",
        (f"{OPTIMIZERS}::test_momentum_rises_from_a_half_to_seven_tenths",),
    ),
    Breakage(
        "CycleGAN's rate falls from the start",
        "train/cyclegan.py",
        "decay=falling(0.5)",
        "decay=falling(0.0)",
        (f"{OPTIMIZERS}::test_cyclegans_rate_is_constant_over_the_first_half",),
    ),
    Breakage(
        "PGGAN's rates do not rise",
        "train/pggan.py",
        "return own._replace(decay=ramp(shown, batch, hyper.ramp_images)) if shown < hyper.ramp_images else own",
        "return own",
        (f"{OPTIMIZERS}::test_pggans_rates_rise_over_the_first_images",),
    ),
    Breakage(
        "the SNGAN's critic falls five times too fast",
        "train/sngan.py",
        "    moves = steps * hyper.discriminator_steps",
        "    moves = steps",
        MOVES,
    ),
    # Options that would do nothing
    Breakage(
        "--dequantize does nothing for SNGAN",
        "train/sngan.py",
        "noisy = noise(dataset) if hyper.dequantize else None",
        "noisy = None",
        ("tests/presets/test_refusals.py::test_an_option_that_does_nothing_is_refused",),
    ),
    Breakage(
        "--cycle does nothing",
        "train/cyclegan.py",
        "cycle=hyper.cycle, identity",
        "cycle=10.0, identity",
        ("tests/presets/test_loss_weights.py::test_a_loss_weighs_its_parts_as_the_options_ask",),
    ),
    Breakage(
        "--critic-steps does nothing for WGAN-GP",
        "train/wgan_gp.py",
        "latent=hyper.latent, critic_steps=hyper.critic_steps, weight",
        "latent=hyper.latent, critic_steps=5, weight",
        MOVES,
    ),
    Breakage(
        "--ema does nothing for the DCGAN",
        "train/dcgan.py",
        "latent=hyper.latent, prior=prior, ema=hyper.ema",
        "latent=hyper.latent, prior=prior, ema=None",
        ("tests/run/test_load.py::test_truncation_keeps_latents_near",),
    ),
    Breakage(
        "epochs are counted as if a step read one batch",
        "genjax/run/options.py",
        "(images // options.batch_size) / batches))",
        "(images // options.batch_size)))",
        ("tests/presets/test_values.py::test_epochs_count_every_image_that_a_step_reads",),
    ),
    Breakage(
        "the unrolled GAN's Adam has its epsilon outside the root",
        "train/unrolled.py",
        "eps=0.0, eps_root=1e-16",
        "eps=1e-8, eps_root=0.0",
        (f"{OPTIMIZERS}::test_the_unrolled_gan_has_adams_epsilon_inside_the_discriminators_root_alone",),
    ),
)
