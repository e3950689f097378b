"""Latents that hold codes: what is drawn, what is placed, what lies between."""

import jax
import numpy as np
import pytest

from genjax import latent, parallel
from genjax.codes import Codes

CODES = Codes(4, (3, 5), 2)
KEY = jax.random.key(0)


def test_latents_are_noise_then_one_hot_codes_then_continuous_ones():
    assert CODES.size == 14 and CODES.names == ("c1", "c2", "c3", "c4")
    latents = np.asarray(CODES.prior().draw(KEY, (6000, 14)))
    parts = CODES.split(latents)
    assert {name: x.shape[1] for name, x in parts.items()} == {"c1": 3, "c2": 5, "c3": 1, "c4": 1}
    for name, classes in (("c1", 3), ("c2", 5)):
        assert set(np.unique(parts[name])) == {0, 1} and (parts[name].sum(1) == 1).all()
        np.testing.assert_allclose(parts[name].mean(0), 1 / classes, atol=0.03)
    for x in (latents[:, :4], parts["c3"], parts["c4"]):
        assert -1 <= x.min() < -0.99 and 0.99 < x.max() <= 1
        np.testing.assert_allclose(x.var(0), 1 / 3, atol=0.02)
    # Nothing depends on anything else.
    assert np.abs(np.corrcoef(parts["c1"].argmax(1), parts["c2"].argmax(1))[0, 1]) < 0.05
    assert np.abs(np.corrcoef(latents[:, 0], parts["c4"][:, 0])[0, 1]) < 0.05
    alike = Codes(0, (4, 4))
    first, second = (x.argmax(1) for x in alike.split(np.asarray(alike.prior().draw(KEY, (2000, 8)))).values())
    assert abs((first == second).mean() - 1 / 4) < 0.05


def test_codes_are_placed_and_the_rest_stays():
    latents = np.asarray(CODES.prior().draw(KEY, (3, 14)))
    found = CODES.placed(latents, {"c2": [0, 4, 2], "c4": -0.5})
    assert found[:, 7:12].argmax(1).tolist() == [0, 4, 2] and (found[:, 7:12].sum(1) == 1).all()
    assert (found[:, 13] == -0.5).all()
    untouched = [*range(7), 12]
    np.testing.assert_array_equal(found[:, untouched], latents[:, untouched])


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"c5": 1}, "no code 'c5'; the codes are c1 (a class from 0 to 2), c2 (a class from 0 to 4), c3 (-1 to 1)"),
        ({"c1": 3}, "c1: class 3, but its classes are 0 to 2"),
        ({"c1": 0.5}, "c1: class 0.5"),
        ({"c1": [0, 1]}, "c1: 2 values for 3 samples"),
        ({"c3": float("nan")}, "a finite number"),
    ],
)
def test_values_that_cannot_be_are_refused(values, sentence):
    with pytest.raises(ValueError) as refusal:
        CODES.placed(np.zeros((3, 14)), values)
    assert sentence in str(refusal.value)


def test_a_latent_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"\[count, 14\], not \[2, 13\]"):
        CODES.prior().draw(KEY, (2, 13))


def test_between_two_latents_classes_change_at_once_and_numbers_evenly():
    prior = CODES.prior()
    ends = CODES.placed(np.asarray(prior.draw(KEY, (2, 14))), {"c1": [0, 2], "c2": 1, "c3": [-1, 1]})
    path = prior.nearest(latent.linear(ends[0], ends[1], 10))
    assert CODES.split(path)["c1"].argmax(1).tolist() == [0] * 5 + [2] * 5
    assert set(np.unique(path[:, 4:12])) == {0, 1}
    np.testing.assert_allclose(path[:, 12], np.linspace(-1, 1, 10), atol=1e-6)
    np.testing.assert_allclose(path[[0, -1]], ends, atol=1e-6)
    assert latent.NORMAL.nearest(path) is path


def test_truncation_is_refused():
    with pytest.raises(ValueError, match="bounded already"):
        latent.truncated(CODES.prior(), KEY, (2, 14), 0.5)


def test_rows_do_not_depend_on_how_a_batch_is_split():
    draw, devices = latent.sampler(CODES.prior(), 14), jax.devices()[:4]
    whole = draw(KEY, 8)
    split = jax.pmap(lambda _: draw(KEY, 2), axis_name=parallel.DATA, devices=devices)(np.arange(4))
    np.testing.assert_array_equal(np.asarray(split).reshape(8, 14), whole)


def test_sweeps_are_all_classes_or_even_numbers():
    assert CODES.sweep("c2", 3).tolist() == [0, 1, 2, 3, 4]
    assert CODES.sweep("c3", 3, 2.0).tolist() == [-2, 0, 2]
