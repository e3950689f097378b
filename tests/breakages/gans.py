"""Breakages of the GANs."""

from tests.breakages.breakage import Breakage

GOLDEN, RESIDUAL = "tests/gans/test_golden.py", "tests/gans/test_golden_residual.py"
GAMES, UNROLLED, CYCLE = "tests/gans/test_games.py", "tests/gans/test_unrolled.py", "tests/gans/test_cyclegan.py"
TRANSLATED = "genjax/gans/cyclegan.py"
LABELLED = (f"{GAMES}::test_labels_are_those_of_images_and_samples_at_the_same_place",)
PLAYERS = """        Side("discriminator", discriminator, discriminator_loss, discriminator_tx),
        Side("generator", generator, generator_loss, generator_tx),
"""
TURNED = """        Side("generator", generator, generator_loss, generator_tx),
        Side("discriminator", discriminator, discriminator_loss, discriminator_tx),
"""
APART = """    real_logits, discriminator = nets.discriminator(images)
    fake_logits, discriminator = discriminator(fake)"""

BREAKAGES = (
    # GAN, CGAN, DCGAN
    Breakage(
        "the GAN ignores the weight of the discriminator's loss",
        "genjax/gans/gan.py",
        "return weight * adversarial.discriminator(",
        "return adversarial.discriminator(",
        ("tests/presets/test_games.py::test_both_losses_of_a_gan_see_the_same_samples_under_the_same_dropout",),
    ),
    Breakage(
        "the CGAN's labels are shifted by one image",
        "genjax/gans/cgan.py",
        'images, labels, discriminator = batch["images"], batch["labels"], nets.discriminator.output',
        'images, labels, discriminator = batch["images"], jnp.roll(batch["labels"], 1), nets.discriminator.output',
        LABELLED,
    ),
    Breakage(
        "the CGAN's discriminator is not told the label of samples",
        "genjax/gans/cgan.py",
        "fake_logits = discriminator(fake, labels, key=fake_drop)",
        "fake_logits = discriminator(fake, 0 * labels, key=fake_drop)",
        LABELLED,
    ),
    Breakage(
        "the DCGAN's images and samples share one batch norm",
        "genjax/gans/dcgan.py",
        APART,
        """    import jax.numpy as jnp
    both, discriminator = nets.discriminator(jnp.concatenate([images, fake]))
    real_logits, fake_logits = jnp.split(both, 2)""",
        (f"{GOLDEN}::test_dcgan_discriminator_moves",),
    ),
    Breakage(
        "the DCGAN's samples pass the discriminator before the images",
        "genjax/gans/dcgan.py",
        APART,
        """    fake_logits, discriminator = nets.discriminator(fake)
    real_logits, discriminator = discriminator(images)""",
        (f"{GOLDEN}::test_dcgan_discriminator_moves",),
    ),
    Breakage(
        "the DCGAN's leaky ReLU has another slope",
        "genjax/gans/dcgan.py",
        "if stage and self.batch_norm else x, 0.2)",
        "if stage and self.batch_norm else x, 0.1)",
        (f"{GOLDEN}::test_dcgan_outputs",),
    ),
    Breakage(
        "the DCGAN's generator moves first",
        "genjax/gans/dcgan.py",
        PLAYERS,
        TURNED,
        (f"{GOLDEN}::test_dcgan_trains_for_two_steps",),
    ),
    # WGAN and WGAN-GP
    Breakage(
        "the WGAN's weights are not clipped",
        "genjax/optim.py",
        "jnp.clip(p + u, low, high) - p, params, updates)",
        "u, params, updates)",
        (f"{GAMES}::test_every_weight_stays_within_its_bound_after_each_critic_move",),
    ),
    Breakage(
        "WGAN-GP ignores the weight of its penalty",
        "genjax/gans/wgan_gp.py",
        "gap + weight * penalty",
        "gap + penalty",
        (f"{RESIDUAL}::test_wgan_gp_critic_moves",),
    ),
    Breakage(
        "WGAN-GP's generator moves on as many samples as the critic",
        "genjax/gans/wgan_gp.py",
        'nets.generator(draw(key, multiple * len(batch["images"])))',
        'nets.generator(draw(key, len(batch["images"])))',
        (f"{GAMES}::test_the_generator_may_move_on_a_larger_batch",),
    ),
    # SNGAN
    Breakage(
        "SNGAN's samples come before the images in the batch",
        "genjax/gans/sngan.py",
        "jnp.concatenate([images, fake]), labels",
        "jnp.concatenate([fake, images]), labels",
        (f"{RESIDUAL}::test_sngan_discriminator_moves",),
    ),
    Breakage(
        "SNGAN's images get the labels of samples",
        "genjax/gans/sngan.py",
        '[batch["labels"], fake_labels]',
        '[fake_labels, batch["labels"]]',
        (f"{RESIDUAL}::test_sngan_discriminator_moves",),
    ),
    Breakage(
        "SNGAN's scores are without projection",
        "genjax/gans/sngan.py",
        "score = score + jnp.sum(wide(rows * x), -1)",
        "score = score + 0 * jnp.sum(wide(rows * x), -1)",
        (f"{RESIDUAL}::test_sngan_outputs",),
    ),
    Breakage(
        "SNGAN averages pixels instead of summing them",
        "genjax/gans/sngan.py",
        "x = jnp.sum(nn.relu(x), (1, 2))",
        "x = jnp.mean(nn.relu(x), (1, 2))",
        (f"{RESIDUAL}::test_sngan_outputs",),
    ),
    Breakage(
        "SNGAN's blocks have another epsilon",
        "genjax/gans/sngan.py",
        "x = UpBlock(features, self.classes, 2e-5, self.dtype)(x, labels, train)",
        "x = UpBlock(features, self.classes, 1e-5, self.dtype)(x, labels, train)",
        (f"{RESIDUAL}::test_sngan_outputs",),
    ),
    # Unrolled
    Breakage(
        "the look-ahead is detached from the generator",
        "genjax/gans/unrolled.py",
        'future.params["discriminator"]}',
        'jax.lax.stop_gradient(future.params["discriminator"])}',
        (f"{UNROLLED}::test_finite_differences_through_adam",),
    ),
    Breakage(
        "the generator looks one step ahead whatever it is told",
        "genjax/gans/unrolled.py",
        "jax.lax.scan(ahead, state, None, steps)",
        "jax.lax.scan(ahead, state, None, min(steps, 1))",
        (f"{UNROLLED}::test_the_bilinear_game",),
    ),
    Breakage(
        "the unrolled generator helps the discriminator",
        "genjax/gans/unrolled.py",
        "return -loss, aux()",
        "return loss, aux()",
        (f"{UNROLLED}::test_without_look_ahead_it_is_the_minimax_game",),
    ),
    # CycleGAN
    Breakage(
        "CycleGAN's doublings put pixels elsewhere than its halvings took them",
        TRANSLATED,
        "jnp.flip(up(jnp.flip(x, (1, 2))), (1, 2))",
        "up(x)",
        (f"{CYCLE}::test_what_the_doubling_restores_lies_where_the_halving_took_it",),
    ),
    Breakage(
        "CycleGAN's residual connection is left out",
        TRANSLATED,
        "x = x + instance_norm(y)",
        "x = instance_norm(y)",
        (f"{GOLDEN}::test_cyclegan_outputs",),
    ),
    Breakage(
        "CycleGAN's identity loss is of the wrong generators",
        TRANSLATED,
        "distance(forth(b), b) + distance(back(a), a)",
        "distance(forth(a), a) + distance(back(b), b)",
        (f"{GOLDEN}::test_cyclegan_generators_move",),
    ),
    Breakage(
        "CycleGAN ignores the weight of the cycle",
        TRANSLATED,
        "fooling + cycle * around",
        "fooling + around",
        (f"{GOLDEN}::test_cyclegan_generators_move",),
    ),
    Breakage(
        "CycleGAN's pool gives back what it held before",
        TRANSLATED,
        "jnp.where(full & swapped, old, image)",
        "old",
        (f"{CYCLE}::test_the_pool_is_that_of_a_plain_list",),
    ),
    Breakage(
        "CycleGAN's pool never exchanges",
        TRANSLATED,
        "swap = jax.random.bernoulli(coin, 0.5, (count,))",
        "swap = jax.random.bernoulli(coin, 0.0, (count,))",
        (f"{CYCLE}::test_half_of_what_a_full_pool_returns_is_old",),
    ),
    Breakage(
        "a discriminator of CycleGAN's judges past its pool",
        TRANSLATED,
        'pool_b, fake_b = pooled(state.memory["pool_b"], nets.forward.output(a), jax.random.fold_in(key, 1))',
        'pool_b, fake_b = state.memory["pool_b"], nets.forward.output(a)',
        (f"{GOLDEN}::test_cyclegan_discriminators_move",),
    ),
)
