"""The classifier that says how often samples show the class that was asked for."""

import numpy as np

from genjax import data
from genjax.data.ranges import TANH
from genjax.latent import NORMAL
from genjax.tasks.generation import Generation
from genjax.tasks.judge import Judge, judge_of

DIGITS = data.load("digits")


def task(judge, shift=0):
    """Return a task whose generator copies a training image of the class after the asked one by `shift`."""
    train = DIGITS.train.take(np.arange(len(DIGITS.train)))
    first = np.array([np.flatnonzero(train["labels"] == label)[0] for label in range(10)])

    def draw(state, latents, labels):
        return TANH.from_bytes(train["images"][first[(np.asarray(labels) + shift) % 10]])

    shared = {"dataset": DIGITS, "pixels": TANH, "prior": NORMAL, "latent": 2, "prepare": TANH.prepare}
    return Generation(**shared, draw=draw, classes=10, judge=judge)


def test_a_few_steps_tell_digits_apart_and_are_made_once():
    judge = judge_of(DIGITS, 100)
    assert judge().accuracy > 0.8
    assert judge() is judge()
    assert task(judge).scores(None)["class_accuracy"] > 0.7
    assert task(judge, 1).scores(None)["class_accuracy"] < 0.3


def test_without_a_judge_there_is_no_such_score():
    assert "class_accuracy" not in task(None).scores(None)
    scores = task(lambda: Judge(lambda images: np.arange(len(images)) % 10, 0.75)).scores(None)
    assert scores["class_accuracy"] == 1.0 and scores["class_accuracy_of_real"] == 0.75
