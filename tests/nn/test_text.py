"""Letters that follow from words, and encoders of sentences against loops written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.nn import text
from genjax.nn.recurrent import GRU, LSTM, ReLURNN

WORDS = ("", "<unknown>", "red", "Bird", ",", "x" * 30, "é")


def letters(row, words=WORDS, length=text.LENGTH):
    columns = np.asarray(text.spelled(jnp.asarray([row]), words, length))[0]
    return "".join("." if column < 0 else text.ALPHABET[column] for column in columns)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ([2, 3, 4, 2], "red bird , red"),
        ([3, 0, 0, 0], "bird"),
        ([1, 0, 0, 0], "<unknown>"),
        ([2, 6, 2, 0], "red . red"),
        ([0, 0, 0, 0], ""),
    ],
)
def test_letters_are_those_of_the_words_with_a_blank_between(row, said):
    assert letters(row) == said.ljust(201, ".")


def test_letters_are_cut_at_the_end():
    assert letters([5, 5, 5, 2], length=40) == "x" * 30 + " " + "x" * 9


def test_of_seventy_columns_one_stays_empty():
    assert len(text.ALPHABET) == 70 and len(set(text.ALPHABET)) == 69
    assert letters([1], ("", "-"))[0] == "-"
    assert int(text.spelled(jnp.asarray([[1]]), ("", "-"))[0, 0]) == text.ALPHABET.rfind("-") > text.ALPHABET.find("-")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(params, x):
    h = c = np.zeros(4)
    for row in x:
        i, f, g, o = np.split(row @ params["input"]["kernel"] + h @ params["hidden"]["kernel"]
                              + params["hidden"]["bias"], 4)  # fmt: skip
        c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        yield h


def relu(params, x):
    h = np.zeros(4)
    for row in x:
        h = np.maximum(0, row @ params["input"]["kernel"] + params["input"]["bias"]
                       + h @ params["hidden"]["kernel"] + params["hidden"]["bias"])  # fmt: skip
        yield h


def gru(params, x):
    h = np.zeros(4)
    for row in x:
        given = row @ params["input"]["kernel"] + params["input"]["bias"]
        u, r = np.split(sigmoid(given[:8] + h @ params["gates"]["kernel"] + params["gates"]["bias"]), 2)
        new = np.tanh(given[8:] + (r * h) @ params["candidate"]["kernel"] + params["candidate"]["bias"])
        h = (1 - u) * h + u * new
        yield h


@pytest.mark.parametrize(("layer", "loop"), [(LSTM, lstm), (ReLURNN, relu), (GRU, gru)])
def test_recurrent_layers_are_their_equations(layer, loop):
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    module = layer(4)
    params = jax.jit(module.init)(jax.random.key(0), x)["params"]
    params = jax.tree.map(lambda p: p + 0.1, params)  # biases that are not 0
    found = module.apply({"params": params}, x)
    expected = [list(loop(jax.tree.map(np.asarray, params), rows)) for rows in x]
    np.testing.assert_allclose(found, np.array(expected), rtol=1e-5, atol=1e-6)


def test_words_behind_the_end_do_not_count():
    module = text.Words(6, 5, 4)
    short, long = jnp.asarray([[2, 3, 0, 0]]), jnp.asarray([[2, 3]])
    variables = jax.jit(module.init)(jax.random.key(0), short)
    np.testing.assert_allclose(module.apply(variables, short), module.apply(variables, long), rtol=1e-6)
    assert np.any(module.apply(variables, short) != module.apply(variables, jnp.asarray([[2, 4, 0, 0]])))


def test_a_trained_encoders_states_are_standardised():
    module = text.Words(6, 5, 4)
    tokens = jax.random.randint(jax.random.key(1), (64, 4), 1, 6)
    variables = jax.jit(module.init)(jax.random.key(0), tokens)
    for _ in range(100):
        _, changed = module.apply(variables, tokens, True, mutable=["batch_stats"])
        variables = {**variables, **changed}
    found = module.apply(variables, tokens)
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-2)
    np.testing.assert_allclose(found.std(0), 1, atol=0.1)  # (the variances are near epsilon)


@pytest.mark.parametrize("layers", [text.BIRDS, text.COCO])
def test_letters_are_read_to_the_end_of_the_alphabets_window(layers):
    small = layers._replace(convolutions=tuple((4, *rest) for _, *rest in layers.convolutions), units=3)
    module = text.Letters(WORDS, small, 5)
    tokens = jnp.asarray([[2, 3, 4, 2], [3, 2, 0, 0]])
    variables = jax.jit(module.init)(jax.random.key(0), tokens)
    assert module.apply(variables, tokens).shape == (2, 5)
    _, seen = module.apply(variables, tokens, capture_intermediates=True, mutable=["intermediates"])
    (states,) = seen["intermediates"]["recurrent"]["__call__"]
    assert states.shape == (2, 8 if layers is text.BIRDS else 18, 3)
