"""Grids and animations of images."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from genjax.data import Arrays
from genjax.tasks.captioned import Captioned
from genjax.tasks.reconstruction import Reconstruction
from genjax.viz.grid import grid, save_gif, save_grid, save_page, to_uint8


def read(path):
    with Image.open(path) as picture:
        return np.array(picture.convert("RGB"))


def test_to_uint8():
    given = np.array([-1.5, -1.0, 0.0, 1.0, 2.0])
    assert to_uint8(given, low=-1.0).tolist() == [0, 0, 128, 255, 255]
    assert to_uint8(np.array([0.0, 0.2, 1.0])).tolist() == [0, 51, 255]
    np.testing.assert_array_equal(to_uint8(np.arange(256, dtype=np.uint8)), np.arange(256))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("save", [save_grid, lambda path, images: save_gif(path, images)])
def test_no_picture_of_nan(tmp_path, bad, save):
    images = np.zeros((2, 4, 4, 1))
    images[1, 2, 3] = bad
    with pytest.raises(ValueError, match=r"1 of \d+ pixels are NaN or infinite; the model has diverged"):
        save(tmp_path / "picture.png", images)
    assert not list(tmp_path.iterdir())


def test_grid_places_every_image():
    images = np.arange(1, 6, dtype=np.uint8).reshape(5, 1, 1, 1) * np.ones((5, 3, 4, 1), np.uint8)
    page = grid(images, 3, zoom=2)
    assert page.shape == (2 * (6 + 2) + 2, 3 * (8 + 2) + 2, 3) and page.dtype == np.uint8
    for number in range(5):
        top, left = number // 3 * 8 + 2, number % 3 * 10 + 2
        assert (page[top : top + 6, left : left + 8] == number + 1).all()
    page[2:8, 2:10] = page[2:8, 12:20] = page[2:8, 22:30] = page[10:16, 2:10] = page[10:16, 12:20] = 255
    assert (page == 255).all()  # gaps and the empty place are white


def test_colour_and_range(tmp_path):
    images = np.zeros((1, 64, 64, 3), np.float32)
    images[..., 0], images[..., 1], images[..., 2] = 1.0, 0.0, -1.0
    save_grid(tmp_path / "deep" / "colour.png", images, low=-1.0)
    assert read(tmp_path / "deep" / "colour.png")[10, 10].tolist() == [255, 128, 0]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["colour.png"]


def test_row_labels_widen_the_picture(tmp_path):
    images = np.zeros((6, 8, 8, 1), np.uint8)
    save_grid(tmp_path / "plain.png", images, 3)
    save_grid(tmp_path / "labels.png", images, 3, row_labels=["original", "VAE"])
    plain, labelled = read(tmp_path / "plain.png"), read(tmp_path / "labels.png")
    margin = labelled.shape[1] - plain.shape[1]
    assert margin > 30 and (labelled[:, margin:] == plain).all()
    text = (labelled[:, :margin] < 128).any((1, 2))
    assert text[: len(text) // 2].any() and text[len(text) // 2 :].any()
    with pytest.raises(ValueError, match="1 row labels for 2 rows"):
        save_grid(tmp_path / "labels.png", images, 3, row_labels=["original"])


def test_a_page_is_written_as_it_is(tmp_path):
    images = np.linspace(0, 1, 5).reshape(5, 1, 1, 1) * np.ones((5, 64, 64, 1))
    strip = grid(images, 5)
    assert strip.shape == (68, 5 * 66 + 2, 3)
    save_page(tmp_path / "deep" / "strip.png", strip)
    np.testing.assert_array_equal(read(tmp_path / "deep" / "strip.png"), strip)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["strip.png"]


def test_gif(tmp_path):
    images = np.linspace(0, 1, 5).reshape(5, 1, 1, 1) * np.ones((5, 64, 64, 1))
    save_gif(tmp_path / "walk.gif", images, fps=20)
    with Image.open(tmp_path / "walk.gif") as picture:
        assert (picture.n_frames, picture.info["duration"], picture.info["loop"]) == (5, 50, 0)
        picture.seek(4)
        assert np.array(picture.convert("L"))[25, 25] == 255
    save_gif(tmp_path / "grids.gif", np.zeros((2, 4, 8, 8, 1), np.uint8))
    with pytest.raises(ValueError, match="at least one frame"):
        save_gif(tmp_path / "none.gif", [])


@pytest.mark.parametrize("shape", [(4, 4), (2, 4, 4, 0), (0, 4, 4, 1)])
def test_wrong_shapes(shape):
    with pytest.raises(ValueError, match=r"expected images \[count, height, width, channels\], not"):
        grid(np.zeros(shape))


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_images_of_any_number_of_channels_are_drawn_in_colour(channels):
    images = np.random.default_rng(0).integers(0, 256, (1, 4, 4, channels), np.uint8)
    drawn = grid(images, zoom=1)[2:-2, 2:-2]
    for colour in range(3):
        expected = images[0, ..., 0 if channels == 1 else colour] if channels == 1 or colour < channels else 0
        assert (drawn[..., colour] == expected).all()


@pytest.mark.parametrize("params", [{}, {"generator": {}}], ids=["found", "drawn"])
def test_fewer_sentences_than_a_picture_has_rows_are_drawn(params):
    few = Arrays({"images": np.zeros((2, 8, 8, 3), np.uint8), "captions": np.zeros((2, 1, 4), np.int32)})
    task = SimpleNamespace(
        dataset=SimpleNamespace(test=few),
        sentence=lambda row: "a ball",
        drawn=lambda state, tokens, key: [np.zeros((len(tokens), 8, 8, 3), np.float32)],
        real=lambda images: images,
        match=lambda state, images, tokens: np.zeros((len(images), len(tokens))),
    )
    page = Captioned.pictures(task, SimpleNamespace(params=params))["samples"]
    assert page.ndim == 3


def test_fewer_test_images_than_a_picture_has_columns_are_drawn_in_whole_rows():
    for count, rows in ((3, 2), (10, 2), (13, 2), (20, 4)):
        images = np.zeros((count, 96, 96, 1), np.uint8)
        task = SimpleNamespace(
            test_batches=lambda size, images=images: iter([{"images": images}]),
            encode=lambda state, images, labels: images,
            decode=lambda state, latents, labels: latents,
            variational=False,
        )
        page = Reconstruction.pictures(task, None)["reconstruction"]
        assert page.shape[0] == rows * 98 + 2
