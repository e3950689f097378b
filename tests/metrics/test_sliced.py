import numpy as np
import pytest

from genjax.metrics.sliced import sliced_wasserstein


def test_values_that_are_not_finite_are_refused():
    a = np.random.default_rng(10).normal(size=(6, 2, 2, 1))
    broken = a.copy()
    broken[1, 0, 1], broken[4] = np.nan, np.inf
    for pair in ((a, broken), (broken, a)):
        with pytest.raises(ValueError, match="2 of 6 samples are NaN or infinite"):
            sliced_wasserstein(*pair)
