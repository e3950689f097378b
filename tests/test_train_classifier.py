import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import data
from genjax.data import Arrays, Dataset
from genjax.run.cli import main
from train import classifier

SMALL = classifier.PRESETS["small"]


def optimizer_of(hyper, dataset):
    """Return the optimizer that a run of the classifier trains with."""
    return classifier.build(hyper, dataset).optimizers["classifier"]


@pytest.fixture(scope="module")
def digits():
    return data.load("digits", image_size=16)


def test_a_short_run_learns_and_writes_its_files(tmp_path, capsys):
    options = ["--image-size", "8", "--steps", "60", "--batch-size", "32", "--no-cache"]
    assert main("classifier", [*options, "--out", str(tmp_path)]) == 0
    scores = dict(line.split(": ") for line in capsys.readouterr().out.splitlines() if ": " in line)
    assert float(scores["accuracy"]) > 0.7
    assert float(scores["cross_entropy"]) < 1.2
    assert (tmp_path / "confusion-000060.png").stat().st_size > 1000


@pytest.mark.parametrize(("preset", "parameters"), [("gelu", 15_642), ("vit", 40_714), ("resnet18", 11_689_512)])
def test_describe_needs_no_data(preset, parameters, capsys):
    assert main("classifier", [preset, "--describe", "--batch-size", "8", "--no-cache"]) == 0
    (phase,) = json.loads(capsys.readouterr().out)["phases"]
    assert phase["parameters"] == {"classifier": parameters}
    if preset == "resnet18":
        assert phase["batch"]["images"] == [1, 8, 224, 224, 3]
        assert phase["steps"] == 90 * (1_281_167 // 8)


def test_learning_rate_rises_and_falls_in_steps():
    imagenet = data.placeholder(data.known("tfds:imagenet2012", image_size=256))
    own = optimizer_of(replace(classifier.PRESETS["resnet50"], rate_warm_up=5 / 90), imagenet)
    # Plain gradient descent at the same rates: what it does with a gradient of one is minus the rate.
    tx, one = own._replace(rule="momentum", arguments={}).transformation(9000), {"kernel": jnp.ones(())}

    @jax.jit
    def rates(state):
        def step(state, _):
            updates, state = tx.update(one, state, one)
            return state, -updates["kernel"]

        return jax.lax.scan(step, state, length=9000)[1]

    steps = np.array([0, 250, 500, 2999, 3001, 5999, 6001, 7999, 8001])
    np.testing.assert_allclose(
        rates(tx.init(one))[steps], [0, 0.05, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001, 0.0001], rtol=1e-5
    )


def test_weight_decay_leaves_biases_alone(digits):
    hyper = replace(SMALL, learning_rate=1.0, weight_decay=0.5, rate_warm_up=0.0, optimizer="sgd")
    tx = optimizer_of(hyper, digits).transformation(10)
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
def test_data_that_does_not_fit(change, message, digits):
    if "data" in change:
        bare = Arrays({"images": digits.train.take([0, 1])["images"]})
        digits = Dataset("pictures", bare, bare)
    with pytest.raises(ValueError, match=message):
        classifier.build(replace(SMALL, **change), digits)
