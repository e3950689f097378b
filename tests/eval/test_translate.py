"""The programs for translators: pictures of any size, folders, sheets, originals that stay, and trying on."""

import numpy as np
import pytest
from PIL import Image, ImageCms

from eval import translate, try_on
from genjax.run.cli import main as train_main
from genjax.run.load import load
from genjax.tasks.sizes import Takes, at_any_size

pytestmark = pytest.mark.usefixtures("unreported")
TINY = ["--steps", "2", "--width", "2", "--discriminator-width", "2", "--no-cache", "--devices", "1",
        "--evaluate-every", "100"]  # fmt: skip


@pytest.fixture(scope="module")
def pix2pix_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("translators") / "pix2pix"
    options = ["--data", "pairs:scenes", "--image-size", "16", "--halvings", "3", "--discriminator-layers", "1"]
    assert train_main("pix2pix", ["--out", str(folder), *options, "--dropout", "torch", *TINY]) == 0
    return folder


@pytest.fixture(scope="module")
def cagan_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("translators") / "cagan"
    options = ["--image-size", "16", "--halvings", "2", "--discriminator-halvings", "2", "--batch-size", "2"]
    assert train_main("cagan", ["--out", str(folder), *options, *TINY]) == 0
    return folder


def picture(path, height, width, mode="RGB", seed=0, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    depth = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, *depth), dtype=np.uint8)
    Image.fromarray(pixels, mode=None).save(path, **options)
    return path


def read(path):
    with Image.open(path) as image:
        return image.mode, np.asarray(image)


def test_images_of_any_size_are_padded_and_cut_back():
    takes, seen = Takes(multiple=8, smallest=16, scale=2), []

    def enlarge(rows):
        seen.append(rows["images"].shape)
        return rows["images"].repeat(2, 1).repeat(2, 2)

    for height, width in ((16, 24), (5, 41), (17, 16), (1, 1)):
        images = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
        out = at_any_size(enlarge, takes, {"images": images})
        np.testing.assert_array_equal(out, images.repeat(2, 1).repeat(2, 2))
        assert all(side % 8 == 0 and side >= 16 for side in seen[-1][1:3])
    assert seen[0] == (2, 16, 24, 3), "what fits is left alone"
    with pytest.raises(ValueError, match="equally many"):
        at_any_size(enlarge, takes, {"images": images, "others": images[:1]})


def test_a_folder_of_pictures_of_any_size_is_translated_and_its_originals_stay(pix2pix_run, tmp_path, capsys):
    sizes = {"a.jpg": (16, 16), "b.png": (13, 21), "deep/c.png": (13, 21), "d.png": (40, 9)}
    for name, (height, width) in sizes.items():
        picture(tmp_path / "in" / name, height, width, seed=len(name))
    before = {path: path.read_bytes() for path in (tmp_path / "in").rglob("*.*")}
    arguments = [str(pix2pix_run), "--input", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    assert translate.main([*arguments, "--sheets", "--batch", "2"]) == 0
    assert {path: path.read_bytes() for path in before} == before
    for name, (height, width) in sizes.items():
        mode, pixels = read((tmp_path / "out" / name).with_suffix(".png"))
        assert (mode, pixels.shape) == ("RGB", (height, width, 3))
        assert pixels.std() > 0
    assert (tmp_path / "out" / "sheets" / "a.png").exists()
    # A picture's translation does not depend on what is translated beside it.
    alone = tmp_path / "alone.png"
    assert translate.main([str(pix2pix_run), "--input", str(tmp_path / "in" / "b.png"), "--out", str(alone)]) == 0
    np.testing.assert_array_equal(read(alone)[1], read(tmp_path / "out" / "b.png")[1])
    capsys.readouterr()
    assert translate.main([str(pix2pix_run), "--input", str(tmp_path / "in"), "--out", str(tmp_path / "in")]) == 2
    assert "is an original and would be written over" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in before} == before


def test_a_profile_stays_where_both_are_in_colour(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    colour = picture(tmp_path / "colour.png", 4, 4, icc_profile=profile)
    assert translate.opened(colour, colour, Takes(channels=3)).profile == profile
    assert translate.opened(colour, colour, Takes(channels=1)).profile is None
    assert translate.opened(colour, colour, Takes(channels=1)).pixels.shape == (4, 4, 1)
    translate.save(np.zeros((4, 4, 3), np.uint8), tmp_path / "out.png", profile)
    with Image.open(tmp_path / "out.png") as image:
        assert image.info["icc_profile"] == profile


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--input", "nowhere.png"), "is no picture and no folder"),
        (("--input", "{empty}"), "holds no images"),
        (("--input", "{one}", "--out", "{one}/x.png", "--batch", "0"), "--batch 0"),
        (("--input", "{one}", "--out", "x.png"), "give a folder as --out"),
        (("--input", "{twins}", "--out", "out"), "rename one of the two"),
        (("--input", "{one}", "--backward", "--out", "{empty}"), "takes no backward"),
    ],
)
def test_what_cannot_be_translated_is_one_sentence(arguments, sentence, pix2pix_run, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    picture(tmp_path / "one" / "a.png", 16, 16)
    for name in ("a.png", "a.jpg"):
        picture(tmp_path / "twins" / name, 16, 16)
    folders = {name: tmp_path / name for name in ("empty", "one", "twins")}
    assert translate.main([str(pix2pix_run), *(part.format(**folders) for part in arguments)]) == 2
    said = capsys.readouterr().err
    assert sentence in said and "Traceback" not in said


def test_a_person_is_dressed_in_a_catalogue(cagan_run, tmp_path, capsys):
    person, worn = picture(tmp_path / "me.png", 30, 22), picture(tmp_path / "shirt.png", 40, 40, seed=1)
    for seed in range(3):
        picture(tmp_path / "shop" / f"{seed}.png", 20, 20, seed=seed)
    arguments = [str(cagan_run), "--person", str(person), "--worn", str(worn), "--wanted", str(tmp_path / "shop")]
    assert try_on.main([*arguments, "--out", str(tmp_path / "out")]) == 0
    for seed in range(3):
        assert read(tmp_path / "out" / f"{seed}.png")[1].shape == (30, 22, 3)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"0.png", "1.png", "2.png", "sheet.png"}
    assert try_on.main(arguments[:-2]) == 2
    assert "give --wanted too" in capsys.readouterr().err
    assert try_on.main([str(cagan_run), "--out", str(tmp_path / "table"), "--count", "2"]) == 0
    assert (tmp_path / "table" / "sheet.png").exists()
    assert try_on.main([*arguments, "--out", str(tmp_path / "shop")]) == 2
    assert "would be written over" in capsys.readouterr().err


def test_a_translator_says_what_it_needs(cagan_run, pix2pix_run):
    images = np.zeros((1, 16, 16, 3), np.uint8)
    with pytest.raises(ValueError, match="articles .* and others"):
        load(cagan_run).translate(images)
    with pytest.raises(ValueError, match="give the images to translate"):
        load(pix2pix_run).sample(2)
    with pytest.raises(ValueError, match="takes no labels"):
        load(pix2pix_run).translate(images[..., :1], labels=[1])


def test_one_seed_translates_alike_and_another_differently(pix2pix_run):
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 1), dtype=np.uint8)
    model = load(pix2pix_run)
    first, again, other = (model.translate(images, seed=seed) for seed in (0, 0, 1))
    assert first.shape == (2, 16, 16, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
