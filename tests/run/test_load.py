"""Trained models out of their folders, on machines that do not have their data."""

import numpy as np
import pytest

import genjax
from tests.run.conftest import train

pytestmark = pytest.mark.usefixtures("unreported")
IMAGES = np.random.default_rng(1).integers(0, 256, (5, 16, 16, 1), dtype=np.uint8)


def test_a_conditional_generator_samples_without_its_data(gone):
    model = genjax.load(gone("cgan"))
    with pytest.raises(ValueError, match=r"some\.npz"):
        genjax.load(gone("cgan"), with_data=True)
    threes = model.sample(4, seed=1, labels=[3] * 4)
    assert (threes.shape, threes.dtype) == ((4, 16, 16, 1), np.uint8)
    assert np.array_equal(threes, model.sample(4, seed=1, labels=[3] * 4))
    assert not np.array_equal(threes, model.sample(4, seed=2, labels=[3] * 4))
    assert not np.array_equal(threes, model.sample(4, seed=1, labels=[2] * 4))
    in_turn = model.sample(6, seed=1)
    assert np.array_equal(in_turn, model.sample(6, seed=1, labels=[0, 1, 2, 3, 0, 1]))
    assert set(model.task.conditions) == {"labels", "truncation"} or model.task.prior.bound is not None


@pytest.mark.parametrize(("recipe", "verb"), [("classifier", "draw images from latents"), ("dcgan", "encode")])
def test_what_a_task_lacks_is_named(gone, recipe, verb):
    model = genjax.load(gone(recipe))
    with pytest.raises(ValueError, match=f"a run of {recipe}, which does not {verb}$"):
        model.interpolate(0, 1) if recipe == "classifier" else model.encode(IMAGES)


def test_truncation_keeps_latents_near(gone):
    model = genjax.load(gone("dcgan"))
    free, within = model.sample(8, seed=1), model.sample(8, seed=1, truncation=0.3)
    assert not np.array_equal(free, within)
    assert np.array_equal(free, model.sample(8, seed=1, truncation=100.0))


@pytest.mark.parametrize(
    ("recipe", "count", "conditions", "message"),
    [
        ("dcgan", 2, {"labels": [0, 1]}, "takes no labels; its conditions are: truncation"),
        ("dcgan", 2, {"pose": 3}, "takes no pose"),
        ("dcgan", 2, {"truncation": -1.0}, "-1"),
        ("dcgan", 0, {}, "0 samples: ask for at least one"),
        ("cgan", 2, {"labels": [0, 4]}, "label 4: this generator's classes are 0 to 3"),
        ("cgan", 3, {"labels": [0, 1]}, "2 labels for 3 samples"),
        ("vae", 2, {"labels": [0, 1]}, "this autoencoder takes no labels"),
        ("ae", 2, {}, "without a prior has nothing to draw from"),
        ("classifier", 2, {}, "a run of classifier, which does not sample"),
    ],
)
def test_what_a_model_cannot_do_is_one_sentence(gone, recipe, count, conditions, message):
    with pytest.raises(ValueError, match=message):
        genjax.load(gone(recipe)).sample(count, **conditions)


def test_a_walk_begins_and_ends_with_the_images_of_its_seeds(gone):
    for recipe, label in (("dcgan", None), ("vae", None), ("cgan", 2)):
        model = genjax.load(gone(recipe))
        walk = model.interpolate(3, 4, 5, label=label)
        assert walk.shape == (5, 16, 16, 1)
        for end, seed in ((walk[0], 3), (walk[-1], 4)):
            sample = model.sample(1, seed=seed, **({} if label is None else {"labels": [label]}))[0]
            assert np.abs(end.astype(int) - sample).max() <= 1
        assert not np.array_equal(walk[0], walk[-1])


@pytest.mark.parametrize("recipe", ["ae", "vae"])
def test_autoencoders_encode_decode_and_reconstruct(gone, recipe):
    model = genjax.load(gone(recipe))
    latents = model.encode(IMAGES)
    assert latents.shape == (5, 3)
    np.testing.assert_allclose(latents, model.encode(IMAGES.astype(np.float32) / 255), atol=1e-5)
    decoded = model.decode(latents)
    assert decoded.shape == (5, 16, 16, 1)
    assert decoded.dtype == np.float32 and 0 <= decoded.min() < decoded.max() <= 1
    assert np.abs(np.round(255 * decoded) - model.reconstruct(IMAGES)).max() <= 1
    assert len(np.unique(np.round(latents, 4), axis=0)) == 5


def test_a_classifier_predicts(gone):
    found = genjax.load(gone("classifier")).predict(IMAGES)
    assert found.shape == (5, 4)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


def test_m2_predicts_labels(tmp_path):
    train("m2", "small", "--out", str(tmp_path / "m2"), "--batch-size", "20")
    found = genjax.load(tmp_path / "m2").predict(np.zeros((3, 8, 8, 1), np.uint8))
    assert found.shape == (3, 10)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


def test_a_translator_translates_both_ways(tmp_path):
    options = ["--width", "2", "--blocks", "1", "--batch-size", "1", "--data", "domains:digits", "--image-size", "16"]
    train("cyclegan", "small", "--out", str(tmp_path / "cyclegan"), *options)
    model = genjax.load(tmp_path / "cyclegan")
    height, width, channels = model.dataset.shape
    images = np.random.default_rng(0).integers(0, 256, (2, height, width, channels), dtype=np.uint8)
    there, back = model.translate(images), model.translate(images, backward=True)
    assert there.shape == back.shape == images.shape and there.dtype == np.uint8
    assert not np.array_equal(there, back)
    with pytest.raises(ValueError, match="give the images to translate"):
        model.sample(2)
    assert np.array_equal(model.sample(2, images=images), there)


def test_a_run_stopped_in_an_early_phase_samples_with_the_networks_of_that_phase(tmp_path):
    # Two of many steps: the first phase, whose networks are the smallest.
    train("pggan", "small", "--out", str(tmp_path / "pggan"), "--batch-size", "8")
    model = genjax.load(tmp_path / "pggan")
    assert int(model.state.step) == 2
    assert model.sample(2, seed=0).shape[0] == 2


def test_folders_without_a_run_or_a_checkpoint_are_named(tmp_path, gone):
    with pytest.raises(ValueError, match="holds no run"):
        genjax.load(tmp_path)
    config = (gone("ae") / "config.json").read_text()
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ValueError, match="holds no checkpoint yet"):
        genjax.load(tmp_path)
    (tmp_path / "config.json").write_text(config[:-20])
    with pytest.raises(ValueError, match="damaged or not of a run"):
        genjax.load(tmp_path)
