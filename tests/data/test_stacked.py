import numpy as np
import pytest

from genjax import data
from genjax.data.drawn import digits, stacked


def test_each_colour_is_a_digit_of_the_label():
    dataset = data.load("stacked")
    assert (dataset.shape, dataset.num_classes, len(dataset.train), len(dataset.test)) == (
        (8, 8, 3),
        1000,
        25_600,
        6_400,
    )
    source = digits.load()
    for stack, split in ((dataset.train, source.train), (dataset.test, source.test)):
        labels = {image.tobytes(): label for image, label in zip(*split.arrays.values(), strict=True)}
        batch = stack.take(np.arange(300))
        for image, mode in zip(batch["images"], batch["labels"], strict=True):
            red, green, blue = (labels[image[..., i].tobytes()] for i in range(3))
            assert mode == 100 * red + 10 * green + blue == int(dataset.class_names[mode])
    assert len(np.unique(dataset.train.arrays["labels"])) == 1000
    assert len({tuple(row) for row in dataset.train.arrays["images"].reshape(25_600, -1)[:2000]}) == 2000


def test_a_stack_depends_on_seed_and_number_only():
    split = digits.load(data.Options(image_size=12)).train
    few, many = (stacked.stack(split, count, seed=5).arrays for count in (1000, 1200))
    np.testing.assert_array_equal(few["images"], many["images"][:1000])
    assert few["images"].shape == (1000, 12, 12, 3)
    assert (few["images"] != stacked.stack(split, 1000, seed=6).arrays["images"]).any()


def test_sets_that_cannot_be_stacked():
    images = np.zeros((4, 8, 8, 1), np.uint8)
    labels = np.array([0, 1, 2, 11], np.int32)
    with pytest.raises(data.DataError, match="need images with labels"):
        stacked.stack(data.Arrays({"images": images}), 5)
    with pytest.raises(data.DataError, match="must lie in 0 .. 9"):
        stacked.stack(data.Arrays({"images": np.repeat(images, 4, 0), "labels": np.repeat(labels, 4)}), 5)
    with pytest.raises(data.DataError, match="grey uint8"):
        stacked.stack(data.Arrays({"images": images.repeat(3, -1), "labels": labels[:1].repeat(4)}), 5)
    with pytest.raises(data.DataError, match="999 stacks cannot show 1000 modes"):
        stacked.stack(digits.load().train, 999)
    with pytest.raises(data.DataError, match="leave out channels=1"):
        data.load("stacked", channels=1)
