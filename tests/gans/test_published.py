"""Published generators read from files: forward parity with their own code at random weights, and refusals."""

import jax
import numpy as np
import pytest

from genjax.gans import published
from genjax.gans.published import layers, mimicry
from genjax.nn.residual import grow
from tests.gans import golden
from tests.gans.golden import agree, thinned, under


@pytest.fixture(autouse=True)
def in_double():
    """Compute in float64."""
    with jax.enable_x64(True):
        yield


def of_sngan(values, kind):
    inside = under(values, f"{kind}/")
    width = len(inside["G/state/b5.weight"])
    network = mimicry.generator(32, (width,) * 3, width, latent=inside["in/z"].shape[1], conditional=kind != "plain")
    return inside, network


def of_sagan(values):
    return values, mimicry.generator(32, (16,) * 3, 16, latent=6, attention=16, conditional=True, spectral=True)


CASES = {
    "SNGAN": lambda: of_sngan(golden.read("sngan"), "plain"),
    "cGAN-PD": lambda: of_sngan(golden.read("sngan"), "projection"),
    "SAGAN": lambda: of_sagan(golden.read("sagan")),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_mimicrys_generators_draw_what_they_draw_there(case):
    values, network = case()
    found = published.restore(network, under(values, "G/state/"))
    labels = values.get("in/y_fake")
    assert found.classes == (0 if labels is None else len(values["G/state/block2.b1.embed.weight"]))
    drawn = np.transpose(found.draw(values["in/z"], labels), (0, 3, 1, 2))
    agree(thinned(drawn), values["peer/out/G_eval"])


def test_the_authors_growth_draws_what_the_authors_draw():
    values, network = CASES["SAGAN"]()
    network = network._replace(generator=network.generator.clone(growth=grow))
    drawn = published.restore(network, under(values, "G/state/")).draw(values["in/z"], values["in/y_fake"])
    agree(thinned(np.transpose(drawn, (0, 3, 1, 2))), values["authors/out/G_eval"])


def test_the_singular_value_is_that_of_the_stored_vectors():
    w, u, v = np.array([[3.0, 1.0], [0.0, 4.0]]), np.array([0.6, 0.8]), np.array([1.0, 0.0])
    np.testing.assert_allclose(layers.stored(w, u, v), w / 1.8)  # u^T W v
    convolution = np.arange(16.0).reshape(2, 2, 2, 2)
    np.testing.assert_allclose(layers.stored(convolution, u, np.ones(8)), convolution / (0.6 * 28 + 0.8 * 92))


def test_one_more_step_of_the_power_iteration():
    w, u = np.diag([3.0, 4.0]), np.array([1.0, 1.0]) / np.sqrt(2)
    np.testing.assert_allclose(layers.iterated(w, u), w / 3.671512, rtol=1e-6)


@pytest.mark.parametrize("name", published.NETWORKS)
def test_every_network_has_a_row_for_every_variable(name):
    entry = published.NETWORKS[name]
    arrays = {entry.classes: np.zeros((10, 1))} if entry.classes else {}
    with pytest.raises(ValueError, match="another network: .* tensors are missing"):
        published.restore(entry, arrays)


def test_tensors_that_do_not_fit_are_listed(tmp_path):
    values, network = CASES["SAGAN"]()
    arrays = dict(under(values, "G/state/"))
    arrays["l9.weight"] = arrays.pop("c5.weight_orig")
    arrays["l1.weight_orig"] = arrays["l1.weight_orig"][:, :5]
    with pytest.raises(ValueError) as error:
        published.restore(network, arrays)
    for part in ("1 tensors are missing (c5.weight_orig)", "not expected (l9.weight)", "l1.weight_orig of [256, 5]"):
        assert part in str(error.value)
    with pytest.raises(ValueError, match="no published network 'sagan'; known are sngan-32, .*sagan-128"):
        published.load(tmp_path / "w.npz", "sagan")
    with pytest.raises(ValueError, match="no weights at"):
        published.load(tmp_path / "w.npz", "sagan-32")
