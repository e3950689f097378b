import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import data
from genjax.data import Arrays, Dataset
from train import _optimizer, classifier


def test_a_short_run_learns_and_writes_its_files(tmp_path, capsys):
    options = ["--image-size", "8", "--steps", "60", "--batch-size", "32", "--fuse", "30", "--no-cache"]
    assert classifier.main("classifier", classifier.PRESETS, classifier.build, [*options, "--out", str(tmp_path)]) == 0
    scores = dict(line.split(": ") for line in capsys.readouterr().out.splitlines() if ": " in line)
    assert float(scores["accuracy"]) > 0.7
    assert float(scores["cross_entropy"]) < 1.2
    assert (tmp_path / "confusion-000060.png").stat().st_size > 1000


@pytest.mark.parametrize(("preset", "parameters"), [("gelu", 15_642), ("vit", 40_714), ("resnet18", 11_689_512)])
def test_describe_needs_no_data(preset, parameters, capsys):
    arguments = [preset, "--describe", "--batch-size", "8", "--no-cache"]
    assert classifier.main("classifier", classifier.PRESETS, classifier.build, arguments) == 0
    (phase,) = json.loads(capsys.readouterr().out)["phases"]
    assert phase["parameters"] == {"classifier": parameters}
    if preset == "resnet18":
        assert phase["batch"]["images"] == [1, 8, 224, 224, 3]
        assert phase["steps"] == 90 * (1_281_167 // 8)


def test_learning_rate_rises_and_falls_in_steps():
    hyper = classifier.PRESETS["resnet50"]
    rate = _optimizer.rate_schedule(hyper, hyper.learning_rate, 9000, classifier.decay(hyper, 9000))
    np.testing.assert_allclose(
        [float(rate(step)) for step in (0, 250, 500, 2999, 3001, 5999, 6001, 7999, 8001)],
        [0, 0.05, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001, 0.0001],
        rtol=1e-5,
    )


def test_random_crops_are_windows_of_the_image():
    images = jnp.arange(2 * 6 * 7).reshape(2, 6, 7, 1)
    seen = set()
    for seed in range(40):
        crops = classifier.random_crop({"images": images}, jax.random.key(seed), size=4)["images"]
        for image, crop in zip(images, crops, strict=True):
            row, column = divmod(int(crop[0, 0, 0] - image[0, 0, 0]), 7)
            np.testing.assert_array_equal(crop, image[row : row + 4, column : column + 4])
            seen.add((row, column))
    assert seen == {(row, column) for row in range(3) for column in range(4)}
    np.testing.assert_array_equal(classifier.centre_crop(images, 4), images[:, 1:5, 1:5])


def test_weight_decay_leaves_biases_alone():
    hyper = replace(classifier.SMALL, learning_rate=1.0, weight_decay=0.5, rate_warm_up=0.0, optimizer="sgd")
    tx = classifier.optimizer(hyper, 10)
    params = {"head": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}}
    updates, _ = tx.update(jax.tree.map(jnp.zeros_like, params), tx.init(params), params)
    assert float(updates["head"]["kernel"][0, 0]) < 0
    assert float(updates["head"]["bias"][0]) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": "resnet18"}, "takes images of 3 channels, and digits has 1"),
        ({"crop": 64}, "--crop 64: the images are 16 x 16"),
        ({"data": "pictures"}, "pictures has no labels"),
    ],
)
def test_data_that_does_not_fit(change, message):
    dataset = data.load("digits", image_size=16)
    if "data" in change:
        bare = Arrays({"images": dataset.train.take([0, 1])["images"]})
        dataset = Dataset("pictures", bare, bare)
    with pytest.raises(ValueError, match=message):
        classifier.build(replace(classifier.SMALL, **change), dataset)
