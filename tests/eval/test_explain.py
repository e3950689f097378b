"""One photo explained: what the network sees of it, which class, and a picture in which the photo stays visible."""

import numpy as np
import pytest
from PIL import Image

from eval import explain
from eval._photo import seen
from genjax.viz.saliency import Crop, glow, save_explanation


@pytest.mark.parametrize(("width", "height"), [(640, 427), (427, 640), (300, 300), (100, 80), (224, 1000)])
def test_the_crop_is_what_the_network_sees(width, height):
    gradient = np.stack(
        [*np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height)), np.zeros((height, width))], -1
    )
    pixels, crop = seen(Image.fromarray(gradient.astype(np.uint8)))
    assert pixels.shape == (224, 224, 3)
    part = gradient[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
    assert part.shape[0] == crop.height and part.shape[1] == crop.width
    for corner in ((0, 0), (-1, -1)):  # the same place of the photo, up to the rounding of pixels
        np.testing.assert_allclose(pixels[corner][:2].astype(float), part[corner][:2], atol=4)


def test_the_photo_is_untouched_where_the_map_is_zero():
    photo = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    whole = Crop(0, 0, 60, 90)
    np.testing.assert_array_equal(glow(photo, np.zeros((3, 4)), whole), photo)
    half = np.zeros((2, 8))
    half[:, 6:] = 1
    shown = glow(photo, half, whole)
    assert (shown[:, :40] == photo[:, :40]).all() and np.abs(shown[:, 80:].astype(int) - photo[:, 80:]).mean() > 40
    framed = glow(photo, np.zeros((2, 2)), Crop(10, 20, 30, 40))
    changed = np.argwhere((framed != photo).any(-1))
    assert changed.min(0).tolist() == [10, 20] and changed.max(0).tolist() == [39, 59]
    for bad in (np.full((2, 2), np.nan), np.full((2, 2), 1.5), np.zeros(3)):
        with pytest.raises(ValueError, match="a map is finite"):
            glow(photo, bad, whole)


def test_a_class_is_asked_for_by_number_or_name():
    names = ["tabby cat", "tiger cat", "goldfish, Carassius"]
    assert [explain.class_of(asked, names) for asked in ("2", "goldfish", "Tabby Cat")] == [2, 2, 0]
    with pytest.raises(ValueError, match="--target cat is several classes: tabby cat, tiger cat"):
        explain.class_of("cat", names)
    with pytest.raises(ValueError, match="--target dog is no class; give a number from 0 to 2"):
        explain.class_of("dog", names)


def test_the_picture_is_written(tmp_path):
    photo = np.zeros((40, 60, 3), np.uint8)
    save_explanation(tmp_path / "it.png", photo, np.eye(4), Crop(5, 5, 30, 30), "cat, probability 0.9", "Grad-CAM++")
    assert np.asarray(Image.open(tmp_path / "it.png"))[..., :3].std() > 10


def test_what_is_missing_is_one_sentence(tmp_path, capsys):
    Image.new("RGB", (30, 30)).save(tmp_path / "photo.png")
    for arguments, message in (
        ([str(tmp_path / "none.png")], "no photo at"),
        ([str(tmp_path / "photo.png")], "--weights is needed, a file with weights of squeezenet"),
        ([str(tmp_path / "photo.png"), "--weights", "nowhere.npz"], "nowhere.npz"),
        ([str(tmp_path / "photo.png"), "--classes", "nowhere.txt"], "--classes nowhere.txt: give a text file"),
    ):
        assert explain.main(arguments) == 2
        assert message in capsys.readouterr().err
