"""Training from Python in one call."""

import json

import jax
import numpy as np
import optax
import pytest

import genjax
from genjax import data
from genjax.autoencoders import vae
from genjax.nn.coders import DenseDecoder, DenseEncoder

IMAGES = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), dtype=np.uint8)
GAME = vae.game(
    vae.VAE(DenseEncoder((4,)), DenseDecoder((4,)), latent=2, image_shape=(8, 8, 1)), optax.adam(1e-2), samples=1
)


def fit(images, **options):
    given = {"pixels": genjax.UNIT, "steps": 3, "batch_size": 32, "progress": False}
    return genjax.fit(GAME, images, **given | options)


def test_nothing_is_written_without_a_folder_and_bytes_floats_and_data_sets_train_alike(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    split = data.Arrays({"images": IMAGES})
    kinds = (IMAGES, IMAGES / 255, split, data.Dataset("noise", split, split))
    results = [fit(images) for images in kinds]
    assert list(tmp_path.rglob("*")) == []
    for result in results:
        assert int(result.state.step) == 3
        assert result.rows[-1]["step"] == 3
        assert np.isfinite(result.rows[-1]["vae/loss"])
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), result.state.params, results[0].state.params
        )
    again = fit(IMAGES)
    jax.tree.map(np.testing.assert_array_equal, again.state.params, results[0].state.params)


def test_a_folder_gets_metrics_scores_and_a_checkpoint(tmp_path):
    result = fit(IMAGES, folder=tmp_path / "run", evaluate=lambda state: {"half": float(state.step) / 2})
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 3
    assert any(row.get("test/half") == 1.5 for row in rows)
    assert result.scores == {"half": 1.5}
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir() if path.name.isdigit()] == ["3"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "0 steps: train for at least one"),
        ({"pixels": None}, "say how images reach the networks, once"),
        ({"prepare": lambda batch, key: batch}, "say how images reach the networks, once"),
        ({"batch_size": 65}, "batch size 65"),
        ({"labels": np.zeros(3, np.int32)}, "label"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        fit(IMAGES, **options)


def test_labels_of_a_data_set_are_its_own():
    with pytest.raises(ValueError, match="a data set has its own"):
        fit(data.Arrays({"images": IMAGES}), labels=np.zeros(64, np.int32))
