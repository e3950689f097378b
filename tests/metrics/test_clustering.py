from itertools import permutations

import numpy as np
import pytest

from genjax.metrics.clustering import code_agreement

RANDOM = np.random.default_rng(6)


@pytest.mark.parametrize(("codes", "classes"), [(4, 4), (3, 5), (5, 3)])
def test_accuracy_is_that_of_the_best_matching_and_purity_that_of_the_majority(codes, classes):
    code = np.concatenate([np.arange(codes), RANDOM.integers(0, codes, 200)])
    label = np.where(RANDOM.random(len(code)) < 0.5, (2 * code + 1) % classes, RANDOM.integers(0, classes, len(code)))
    label[:classes] = np.arange(classes)
    counts = np.array([[np.sum((code == a) & (label == b)) for b in range(classes)] for a in range(codes)])
    square = np.zeros((max(counts.shape),) * 2)
    square[:codes, :classes] = counts
    best = max(square[np.arange(len(square)), list(order)].sum() for order in permutations(range(len(square))))
    found = code_agreement(code, label)
    assert found.accuracy == pytest.approx(best / len(code))
    assert found.purity == pytest.approx(counts.max(1).sum() / len(code))
    assert found.samples == len(code)
    assert len(found.classes) == min(codes, classes)
    assert sum(counts[a, b] for a, b in found.classes.items()) == best


def test_two_codes_of_one_class_are_pure_but_not_accurate_and_renamed_codes_are_perfect():
    labels = np.repeat(np.arange(3), 10)
    assert code_agreement((labels + 1) % 3, labels)[:3] == (1.0, 1.0, {0: 2, 1: 0, 2: 1})
    split = np.where(np.arange(30) < 5, 3, labels)
    found = code_agreement(split, labels)
    assert found.purity == 1 and found.accuracy == pytest.approx(25 / 30)
    shuffled = code_agreement(RANDOM.permutation(np.repeat(np.arange(3), 1000)), np.repeat(np.arange(3), 1000))
    assert 1 / 3 <= shuffled.purity < 0.4


def test_bad_input_teaches():
    with pytest.raises(ValueError, match=r"codes \[3\] and labels \[4\]"):
        code_agreement(np.arange(3), np.arange(4))
    with pytest.raises(ValueError, match=r"codes \[0\]"):
        code_agreement(np.arange(0), np.arange(0))
    with pytest.raises(ValueError, match="labels must be integers from 0 up, not float64"):
        code_agreement(np.arange(3), np.arange(3) / 2)
    with pytest.raises(ValueError, match="codes must be integers from 0 up, not int64 from -1"):
        code_agreement(np.arange(3) - 1, np.arange(3))
