"""Standing statistics of batch norm, for sampling."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from genjax.nn.normalization import BatchNorm
from genjax.nn.standing import standing_statistics

KEY = jax.random.key(2)


class Net(nn.Module):
    """Two norms of different momentum, one of which sees what the other made."""

    @nn.compact
    def __call__(self, x, train=False):
        x = nn.tanh(BatchNorm(momentum=0.99)(nn.Dense(4)(x), train))
        return BatchNorm(momentum=0.5, use_bias=False)(nn.Dense(3)(x), train)


@pytest.fixture(scope="module")
def started():
    net = Net()
    return net, net.init(KEY, jnp.zeros((1, 2)))


def test_of_one_batch_they_evaluate_as_in_training(started):
    net, variables = started
    x = 3 + 2 * jax.random.normal(KEY, (50, 2))
    settled = standing_statistics(net, variables, [(x,)])
    trained, _ = net.apply(variables, x, train=True, mutable=["batch_stats"])
    np.testing.assert_allclose(net.apply(settled, x), trained, atol=1e-5)
    assert float(jnp.abs(net.apply(variables, x) - trained).max()) > 0.1


def test_of_several_batches_they_are_the_means_of_means_and_variances(started):
    net, variables = started
    batches = [3 + 2 * jax.random.normal(jax.random.fold_in(KEY, n), (20, 2)) for n in range(3)]
    settled = standing_statistics(net, variables, [(x,) for x in batches])
    inputs = [np.asarray(x @ variables["params"]["Dense_0"]["kernel"]) for x in batches]
    first = settled["batch_stats"]["BatchNorm_0"]["BatchNorm_0"]
    np.testing.assert_allclose(first["mean"], np.mean([x.mean(0) for x in inputs], 0), rtol=1e-5)
    np.testing.assert_allclose(first["var"], np.mean([x.var(0) for x in inputs], 0), rtol=1e-4)
    assert settled["params"] is variables["params"]
    halves = [standing_statistics(net, variables, [(x,)])["batch_stats"] for x in batches]
    for leaves in zip(*(jax.tree.leaves(tree) for tree in (settled["batch_stats"], *halves)), strict=True):
        np.testing.assert_allclose(leaves[0], np.mean(leaves[1:], 0), rtol=1e-5, atol=1e-7)


def test_no_batch_norm_and_no_batch_are_refused(started):
    net, variables = started
    with pytest.raises(ValueError, match="of which this network has none"):
        standing_statistics(nn.Dense(3), nn.Dense(3).init(KEY, jnp.zeros((1, 2))), [(jnp.zeros((4, 2)),)])
    with pytest.raises(ValueError, match="give at least one"):
        standing_statistics(net, variables, [])
