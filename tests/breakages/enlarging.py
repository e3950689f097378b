"""Breakages of SRGAN, SPADE and what they compare images by."""

from tests.breakages.breakage import Breakage

SRGAN, SPADE = "genjax/gans/srgan.py", "genjax/gans/spade.py"
ENLARGED, DRAWN = "tests/gans/test_srgan.py", "tests/gans/test_spade.py"
PORT, AUTHORS = "tests/gans/test_golden_srgan.py", "tests/gans/test_golden_spade.py"
FAST = "tests/gans/test_fast_learning_enlarging.py"
MAPS, NORM = "genjax/nn/label_maps.py", "genjax/nn/spatial_norm.py"

BREAKAGES = (
    # SRGAN
    Breakage(
        "SRGAN's generator fools nobody",
        SRGAN,
        "return distance + weight * fooling,",
        "return distance - weight * fooling,",
        (f"{PORT}::test_generator_moves",),
    ),
    Breakage(
        "SRGAN's discriminator sees enlarged images first",
        SRGAN,
        """    real_logits, discriminator = nets.discriminator(batch["images"])
    fake_logits, discriminator = discriminator(enlarged)""",
        """    fake_logits, discriminator = nets.discriminator(enlarged)
    real_logits, discriminator = discriminator(batch["images"])""",
        (f"{ENLARGED}::test_the_discriminators_statistics_follow_the_images_and_then_the_enlarged_ones",),
    ),
    Breakage(
        "SRGAN loses its long skip",
        SRGAN,
        'x = first + norm(name="after_norm")',
        'x = norm(name="after_norm")',
        (f"{PORT}::test_outputs",),
    ),
    Breakage(
        "pixels are shuffled in another order",
        "genjax/nn/pixel_shuffle.py",
        "return x.transpose(0, 1, 4, 2, 5, 3)",
        "return x.transpose(0, 1, 5, 2, 4, 3)",
        (f"{PORT}::test_pixel_shuffle_has_pytorchs_order",),
    ),
    Breakage(
        "tiles overlap by too little",
        "genjax/tasks/tiles.py",
        "window = tile + 2 * reach",
        "reach = reach // 2\n    window = tile + 2 * reach",
        (f"{ENLARGED}::test_tiles_join_without_seams",),
    ),
    Breakage(
        "small images are not rounded between the directions",
        "genjax/data/resize.py",
        "images = jnp.floor(jnp.clip(resized, 0, 255) + 0.5).astype(jnp.uint8)",
        "images = jnp.clip(resized, 0, 255).astype(jnp.uint8)",
        (f"{ENLARGED}::test_small_images_are_pillows",),
    ),
    Breakage(
        "the second phase keeps the first one's moments",
        "train/srgan.py",
        "phases.append(Phase(game, steps - first, feed, carry_over_networks))",
        "phases.append(Phase(game, steps - first, feed))",
        (f"{ENLARGED}::test_the_second_phase_goes_on_from_the_first_ones_network_and_starts_its_optimizer_afresh",),
    ),
    Breakage(
        "the content loss ignores its scale",
        "genjax/losses/perceptual.py",
        "return scale * sum((jnp.mean",
        "return sum((jnp.mean",
        (f"{ENLARGED}::test_the_content_of_an_image_is_no_distance_from_itself",),
    ),
    Breakage(
        "SRGAN's generator learns nothing from the discriminator",
        SRGAN,
        "return distance + weight * fooling,",
        "return distance + 0 * fooling,",
        (f"{FAST}::test_the_adversarial_loss_draws_stripes_that_small_images_do_not_show",),
    ),
    Breakage(
        "sharpness is the same of a step and of a ramp",
        "genjax/metrics/image.py",
        "jnp.diff(images, axis=1) ** 2, jnp.diff(images, axis=2) ** 2",
        "jnp.abs(jnp.diff(images, axis=1)), jnp.abs(jnp.diff(images, axis=2))",
        ("tests/metrics/test_image.py::test_sharpness_is_the_root_mean_square_step_between_neighbours",),
    ),
    # SPADE
    Breakage(
        "SPADE's norm does not see the map",
        NORM,
        "return normed * (1 + gamma) + beta",
        "return normed",
        (f"{FAST}::test_colours_follow_the_map_and_exchange_with_its_labels",),
    ),
    Breakage(
        "SPADE forgets the one in front of gamma",
        NORM,
        "return normed * (1 + gamma) + beta",
        "return normed * gamma + beta",
        (f"{AUTHORS}::test_the_norm",),
    ),
    Breakage(
        "maps are resized by the pixel in the middle",
        MAPS,
        "rows, columns = (np.arange(to) * of // to for",
        "rows, columns = ((2 * np.arange(to) + 1) * of // (2 * to) for",
        (f"{AUTHORS}::test_edges_and_maps", f"{DRAWN}::test_nearest_copies_the_floor"),
    ),
    Breakage(
        "edges lie on one side only",
        MAPS,
        "for side in ((1, 0), (0, 1)):",
        "for side in ((1, 0),):",
        (f"{DRAWN}::test_edges_lie_on_both_sides_of_every_border",),
    ),
    Breakage(
        "pixels without a class are of the last class",
        MAPS,
        "(maps >= self.classes), self.classes, maps)",
        "(maps >= self.classes), self.classes - 1, maps)",
        (f"{DRAWN}::test_labels_that_are_no_class_have_a_channel_or_none",),
    ),
    Breakage(
        "feature matching compares scores too",
        SPADE,
        "for a, b in zip(x[:-1], y[:-1], strict=True)",
        "for a, b in zip(x, y, strict=True)",
        (f"{DRAWN}::test_the_losses_of_a_discriminator_that_says_nothing",),
    ),
    Breakage(
        "the style has no chance",
        SPADE,
        "z = mean + jnp.exp(0.5 * log_variance) * noise",
        "z = mean + 0 * noise",
        (f"{DRAWN}::test_the_encoder_learns_and_keys_draw_other_styles",),
    ),
    Breakage(
        "the second scale sees the image itself",
        SPADE,
        "x = halved(x) if scale else x",
        "x = x",
        (f"{DRAWN}::test_the_discriminators_maps_have_the_authors_sizes",),
    ),
    Breakage(
        "maps are mirrored on their own",
        "train/spade.py",
        "(transforms.flip(own, flip_key) if mirror else own)",
        "(transforms.flip(own, jax.random.fold_in(flip_key, len(name))) if mirror else own)",
        (f"{DRAWN}::test_prepared_maps_move_with_their_images",),
    ),
)  # fmt: skip
