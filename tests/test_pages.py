"""Pages of samples: columns by class, real images of the column's class, and the nearest training images."""

import numpy as np

from genjax.data import Arrays
from genjax.tasks import pages
from genjax.viz.grid import captioned


def test_real_images_stand_below_the_class_of_their_column():
    labels = np.array([2, 0, 1, 2, 1, 0, 0])
    split = Arrays({"images": np.zeros((7, 4, 4, 1), np.uint8), "labels": labels})
    rows = pages.real_rows(split, 3, 3)
    assert labels[rows].tolist() == [0, 1, 2, 0, 1, 2]
    assert len(set(rows.tolist())) == 6
    assert pages.real_rows(Arrays({"images": split.arrays["images"]}), 10, 0).tolist() == sorted(
        np.linspace(0, 6, 20).astype(int)
    )
    assert [pages.columns_of(classes) for classes in (0, 1, 5, 12, 13, 1000)] == [10, 10, 5, 12, 10, 10]


def test_the_nearest_image_is_the_nearest():
    known = np.random.default_rng(0).integers(0, 256, (30, 70, 70, 3), np.uint8)
    samples = np.clip(known[[7, 3]].astype(int) + 3, 0, 255).astype(np.uint8)
    page = pages.nearest_page(samples, known)
    for number, row in ((7, 0), (3, 1)):  # as wide as 64 pixels or more: drawn as it is
        left = page.shape[1] - (2 - row) * 72
        np.testing.assert_array_equal(page[74:144, left : left + 70], known[number])


def test_a_page_has_rows_and_heads_and_a_caption():
    images = np.zeros((20, 64, 64, 1), np.uint8)
    page = pages.samples_page(images, images[:10], [str(number) for number in range(5)])
    assert page.shape[0] > 6 * 66 and page.shape[1] > 5 * 66 + 30
    told = captioned(page, "a long sentence that is broken into lines, " * 5)
    assert told.shape[1] == page.shape[1] and told.shape[0] > page.shape[0] + 2 * 16
    np.testing.assert_array_equal(told[: len(page)], page)
