"""Breakages of data: order, transforms, ranges, readers, what is held out."""

from tests.breakages.breakage import Breakage

PIPELINE, TRANSFORMS, RANGES = "genjax/data/pipeline.py", "genjax/data/transforms.py", "genjax/data/ranges.py"
OF_PIPELINE, OF_TRANSFORMS = "tests/data/test_pipeline.py", "tests/data/test_transforms.py"
OF_RANGES, SOURCES = "tests/data/test_ranges.py", "tests/data/test_sources.py"
WINDOWS = (f"{OF_RANGES}::test_windows",)
BYTES = (f"{OF_RANGES}::test_bytes_go_to_a_range_and_come_back",)
ORDER = (f"{OF_PIPELINE}::test_order_is_random_access_and_covers_each_epoch",)

BREAKAGES = (
    Breakage(
        "the order of the images does not depend on the seed",
        PIPELINE,
        "key=np.array([seed & _WORD, epoch], np.uint64)",
        "key=np.array([0, epoch], np.uint64)",
        (f"{OF_PIPELINE}::test_permutations_differ_and_are_uniform",),
    ),
    Breakage(
        "every epoch has the same order",
        PIPELINE,
        "rows = permutation(length, seed, epoch)[",
        "rows = permutation(length, seed, 0)[",
        (f"{OF_PIPELINE}::test_order_is_random_access_and_covers_each_epoch",),
    ),
    Breakage(
        "batches of an epoch overlap",
        PIPELINE,
        "[first * batch_size : (first + take) * batch_size]",
        "[first : first + take * batch_size]",
        ORDER,
    ),
    Breakage(
        "a resumed run begins with the first batch again",
        PIPELINE,
        "batch = read(skip + step * repeats, k * repeats)",
        "batch = read(skip + (step - start) * repeats, k * repeats)",
        (f"{OF_PIPELINE}::test_a_resumed_run_sees_the_same_batches",),
    ),
    Breakage(
        "images that were used before are streamed again",
        PIPELINE,
        "batch = read(skip + step * repeats, k * repeats)",
        "batch = read(step * repeats, k * repeats)",
        ("tests/engine/test_calls.py::test_chunks_are_cut_as_calls_are_and_skip_what_was_used",),
    ),
    Breakage(
        "evaluation leaves out the last, smaller batch",
        PIPELINE,
        "    count = -(-len(split) // batch_size)",
        "    count = len(split) // batch_size",
        (f"{OF_PIPELINE}::test_evaluation_batches_are_in_order",),
    ),
    Breakage(
        "every image is mirrored",
        TRANSFORMS,
        "jnp.where(coin, images[..., ::-1, :], images)",
        "images[..., ::-1, :]",
        (f"{OF_TRANSFORMS}::test_flip_mirrors_half_of_the_images",),
    ),
    Breakage(
        "images are turned upside down instead of mirrored",
        TRANSFORMS,
        "jnp.where(coin, images[..., ::-1, :], images)",
        "jnp.where(coin, images[..., ::-1, :, :], images)",
        (f"{OF_TRANSFORMS}::test_flip_mirrors_half_of_the_images",),
    ),
    Breakage(
        "one coin mirrors a whole batch",
        TRANSFORMS,
        "jax.random.bernoulli(key, 0.5, (*images.shape[:-3], 1, 1, 1))",
        "jax.random.bernoulli(key, 0.5, (1,) * images.ndim)",
        (f"{OF_TRANSFORMS}::test_flip_mirrors_half_of_the_images",),
    ),
    Breakage(
        "random crops are all the upper left corner",
        TRANSFORMS,
        "corners = jax.random.randint(key, (len(flat), 2), 0, room[None])",
        "corners = jnp.zeros((len(flat), 2), jnp.int32)",
        WINDOWS,
    ),
    Breakage(
        "random crops never reach the right and lower edge",
        TRANSFORMS,
        "room = jnp.array([images.shape[-3] - height + 1, images.shape[-2] - width + 1])",
        "room = jnp.array([images.shape[-3] - height, images.shape[-2] - width])",
        WINDOWS,
    ),
    Breakage(
        "a batch's random crops are one window",
        TRANSFORMS,
        "jax.random.randint(key, (len(flat), 2), 0, room[None])",
        "jnp.tile(jax.random.randint(key, (1, 2), 0, room[None]), (len(flat), 1))",
        WINDOWS,
    ),
    Breakage(
        "the middle is cut off its place",
        TRANSFORMS,
        "top, left = (images.shape[-3] - height) // 2, (images.shape[-2] - width) // 2",
        "top, left = (images.shape[-3] - height) // 2, 0",
        WINDOWS,
    ),
    Breakage(
        "dequantised pixels leave their bins",
        TRANSFORMS,
        "(images.astype(jnp.float32) + noise) / 256.0",
        "(images.astype(jnp.float32) + noise) / 255.0",
        (f"{OF_TRANSFORMS}::test_dequantize_fills_the_bins",),
    ),
    Breakage(
        "pixels are cut at one half instead of drawn",
        TRANSFORMS,
        "jax.random.bernoulli(key, pixels).astype(jnp.float32)",
        "(pixels > 0.5).astype(jnp.float32)",
        (f"{OF_TRANSFORMS}::test_binarize_has_the_pixel_as_its_mean",),
    ),
    Breakage(
        "transforms in a chain share one key",
        TRANSFORMS,
        "transform(batch, jax.random.fold_in(key, number))",
        "transform(batch, key)",
        (f"{OF_TRANSFORMS}::test_compose_gives_each_its_own_key",),
    ),
    Breakage(
        "the range of tanh is that of a sigmoid",
        RANGES,
        "TANH = Range(-1.0, 1.0)",
        "TANH = Range(0.0, 1.0)",
        BYTES,
    ),
    Breakage(
        "white is a little below the top of the range",
        RANGES,
        "images.astype(jnp.float32) / 255.0 if",
        "images.astype(jnp.float32) / 256.0 if",
        BYTES,
    ),
    Breakage(
        "pixels are cut to bytes instead of rounded",
        RANGES,
        "return np.round(255 * np.clip(share, 0, 1)).astype(np.uint8)",
        "return (255 * np.clip(share, 0, 1)).astype(np.uint8)",
        BYTES,
    ),
    Breakage(
        "targets stay in another range than images",
        RANGES,
        'names = [name for name in ("images", "targets") if name in batch]',
        'names = ["images"]',
        (f"{OF_RANGES}::test_batches_are_prepared_with_their_targets_and_nothing_else",),
    ),
    Breakage(
        "contrast is normalised over the batch",
        RANGES,
        "length = jnp.sqrt((images**2).sum((-3, -2, -1), keepdims=True))",
        "length = jnp.sqrt((images**2).sum())",
        (f"{OF_RANGES}::test_contrast_is_normalised_per_image",),
    ),
    Breakage(
        "labels of idx files are off by one image",
        "genjax/data/readers/idx.py",
        "labels = check_labels(numbers, len(images), classes, str(labels_path))",
        "labels = check_labels(np.roll(numbers, 1), len(images), classes, str(labels_path))",
        (f"{SOURCES}::test_idx",),
    ),
    Breakage(
        "labels of archives are off by one image",
        "genjax/data/readers/npz.py",
        "checked = check_labels(content[y], len(images[number])",
        "checked = check_labels(np.roll(content[y], 1), len(images[number])",
        (f"{SOURCES}::test_npz_with_both_parts",),
    ),
    Breakage(
        "floats of an archive are cut to bytes instead of rounded",
        "genjax/data/readers/npz.py",
        "np.round((array.astype(np.float32) + offset) * stretch).astype(np.uint8)",
        "((array.astype(np.float32) + offset) * stretch).astype(np.uint8)",
        (f"{SOURCES}::test_npz_pixel_types",),
    ),
    Breakage(
        "labels of folders are in the wrong order",
        "genjax/data/readers/folder.py",
        "np.full(len(found.paths), names.index(name), np.int32)",
        "np.full(len(found.paths), len(names) - 1 - names.index(name), np.int32)",
        ("tests/data/test_folder.py::test_class_per_folder",),
    ),
    Breakage(
        "what is held out is trained on too",
        "genjax/data/holdout.py",
        "return np.setdiff1d(np.arange(count), chosen), chosen",
        "return np.arange(count), chosen",
        (f"{SOURCES}::test_npz_without_a_test_part",),
    ),
    Breakage(
        "what is held out is not of every class alike",
        "genjax/data/holdout.py",
        "groups = np.zeros(count, np.int32) if labels is None else labels",
        "groups = np.zeros(count, np.int32)",
        (f"{SOURCES}::test_npz_without_a_test_part",),
    ),
    Breakage(
        "a stack's label reads its digits backwards",
        "genjax/data/drawn/stacked.py",
        "labels[rows] @ [classes**2, classes, 1]",
        "labels[rows] @ [1, classes, classes**2]",
        ("tests/data/test_stacked.py::test_each_colour_is_a_digit_of_the_label",),
    ),
)
