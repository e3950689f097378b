"""The program of SinGAN's applications, on one tiny run, and the task behind it."""

import shutil

import jax
import numpy as np
import pytest
from PIL import Image, ImageSequence

from eval import single
from genjax.run.cli import main as train_main
from genjax.run.load import load
from genjax.tasks.single import softened, walk
from tests.engine.toy import same_bits

pytestmark = pytest.mark.usefixtures("unreported")
KEY = jax.random.key(0)
TINY = [
    "--width",
    "2",
    "--scale-steps",
    "2",
    "--generator-steps",
    "1",
    "--discriminator-steps",
    "1",
    "--min-size",
    "11",
    "--scale-factor",
    "0.5",
    "--layers",
    "2",
    "--image-size",
    "None",
]


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """A picture of 22 x 33 pixels: dark on the left, bright on the right."""
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 40, (22, 33, 3)) + np.where(np.arange(33) < 15, 20, 200)[:, None]
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory, photo):
    folder = tmp_path_factory.mktemp("single") / "singan"
    options = ["--out", str(folder), "--no-cache", "--devices", "1", "--checkpoint-every", "1", "--keep", "9"]
    assert train_main("singan", [*options, "--data", f"image:{photo}", *TINY]) == 0
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return load(folder)


def opened(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def run_program(folder, *arguments):
    return single.main([str(folder), *map(str, arguments)])


def test_samples_have_any_size_and_chance_begins_where_it_is_told_to(model):
    assert len(model.task.images) == 3
    assert model.sample(2).shape == (2, 22, 33, 3)
    wide = model.sample(2, seed=1, height=25, width=70)
    assert wide.shape == (2, 25, 70, 3) and wide.dtype == np.uint8
    np.testing.assert_array_equal(wide, model.sample(2, seed=1, height=25, width=70))
    assert (wide[0] != wide[1]).any() and (wide != model.sample(2, seed=2, height=25, width=70)).any()
    spread = [model.task.sampled(model.state, KEY, 4, start=start).astype(float).std(0).mean() for start in range(3)]
    assert spread[0] > spread[2] > 0
    near = model.task.sampled(model.state, KEY, 4, start=2).mean(0)
    assert np.abs(near - model.task.reconstruction(model.state)[0]).mean() < 0.2
    assert model.sample(1, height=30, width=20, start=1).shape == (1, 30, 20, 3)


def test_the_reconstruction_is_deterministic_and_climbs_from_the_coarsest_scale(model):
    task, state = model.task, model.state
    drawn = task.reconstruction(state)
    np.testing.assert_array_equal(drawn, task.reconstruction(state))
    level = task.level(state)
    np.testing.assert_allclose(task._image_itself(state, level), state.memory["previous"], atol=1e-5)


@pytest.mark.parametrize(
    ("conditions", "sentence"),
    [
        ({"start": 3}, "start 3: the scales of this model are 0, the coarsest, to 2, the finest"),
        ({"height": 4, "width": 40}, "4 x 40 pixels are fewer than the 5 x 5"),
        ({"labels": [1]}, "takes no labels; its conditions are: height"),
    ],
)
def test_conditions_that_cannot_be_met_are_named(model, conditions, sentence):
    with pytest.raises(ValueError, match=sentence):
        model.sample(1, **conditions)


def test_random_samples_are_written_in_a_grid_and_apart(folder, tmp_path, capsys):
    out = tmp_path / "wide.png"
    assert run_program(folder, "random", "--size", 24, 50, "--count", 3, "--apart", "--out", out) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert opened(tmp_path / "wide-2.png").shape == (24, 50, 3)


def test_an_animation_stays_near_the_image_and_moves(folder, model, tmp_path):
    out = tmp_path / "moving.gif"
    assert run_program(folder, "animate", "--frames", 5, "--start", 1, "--beta", 0.8, "--out", out) == 0
    with Image.open(out) as film:
        assert len(list(ImageSequence.Iterator(film))) == 5
    frames = model.task.animated(model.state, KEY, 4, start=1).astype(float)
    assert frames.shape == (4, 22, 33, 3) and (np.abs(np.diff(frames, axis=0)).max((1, 2, 3)) > 0).all()
    still = model.task.animated(model.state, KEY, 3, start=0, alpha=1.0)
    np.testing.assert_array_equal(still[0], still[2])


def test_the_walk_of_an_animation():
    draw = np.random.default_rng(0)
    anchor, u, fresh = draw.normal(size=(1, 3)), draw.normal(size=(1, 3)), draw.normal(size=(2, 3))
    first = 0.95 * anchor + 0.05 * u
    one = 0.2 * anchor + 0.8 * (first + 0.7 * (first - anchor) + 0.3 * fresh[:1])
    two = 0.2 * anchor + 0.8 * (one + 0.7 * (one - first) + 0.3 * fresh[1:])
    np.testing.assert_allclose(walk(anchor, u, fresh, 0.2, 0.7), np.concatenate([one, two]), atol=1e-12)


def test_pictures_are_enlarged_by_any_factor(folder, photo, tmp_path):
    out = tmp_path / "large.png"
    assert run_program(folder, "superresolve", "--factor", 2.5, "--out", out) == 0
    assert opened(out).shape == (55, 82, 3)
    assert run_program(folder, "superresolve", "--input", photo, "--factor", 2, "--out", out) == 0
    assert opened(out).shape == (44, 66, 3)


@pytest.fixture
def mask(tmp_path):
    path = tmp_path / "mask.png"
    pixels = np.zeros((22, 33), np.uint8)
    pixels[8:12, 14:18] = 255
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("action", ["edit", "harmonise"])
def test_edits_leave_what_is_far_from_the_mask_as_it_is(folder, photo, mask, tmp_path, action):
    before, out = photo.read_bytes(), tmp_path / "out.png"
    assert run_program(folder, action, "--input", photo, "--mask", mask, "--start", 1, "--out", out) == 0
    given, drawn = (opened(path).astype(int) for path in (photo, out))
    assert drawn.shape == given.shape
    changed = np.abs(drawn - given).max(-1)
    assert changed[8:12, 14:18].max() > 0
    np.testing.assert_array_equal(changed[:, :6], 0)
    assert photo.read_bytes() == before


def test_a_mask_grows_by_a_disk_and_is_blurred():
    mask = np.zeros((21, 21), bool)
    mask[10, 10] = True
    disk = softened(mask, 3, 0)[..., 0]
    assert disk.sum() == 29 and disk[10, 13] == 1 and disk[13, 13] == 0
    soft = softened(mask, 3, 1.5)[..., 0]
    assert soft.max() == 1 and 0 < soft[10, 15] < soft[10, 13] < 1


def test_paint_takes_the_place_of_a_coarse_scale(folder, model, photo, tmp_path):
    out = tmp_path / "painted.png"
    assert run_program(folder, "paint", "--input", photo, "--start", 2, "--out", out) == 0
    assert opened(out).shape == (22, 33, 3)
    pictures = np.stack([np.zeros((22, 44, 3), np.uint8), np.full((22, 44, 3), 255, np.uint8)])
    dark, bright = model.task.made_to_fit(model.state, KEY, pictures, 1).astype(float)
    assert bright.mean() > dark.mean() + 50, "what is drawn follows the paint"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("paint",), "paint needs --input PICTURE"),
        (("edit", "--input", "PHOTO"), "edit needs --mask PICTURE"),
        (("random", "--factor", "4"), "--factor does nothing with random, only with superresolve"),
        (("animate", "--count", "4"), "--count does nothing with animate"),
        (("random", "--start", "3"), "--start 3: the scales of this run are 0, the coarsest, to 2"),
        (("paint", "--input", "PHOTO", "--start", "0"), "a picture needs a scale below it"),
        (("paint", "--input", "PHOTO", "--out", "PHOTO"), "would be written over"),
        (("paint", "--input", "PHOTO", "--out", "x.jpg"), "paint writes a .png file"),
        (("random", "--size", "4", "40"), "4 x 40 pixels are fewer"),
        (("harmonise", "--input", "PHOTO", "--mask", "TALL"), "give a mask of the picture's proportions"),
        (("harmonise", "--input", "PHOTO", "--mask", "BLACK"), "black everywhere"),
        (("paint", "--input", "nowhere.png"), "nowhere.png"),
    ],
)
def test_what_cannot_be_done_is_told(folder, photo, tmp_path, capsys, arguments, sentence):
    made = {"PHOTO": photo, "TALL": tmp_path / "tall.png", "BLACK": tmp_path / "black.png"}
    Image.fromarray(np.full((60, 22), 255, np.uint8)).save(made["TALL"])
    Image.fromarray(np.zeros((22, 33), np.uint8)).save(made["BLACK"])
    before = photo.read_bytes()
    assert run_program(folder, *(made.get(each, each) for each in arguments)) == 2
    assert sentence in capsys.readouterr().err
    assert photo.read_bytes() == before


def test_frozen_scales_stay_as_they_were(folder, model, tmp_path):
    for step in (2, 4):
        copy = tmp_path / str(step)
        shutil.copytree(folder, copy)
        for later in range(step + 1, 7):
            shutil.rmtree(copy / "checkpoints" / str(later))
        before = load(copy).state
        scale = str(step // 2 - 1)
        assert same_bits(before.variables_of("generator"), model.state.memory["lower"][scale])
        assert same_bits(before.memory["latent"], model.state.memory["latent"])


@pytest.mark.slow
def test_a_run_that_is_continued_in_any_scale_ends_in_the_same_bits(folder, model, tmp_path):
    for step in range(1, 6):
        copy = tmp_path / str(step)
        shutil.copytree(folder, copy)
        for later in range(step + 1, 7):
            shutil.rmtree(copy / "checkpoints" / str(later))
        assert train_main("singan", ["--resume", "--out", str(copy), "--no-cache", "--devices", "1"]) == 0
        assert same_bits(load(copy).state, model.state)


def test_noise_around_images_moves_their_border(model):
    """Without it what a frame of zeros surrounds varies less there (paper, section 4: corners)."""
    scales = model.task.scales._replace(bordered=True)
    z = scales.noise(KEY, 1, model.task.sizes(model.state))[1]
    assert (np.abs(np.asarray(z)[:, :2]) > 0).all()
