"""Breakages of the models of pairs and triplets, of their task, and of the program that translates pictures."""

from tests.breakages.breakage import Breakage

GOLDEN, OWN, SWAPS = "tests/gans/test_golden_pairs.py", "tests/gans/test_pix2pix.py", "tests/gans/test_cagan.py"
FAST, PROGRAM = "tests/gans/test_fast_learning_pix2pix.py", "tests/eval/test_translate.py"
DRESSED = "tests/gans/test_fast_learning_cagan.py"
PAIRS, SWAP, PATCH = "genjax/gans/pix2pix.py", "genjax/gans/cagan.py", "genjax/nn/patch.py"

BREAKAGES = (
    # pix2pix
    Breakage(
        "the U-Net's skip connections follow what comes up instead of preceding it",
        PAIRS,
        "x = jnp.concatenate([skip, x], -1) if self.skips else x",
        "x = jnp.concatenate([x, skip], -1) if self.skips else x",
        (f"{GOLDEN}::test_pix2pix_outputs",),
    ),
    Breakage(
        "the layer between encoder and decoder is normalised",
        PAIRS,
        "if 1 < layer < last else x",
        "if 1 < layer else x",
        (f"{GOLDEN}::test_pix2pix_outputs",),
    ),
    Breakage(
        "the discriminator sees the real pair first",
        PAIRS,
        """    fake_logits, discriminator = nets.discriminator(judged(x, fake, conditional))
    real_logits, discriminator = discriminator(judged(x, y, conditional))""",
        """    real_logits, discriminator = nets.discriminator(judged(x, y, conditional))
    fake_logits, discriminator = discriminator(judged(x, fake, conditional))""",
        (f"{GOLDEN}::test_pix2pix_discriminator_moves",),
    ),
    Breakage(
        "the discriminator's objective is not halved",
        PAIRS,
        "loss = 0.5 * adversarial.discriminator(",
        "loss = adversarial.discriminator(",
        (f"{OWN}::test_the_discriminators_objective_is_halved",),
    ),
    Breakage(
        "the discriminator never sees the input",
        PAIRS,
        "return jnp.concatenate([images, targets], -1) if conditional else targets",
        "return jnp.concatenate([0 * images, targets], -1) if conditional else targets",
        (f"{GOLDEN}::test_pix2pix_generator_moves",),
    ),
    Breakage(
        "dropout is off where images are translated",
        PAIRS,
        'return generator.apply(variables, image[None], train=True, mutable=["batch_stats"], rngs=rngs)[0][0]',
        'return generator.clone(dropped=()).apply(variables, image[None], train=True, mutable=["batch_stats"])[0][0]',
        (f"{OWN}::test_dropout_stays_on_and_each_image_is_translated_for_itself",),
    ),
    Breakage(
        "running statistics are used where images are translated",
        PAIRS,
        'return generator.apply(variables, image[None], train=True, mutable=["batch_stats"], rngs=rngs)[0][0]',
        "return generator.apply(variables, image[None])[0]",
        (f"{OWN}::test_dropout_stays_on_and_each_image_is_translated_for_itself",),
    ),
    Breakage(
        "the last two layers of the patch discriminator keep the size",
        PATCH,
        "padding=((1, 1), (1, 1)))",
        'padding="SAME")',
        (f"{OWN}::test_a_logit_sees_as_many_pixels_as_the_paper_says",),
    ),
    Breakage(
        "targets are cropped elsewhere than their images",
        "train/pix2pix.py",
        'images, targets = both["images"][..., :depth], both["images"][..., depth:]',
        'images, targets = both["images"][..., :depth], jnp.roll(both["images"][..., depth:], 1, 1)',
        (f"{OWN}::test_images_and_targets_are_cropped_and_mirrored_alike",),
    ),
    Breakage(
        "the L1 distance is maximised",
        PAIRS,
        "    if not fooling:\n        return l1 * distance,",
        "    if not fooling:\n        return -l1 * distance,",
        (f"{FAST}::test_the_l1_loss_alone_finds_the_middle_and_no_texture",),
    ),
    Breakage(
        "the generator helps the discriminator",
        PAIRS,
        "return fooling * fooled + l1 * distance,",
        "return -fooling * fooled + l1 * distance,",
        (f"{FAST}::test_a_discriminator_that_sees_the_input_teaches_what_belongs_to_it",),
    ),
    # CAGAN
    Breakage(
        "the mask keeps what it should replace",
        SWAP,
        "return mask * image + (1 - mask) * persons, mask",
        "return (1 - mask) * image + mask * persons, mask",
        (f"{GOLDEN}::test_cagan_composites",),
    ),
    Breakage(
        "swapping back starts from the person instead of the composite",
        SWAP,
        "back, _ = composite(generator.output(swapped, wanted, worn), swapped)",
        "back, _ = composite(generator.output(swapped, wanted, worn), persons)",
        (f"{GOLDEN}::test_cagan_generator_loss",),
    ),
    Breakage(
        "swapping back is told the articles the wrong way round",
        SWAP,
        "generator.output(swapped, wanted, worn)",
        "generator.output(swapped, worn, wanted)",
        (f"{GOLDEN}::test_cagan_generator_loss",),
    ),
    Breakage(
        "a person with an article that is not worn counts as real",
        SWAP,
        "loss = loss - mismatched * adversarial.minimax_generator(other_logits)",
        "loss = loss + mismatched * adversarial.non_saturating_generator(other_logits)",
        (f"{GOLDEN}::test_cagan_discriminator_loss",),
    ),
    Breakage(
        "the mask costs nothing",
        SWAP,
        "loss = fooled + cycle * around + identity * size",
        "loss = fooled + cycle * around + 0 * size",
        (f"{GOLDEN}::test_cagan_generator_loss",),
    ),
    Breakage(
        "inputs are injected before a layer's own channels",
        SWAP,
        "return jnp.concatenate([x, blocks.mean((2, 4)).astype(x.dtype)], -1)",
        "return jnp.concatenate([blocks.mean((2, 4)).astype(x.dtype), x], -1)",
        (f"{SWAPS}::test_injection_adds_the_means_of_the_inputs_behind_a_layers_own_channels",),
    ),
    Breakage(
        "the generator of CAGAN helps the discriminator",
        SWAP,
        "fooled = adversarial.non_saturating_generator(",
        "fooled = -adversarial.non_saturating_generator(",
        (f"{GOLDEN}::test_cagan_generator_loss",),
    ),
    Breakage(
        "a large mask is paid for",
        SWAP,
        "loss = fooled + cycle * around + identity * size",
        "loss = fooled + cycle * around - identity * size",
        (f"{DRESSED}::test_garments_are_swapped_and_nothing_else_changes",),
    ),
    # The task and its program
    Breakage(
        "cropped translations are compared with whole real images",
        "genjax/tasks/pairs.py",
        "return images if self.size is None else centre_crop(images, self.size)",
        "return images",
        ("tests/eval/test_scores.py::test_what_is_cropped_is_compared_with_the_middle_of_real_images",),
    ),
    Breakage(
        "the rate of pix2pix never falls",
        "train/pix2pix.py",
        "decay=falling(hyper.decay_from)",
        "decay=falling(None)",
        ("tests/presets/test_optimizers.py::test_pix2pixs_rate_is_constant_and_may_fall_as_in_the_authors_later_code",),
    ),
    Breakage(
        "padding is cut off at the wrong end",
        "genjax/tasks/sizes.py",
        "top, left = (takes.scale * before for before, _ in pads[1:3])",
        "top, left = (takes.scale * after for _, after in pads[1:3])",
        (f"{PROGRAM}::test_images_of_any_size_are_padded_and_cut_back",),
    ),
    Breakage(
        "a translation may be written over its original",
        "eval/translate.py",
        "if written.resolve() in originals:",
        "if written.resolve() in ():",
        (f"{PROGRAM}::test_a_folder_of_pictures_of_any_size_is_translated_and_its_originals_stay",),
    ),
    Breakage(
        "a colour profile stays with a grey picture",
        "eval/translate.py",
        "kept = profile is not None and profile[16:20] == KINDS[takes.channels]",
        "kept = profile is not None",
        (f"{PROGRAM}::test_a_profile_stays_where_both_are_in_colour",),
    ),
)
