"""Breakages of HoloGAN: rotation, styles, networks, losses, and how it is told whether the azimuth turns."""

from tests.breakages.breakage import Breakage

MODEL, ROTATION, CONV = "genjax/gans/hologan.py", "genjax/nn/rotation.py", "genjax/nn/conv3d.py"
TASK = "genjax/tasks/posed.py"
EXACT, GOLDEN, TURNS = "tests/gans/test_hologan.py", "tests/gans/test_golden_hologan.py", "tests/nn/test_rotation.py"
POSED = "tests/eval/test_rotate.py"

BREAKAGES = (
    Breakage(
        "the volume turns the other way",
        ROTATION,
        "rows = [[u * c, v, -u * s], [-v * c, u, v * s], [s, jnp.zeros_like(s), c]]",
        "rows = [[u * c, v, u * s], [-v * c, u, -v * s], [-s, jnp.zeros_like(s), c]]",
        (f"{TURNS}::test_a_quarter_turn_takes_x_to_z_and_a_quarter_tilt_takes_x_to_minus_y",),
    ),
    Breakage(
        "the volume turns about a corner of its middle voxel",
        ROTATION,
        "size / 2 if official_border else (size - 1) / 2",
        "size / 2",
        (f"{TURNS}::test_four_quarter_turns_return_the_volume",),
    ),
    Breakage(
        "what lies outside of the volume is its border, repeated",
        ROTATION,
        "else (index >= 0) & (index < size)",
        "else index == index",
        (f"{TURNS}::test_shifts_move_by_voxels_and_zeros_come_in",),
    ),
    Breakage(
        "the official border keeps the last plane",
        ROTATION,
        "(place >= 0) & (place < size - 1) if",
        "(place >= 0) & (place <= size - 1) if",
        (f"{GOLDEN}::test_the_official_border_loses_the_last_planes_and_turns_about_a_corner",),
    ),
    Breakage(
        "the transposed 3-D convolution is shifted by a slice",
        CONV,
        "low, none = shift - tap, (0, 0, 0)",
        "low, none = shift - tap - 1, (0, 0, 0)",
        ("tests/nn/test_conv3d.py::test_values_and_derivatives_are_the_librarys",),
    ),
    Breakage(
        "CPUs get the library's 3-D convolution",
        CONV,
        'if jax.default_backend() == "cpu":',
        'if jax.default_backend() == "none":',
        ("tests/nn/test_conv3d.py::test_cpus_sum_2d_convolutions_and_others_keep_the_librarys",),
    ),
    Breakage(
        "scale and shift of a style are exchanged",
        "genjax/nn/adain.py",
        "scale, shift = jnp.split(",
        "shift, scale = jnp.split(",
        (f"{GOLDEN}::test_styles_scale_and_shift_normalised_volumes",),
    ),
    Breakage(
        "the generator does not turn its volume",
        MODEL,
        "x = rotate(x, poses, official_border=self.official_border) if self.turning else x",
        "x = x + 0 * rotate(x, poses, official_border=self.official_border) if self.turning else x",
        (f"{EXACT}::test_the_pose_not_given_is_the_identity_and_others_change_the_image",),
    ),
    Breakage(
        "width is folded instead of depth",
        MODEL,
        "return x.reshape(*x.shape[:3], -1)",
        "return x.swapaxes(2, 3).reshape(*x.shape[:2], x.shape[3], -1)",
        (f"{GOLDEN}::test_the_depth_is_folded_and_projected",),
    ),
    Breakage(
        "only the generator has the identity loss",
        MODEL,
        "adversarial.discriminator(real.logits, made.logits) + weights.identity * identity + weights",
        "adversarial.discriminator(real.logits, made.logits) + 0 * identity + weights",
        (f"{EXACT}::test_both_losses_are_the_written_out_ones",),
    ),
    Breakage(
        "the identity loss is of the images",
        MODEL,
        "identity = identity_loss(made, latents)",
        "identity = identity_loss(real, latents)",
        (f"{EXACT}::test_both_losses_are_the_written_out_ones",),
    ),
    Breakage(
        "the generator fools the style discriminator unasked",
        MODEL,
        "if weights.fool_styles:",
        "if True:",
        (f"{EXACT}::test_both_losses_are_the_written_out_ones",),
    ),
    Breakage(
        "all images of a batch have one pose",
        "genjax/views.py",
        "parallel.rows(jax.random.uniform, key, (count, 6))",
        "jnp.repeat(jax.random.uniform(key, (1, 6)), count, 0)",
        (f"{EXACT}::test_views_are_drawn_for_each_image_within_their_ranges",),
    ),
    Breakage(
        "the asked azimuth is not drawn",
        TASK,
        "poses[:, column] = angles",
        "pass",
        (f"{POSED}::test_samples_are_drawn_in_the_poses_that_are_asked_for",),
    ),
    Breakage(
        "a colour that the latent does not keep counts as kept",
        TASK,
        "kept = 1 - within / total if total > 0 else 0.0",
        "kept = 1.0",
        (f"{POSED}::test_turning_tells_a_camera_from_a_latent",),
    ),
)
