"""Breakages of SinGAN, its pyramid and what is done with it."""

from tests.breakages.breakage import Breakage

MODEL, PYRAMID, TASK = "genjax/gans/singan.py", "genjax/nn/pyramid.py", "genjax/tasks/single.py"
AUTHORS, DRAWN, USED = "tests/gans/test_golden_singan.py", "tests/gans/test_singan.py", "tests/eval/test_single.py"
SCALES, LEARNING = "genjax/nn/scales.py", "tests/gans/test_fast_learning_singan.py"

BREAKAGES = (
    Breakage(
        "SinGAN's penalty takes the norm of the whole image's gradient",
        MODEL,
        "safe_norm(jnp.sum(wide(gradient) ** 2, -1))",
        "safe_norm(jnp.sum(wide(gradient) ** 2, (1, 2, 3)))",
        (f"{AUTHORS}::test_discriminator_moves",),
    ),
    Breakage(
        "SinGAN's generator fools nobody",
        MODEL,
        "loss = adversarial.score_generator(nets.discriminator.output(fake)) + reconstruction * error",
        "loss = reconstruction * error - adversarial.score_generator(nets.discriminator.output(fake))",
        (f"{AUTHORS}::test_generator_moves", f"{LEARNING}::test_samples_differ_and_are_made_of_the_images_patches"),
    ),
    Breakage(
        "SinGAN forgets the image itself",
        MODEL,
        "error = jnp.mean((drawn - batch",
        "error = 0 * jnp.mean((drawn - batch",
        (f"{AUTHORS}::test_generator_moves", f"{LEARNING}::test_the_image_itself_is_drawn_from_its_noise"),
    ),
    Breakage(
        "a frozen scale is evaluated by a batch's statistics",
        MODEL,
        "    return program(generator.apply)",
        '    return program(lambda *given: generator.apply(*given, train=True, mutable=["batch_stats"])[0])',
        (f"{DRAWN}::test_amplitudes_are_a_tenth_of_the_error_of_the_reconstruction_from_below",),
    ),
    Breakage(
        "noise is as strong as the error, not a tenth of it",
        MODEL,
        "amplitude * error)",
        "error)",
        (f"{DRAWN}::test_amplitudes_are_a_tenth_of_the_error_of_the_reconstruction_from_below",),
    ),
    Breakage(
        "a scale begins anew although the one below is as wide",
        MODEL,
        "same = scales.generators[level] == scales.generators[level + 1]",
        "same = False",
        (f"{DRAWN}::test_a_scale_freezes_those_below_and_goes_on_from_networks_as_wide",),
    ),
    Breakage(
        "z* is drawn anew where the text draws it once",
        MODEL,
        "if redrawn and level == 0:",
        "if level == 0:",
        (f"{DRAWN}::test_the_noise_of_the_reconstruction_is_drawn_once_or_in_every_move_of_the_coarsest_scale",),
    ),
    Breakage(
        "the coarsest noise has a channel for every colour",
        SCALES,
        "self.generators[level].channels if level else 1",
        "self.generators[level].channels",
        (f"{DRAWN}::test_noise_has_one_channel_at_the_coarsest_scale_and_a_frame_of_zeros_or_of_noise",),
    ),
    Breakage(
        "the pyramid's factor is not refitted",
        PYRAMID,
        "fitted = (least / min(finest)) ** (1 / levels)",
        "fitted = factor",
        (f"{AUTHORS}::test_sizes_and_factors_of_pyramids",),
    ),
    Breakage(
        "images are reduced without widening the filter",
        PYRAMID,
        "stretch = min(factor, 1.0)",
        "stretch = 1.0",
        (f"{AUTHORS}::test_resizing",),
    ),
    Breakage(
        "an edit shows everywhere",
        "eval/single.py",
        "np.round((1 - mask) * base + mask * drawn)",
        "np.round(0 * base + drawn)",
        (f"{USED}::test_edits_leave_what_is_far_from_the_mask_as_it_is",),
    ),
    Breakage(
        "an animation forgets where it came from",
        TASK,
        "z + beta * (z - before)",
        "z + beta * (before - z)",
        (f"{USED}::test_the_walk_of_an_animation",),
    ),
)
