"""Encoders of sentences: word by word, or letter by letter, int32[batch, words] -> float[batch, size].

Sentences are numbers of words, as `Dataset.captions` holds them; 0 fills up. Letters follow from words: those of each
word, and one blank between two words, signs being words of their own; 201 columns, cut or left empty behind the end.

Letter by letter: convolutions over one-hot letters, a recurrent layer, the mean of its states and a dense layer. Reed
et al. 2016, Learning Deep Representations of Fine-grained Visual Descriptions, arXiv 1605.05395.
Configurations
    Letters(BIRDS)    char-CNN-RNN of reedscot/icml2016: 1,814,144 parameters
    Letters(COCO)     char-CNN-GRU of the same author's code for COCO: 4,045,184
"""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from genjax.nn.dense import Dense, Embedding
from genjax.nn.initializers import GLOROT, Initializer, uniform
from genjax.nn.normalization import BatchNorm
from genjax.nn.recurrent import GRU, LSTM, ReLURNN
from genjax.nn.weights import Plain
from genjax.nn.wide import wide

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-,;.!?:'\"/\\|_@#$%^&*~`+-=<>()[]{} "
"""The authors' 70 letters, of which "-" is there twice: the first of its columns stays empty."""
LENGTH = 201
CODE = uniform(0.08)
"""First weights of the authors' code; biases are drawn likewise there, and are 0 here."""


class Words(nn.Module):
    """A row of numbers for each word, an LSTM, and its last state, standardised by its running mean and deviation.

    vocabulary: words, the filler among them.  word_size: numbers for a word.  The standardised state is what
    generators are given: batch norm without scale and bias, in evaluation by the statistics of its training.
    """

    vocabulary: int
    size: int = 64
    word_size: int = 24
    dtype: Any = None

    @nn.compact
    def __call__(self, tokens: jax.Array, train: bool = False) -> jax.Array:
        """Return float32[batch, size] of int[batch, words]."""
        x = Embedding(self.vocabulary, self.word_size, Plain(GLOROT), self.dtype)(tokens)
        states = LSTM(self.size, dtype=self.dtype)(x)
        last = jnp.maximum(jnp.sum(tokens != 0, -1), 1) - 1
        state = jnp.take_along_axis(states, last[:, None, None], 1)[:, 0]
        return wide(BatchNorm(use_bias=False, use_scale=False, dtype=self.dtype)(state, train))


class Layers(NamedTuple):
    """convolutions: (channels, length of the pooling window, its stride), 0 for none; all are 4 letters long.

    recurrent: the layer behind them.  units: its state's size.
    """

    convolutions: tuple[tuple[int, int, int], ...]
    recurrent: Literal["relu", "gru"]
    units: int


BIRDS = Layers(((384, 3, 3), (512, 3, 3), (256, 3, 2)), "relu", 256)
COCO = Layers(((384, 3, 3), (512, 3, 3), (512, 0, 0)), "gru", 512)


class Letters(nn.Module):
    """Convolutions over letters with ReLU and max pooling, a recurrent layer, the mean of its states, a dense layer.

    words: the vocabulary, from which letters follow.  The authors' dropout in front of the dense layer is 0 there too.
    """

    words: tuple[str, ...]
    layers: Layers = BIRDS
    size: int = 1024
    initializer: Initializer = CODE
    dtype: Any = None

    @nn.compact
    def __call__(self, tokens: jax.Array, train: bool = False) -> jax.Array:
        """Return float32[batch, size] of int[batch, words]."""
        x = jax.nn.one_hot(spelled(tokens, self.words), len(ALPHABET), dtype=self.dtype or jnp.float32)
        for number, (channels, window, stride) in enumerate(self.layers.convolutions):
            kernel_init, bias_init = self.initializer.kernel, self.initializer.bias(4 * x.shape[-1])
            conv = nn.Conv(
                channels, (4,), padding="VALID", dtype=self.dtype, kernel_init=kernel_init, bias_init=bias_init,
                name=f"conv{number}",
            )  # fmt: skip
            x = nn.relu(conv(x))
            x = nn.max_pool(x, (window,), (stride,)) if window else x
        kind = {"relu": ReLURNN, "gru": GRU}[self.layers.recurrent]
        states = kind(self.layers.units, self.initializer, self.dtype, name="recurrent")(x)
        return wide(Dense(self.size, weight=Plain(self.initializer), dtype=self.dtype, name="last")(states.mean(1)))


def spelled(tokens: jax.Array, words: tuple[str, ...], length: int = LENGTH) -> jax.Array:
    """Return the letters of sentences as columns of ALPHABET, int32[batch, length]; -1 where there is none.

    tokens: int[batch, count], numbers in `words`, 0 for none. A letter that the alphabet lacks is -1 too.
    """
    tables = _spellings(words)
    letters, sizes = (jnp.asarray(x) for x in tables)
    ends = jnp.cumsum(sizes[tokens], -1)  # the blank behind each word included
    places = jnp.arange(length)[None]
    number = jnp.sum(places[..., None] >= ends[:, None], -1)
    at = jnp.minimum(number, tokens.shape[1] - 1)
    starts = jnp.take_along_axis(ends - sizes[tokens], at, 1)
    column = letters[jnp.take_along_axis(tokens, at, 1), jnp.clip(places - starts, 0, letters.shape[1] - 1)]
    return jnp.where(places < ends[:, -1:] - 1, column, -1)


def _spellings(words: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the letters of each word with a blank behind, int32[words, longest], and how many they are."""
    texts = ["", *(f"{word.lower()} " for word in words[1:])]
    letters = np.full((len(texts), max(map(len, texts))), -1, np.int32)
    for row, text in enumerate(texts):
        letters[row, : len(text)] = [ALPHABET.rfind(letter) for letter in text]
    return letters, np.array([len(text) for text in texts], np.int32)
