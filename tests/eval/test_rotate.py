"""Posed generation: samples in asked poses, how turning is told, and the program that draws turntables."""

import jax
import numpy as np
import pytest
from PIL import Image, ImageSequence

from eval import rotate
from genjax.data.drawn import scene_sets, scenes
from genjax.run.cli import main as train_main
from genjax.run.load import load
from genjax.tasks.posed import around, turning

pytestmark = pytest.mark.usefixtures("unreported")
TINY = "--template 4 --volumes 4 --flat 8 --images 6 --width 4 --hidden 8 --latent 5 --batch-size 8 --train-images 64"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rotate") / "hologan"
    options = ["--out", str(folder), "--no-cache", "--devices", "1", "--steps", "2", *TINY.split()]
    assert train_main("hologan", options) == 0
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return load(folder)


def test_samples_are_drawn_in_the_poses_that_are_asked_for(model):
    free = model.sample(6, seed=3)
    assert free.shape == (6, 16, 16, 3) and free.dtype == np.uint8
    turned = model.sample(6, seed=3, azimuth=30.0, elevation=60.0)
    latents = model.task.latents(jax.random.split(jax.random.key(3))[0], 6)
    poses = model.task.poses(6, azimuth=30.0, elevation=60.0)
    np.testing.assert_array_equal(turned, model.task.from_latents(model.state, latents, poses=poses))
    assert (turned != free).any()
    each = model.sample(6, seed=3, azimuth=[30.0] * 3 + [210.0] * 3, elevation=60.0)
    np.testing.assert_array_equal(each[:3], turned[:3])
    assert (each[3:] != turned[3:]).any()
    table = model.task.turntable(model.state, latents, azimuth=[30.0, 210.0])
    poses = model.task.poses(6, azimuth=30.0)
    np.testing.assert_array_equal(table[:, 0], model.task.from_latents(model.state, latents, poses=poses))
    # In the middle of the ranges where nothing is said, so that walks between latents turn nothing.
    np.testing.assert_array_equal(
        model.from_latents(latents), model.task.from_latents(model.state, latents, poses=model.task.poses(6))
    )
    assert tuple(model.task.poses(1)[0]) == (180, 65, 1, 0, 0, 0)


@pytest.mark.parametrize(
    ("conditions", "sentence"),
    [
        ({"azimuth": [1.0, 2.0]}, "give one number of degrees, or one a sample"),
        ({"elevation": float("nan")}, "give one number of degrees"),
        ({"labels": [1]}, "takes no labels; its conditions are: azimuth"),
        ({"distance": 1}, "takes no distance"),
    ],
)
def test_conditions_that_cannot_be_met_are_named(model, conditions, sentence):
    with pytest.raises(ValueError, match=sentence):
        model.sample(3, **conditions)


def test_turning_tells_a_camera_from_a_latent():
    factors = scene_sets.orbiting(range(12))
    degrees = around(16)

    def drawn(turned):
        """Return pictures of each scene, from 16 azimuths if turned, else with 16 colours of its own view."""
        rows = []
        for number in range(12):
            one = scenes.Factors(*(np.repeat(field[number : number + 1], 16, 0) for field in factors))
            azimuth = {"azimuth": np.radians(degrees)} if turned else {"colour": np.arange(16)[:, None] % 8}
            rows.append(scenes.render(one._replace(**azimuth), 16).images / 255)
        return np.stack(rows)

    camera, still = (turning(np.radians(degrees), drawn(turned)) for turned in (True, False))
    assert camera.azimuth_fit > 0.95 and camera.identity_kept > 0.9
    np.testing.assert_allclose(camera.amplitude, 4, rtol=0.05)
    assert camera.latent_spread < 0.5
    assert still.azimuth_fit < 0.1 and still.identity_kept < 0.2 and still.latent_spread > 1.5


def test_turntables_are_drawn_as_strips_and_films(folder, tmp_path, capsys):
    assert rotate.main([str(folder), "--count", "2", "--views", "5", "--out", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{n}.{e}" for n in ("azimuth", "elevation") for e in ("png", "gif")
    }
    said = capsys.readouterr().out
    assert "a sinusoid of the azimuth explains" in said
    durations = {}
    for name in ("azimuth", "elevation"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.size[0] > 5 * 48
        with Image.open(tmp_path / f"{name}.gif") as film:
            durations[name] = sum(frame.info["duration"] for frame in ImageSequence.Iterator(film))
    assert durations == {"azimuth": 10 * 80, "elevation": 18 * 80}  # a whole turn has no way back


def test_a_whole_turn_ends_before_its_beginning_and_others_have_both_ends():
    np.testing.assert_array_equal(rotate.angles(0, 360, 4), [0, 90, 180, 270])
    np.testing.assert_array_equal(rotate.angles(220, 320, 3), [220, 270, 320])


def test_angles_that_never_changed_in_training_are_named(folder, tmp_path, capsys, monkeypatch):
    found = load(folder)
    task = found.task
    fixed = type(task)(**{**task.__dict__, "views": task.views._replace(elevation=(65.0, 65.0))})
    monkeypatch.setattr(rotate, "load", lambda folder: found._replace(run=found.run._replace(task=fixed)))
    assert rotate.main([str(folder), "--count", "1", "--views", "2", "--out", str(tmp_path)]) == 0
    assert "only 65 degrees in training; give --elevation" in capsys.readouterr().out
    assert not (tmp_path / "elevation.png").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--azimuth", "300", "200"), "--azimuth 300 200 ends before it begins"),
        (("--image-size", "32"), "give --image-size 16"),
    ],
)
def test_options_that_cannot_work_are_one_sentence(options, sentence, tmp_path, capsys):
    assert train_main("hologan", ["--out", str(tmp_path / "run"), *options]) == 2
    assert sentence in capsys.readouterr().err


def test_runs_without_poses_are_named(tmp_path, capsys):
    assert train_main("gan", ["--out", str(tmp_path / "gan"), "--steps", "1", "--no-cache", "--devices", "1"]) == 0
    assert rotate.main([str(tmp_path / "gan")]) == 2
    assert "draws nothing in poses; give a HoloGAN" in capsys.readouterr().err
