"""Drawing images from sentences: samples of given sentences, and whether a trained classifier sees what they say."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from genjax.data import Dataset
from genjax.data.drawn import scenes
from genjax.data.ranges import TANH
from genjax.data.readers.captions import encode, split
from genjax.data.resize import shrunk
from genjax.data.transforms import centre_crop
from genjax.engine.state import State
from genjax.metrics.scenes_frechet import frechet
from genjax.metrics.sliced import sliced_wasserstein
from genjax.tasks.generation import AT_ONCE, spread_rows
from genjax.tasks.solids_judge import Judge, agreement
from genjax.tasks.task import Page, check_conditions
from genjax.viz.table import image_table

COMPARED, FOUND = 500, 200
"""Sentences in a score, and test images among which one is looked up by its sentence."""
SENTENCES, COLUMNS = 6, 6
"""Rows and columns of a picture."""
KNOWN = 40
"""Words that an error lists."""

Draw = Callable[[State, jax.Array, jax.Array], tuple[Any, ...]]
"""(state, sentences int[count, 1, words], key) -> images in [-1, 1] of each stage in the state, the last largest."""
Match = Callable[[State, jax.Array, jax.Array], Any]
"""(state, images in [-1, 1], sentences int[count, words]) -> scores float[images, sentences]."""


@dataclass(frozen=True, kw_only=True)
class Captioned:
    """Draw images of sentences.

    draw, match: see `Draw` and `Match`; match is None where no network sees images in the first phase.
    sizes: sides of the images of each stage.  prepare: batches of the last phase.
    judge: trains a classifier at a size, see `genjax.tasks.solids_judge`; None for sentences that none is made for.
    """

    dataset: Dataset
    draw: Draw
    match: Match | None
    sizes: tuple[int, int]
    prepare: Callable[[Any, jax.Array], Any]
    judge: Judge | None = None

    @property
    def conditions(self) -> Mapping[str, str]:
        """What `sample` can be told, with a clause on each."""
        return {"captions": "a sentence, or one for each sample"}

    def sample(
        self, state: State, key: jax.Array, count: int, *, captions: Sequence[str] | str | None = None, **others: Any
    ) -> np.ndarray:
        """Return images uint8[count, size, size, channels], each of one sentence.

        captions: one for all, or one for each; captions of test images, drawn at random, if not given. Raises
        ValueError for words that training captions do not have, and in the first phase, in which nothing draws.
        """
        check_conditions(others, self.conditions, "this generator")
        if captions is None:
            if self.dataset.absent:
                raise ValueError(f"{self.dataset.name} was not loaded with this model: give captions to draw")
            rows = np.asarray(jax.random.randint(key, (count,), 0, len(self.dataset.test)))
            tokens = self.dataset.test.take(rows)["captions"][:, :1]
        else:
            given = [captions] * count if isinstance(captions, str) else list(captions)
            if len(given) != count:
                raise ValueError(f"{len(given)} captions for {count} samples; give one, or one for each")
            tokens = self.tokens(given)
        return TANH.to_bytes(self.drawn(state, tokens, key)[-1])

    def tokens(self, captions: Sequence[str]) -> np.ndarray:
        """Return sentences as numbers of words, int32[count, 1, words]; ValueError for other words, or too many."""
        words, length = self.dataset.words, self.dataset.train.columns["captions"][0][-1]
        for caption in captions:
            said = split(caption)
            if not 1 <= len(said) <= length:
                raise ValueError(f"{caption!r} has {len(said)} words; give 1 to {length}")
            for word in said:
                if word not in words[1:]:
                    close = get_close_matches(word, words[1:], 1)
                    meant = f" (did you mean {close[0]}?)" if close else ""
                    known = sorted(words[1:]) if len(words) <= KNOWN else list(words[1:KNOWN])
                    more = f" and {len(words) - KNOWN} more" if len(words) > KNOWN else ""
                    raise ValueError(
                        f"{word!r} is in no training caption{meant}; the words are {', '.join(known)}{more}"
                    )
        return encode([[caption] for caption in captions], words, 1, length)

    def sentence(self, tokens: np.ndarray) -> str:
        """Return the words of int[words]."""
        return " ".join(self.dataset.words[token] for token in tokens if token)

    def drawn(self, state: State, tokens: np.ndarray, key: jax.Array) -> list[np.ndarray]:
        """Return the images of each stage that the state has, float32 in [-1, 1]: the last ones of the data's size."""
        parts = []
        for at in range(0, len(tokens), AT_ONCE):
            part = self.draw(state, jnp.asarray(tokens[at : at + AT_ONCE]), jax.random.fold_in(key, at))
            parts.append([np.asarray(x) for x in part])
        stages = [np.concatenate(each) for each in zip(*parts, strict=True)]
        if not stages:
            raise ValueError("this run still trains its text encoder and draws nothing yet; train it further")
        if len(stages) == 1:  # sketches, each pixel to a block
            stages.append(np.repeat(np.repeat(stages[0], self.factor, 1), self.factor, 2))
        return stages

    @property
    def factor(self) -> int:
        """How many times as large as a sketch an image is."""
        return self.sizes[1] // self.sizes[0]

    def real(self, images: np.ndarray) -> np.ndarray:
        """Return images of the data set, bytes, as they are imitated: their middle."""
        return np.asarray(centre_crop(images, self.sizes[1]))

    def scores(self, state: State) -> dict[str, float]:
        """Return how well images follow test captions; in the first phase, how often a caption finds its image.

        found_first, found_in_five: shares of test captions whose own image is the first, or among the first five, of
        200 by the encoders' score.  sliced_wasserstein, frechet: of samples to test images, and their floors, as in
        `Generation.scores`.
        Of drawn scenes, as a classifier of the training images sees them: size, colour, shape, shares of the two solids
        that are as the caption says, the left and the right one in their places; place: how often two solids of
        different colours stand as it says rather than exchanged; match: the mean of colour, shape and place.
        .._shuffled: against captions of other images. .._real: of test images. sketch_..: of stage I at its own size,
        by a classifier of reduced images; reduced_..: of stage II's images reduced to it.
        """
        if not any(name.startswith("generator") for name in state.params):
            return {} if self.match is None else self._found(state)
        rows = self.dataset.test.take(spread_rows(len(self.dataset.test), COMPARED))
        tokens = rows["captions"][:, :1]
        stages = self.drawn(state, tokens, jax.random.key(1))
        real = self.real(rows["images"])
        train = self.real(self.dataset.train.take(spread_rows(len(self.dataset.train), len(real)))["images"])
        samples, right, known = (np.asarray(x) for x in (stages[-1], TANH.from_bytes(real), TANH.from_bytes(train)))
        scores = {
            "sliced_wasserstein": sliced_wasserstein(samples, right),
            "real_against_real": sliced_wasserstein(known[: len(right)], right[: len(known)]),
            "frechet": frechet(TANH.to_bytes(samples), real),
            "frechet_real": frechet(train, real),
        }
        return scores if self.judge is None else scores | self._read(self.judge, stages, real, tokens[:, 0])

    def _read(self, judge: Judge, stages: list[np.ndarray], real: np.ndarray, tokens: np.ndarray) -> dict[str, float]:
        images = [TANH.to_bytes(x) for x in stages]
        found: dict[str, float] = {}
        large, small = (judge(size) for size in self.sizes[::-1])
        asked = scenes.sides(tokens)
        reduced = np.asarray(shrunk(jnp.asarray(images[-1]), self.factor))
        views = {"": (large, images[-1]), "sketch_": (small, images[0]), "reduced_": (small, reduced)}
        for name, (classify, shown) in views.items():
            seen = classify(shown)
            found |= {f"{name}{key}": value for key, value in agreement(seen, asked).items()}
            if not name:
                shuffled = np.roll(asked, len(asked) // 2, 0)
                found |= {f"{key}_shuffled": value for key, value in agreement(seen, shuffled).items()}
        found |= {f"{key}_real": value for key, value in agreement(large(real), asked).items()}
        of_small = agreement(small(np.asarray(shrunk(jnp.asarray(real), self.factor))), asked)
        return found | {f"sketch_{key}_real": value for key, value in of_small.items()}

    def _found(self, state: State) -> dict[str, float]:
        assert self.match is not None
        rows = self.dataset.test.take(spread_rows(len(self.dataset.test), FOUND))
        images, tokens = TANH.from_bytes(self.real(rows["images"])), rows["captions"][:, 0]
        scores = np.asarray(self.match(state, images, jnp.asarray(tokens))).T
        place = (scores > np.diag(scores)[:, None]).sum(1)
        return {"found_first": float((place == 0).mean()), "found_in_five": float((place < 5).mean())}

    def pictures(self, state: State) -> dict[str, Page]:
        """Return samples of six test captions, a row each; in the first phase the images that these find best."""
        rows = self.dataset.test.take(spread_rows(len(self.dataset.test), SENTENCES))
        tokens = rows["captions"][:, :1]
        titles = [self.sentence(row) for row in tokens[:, 0]]
        if any(name.startswith("generator") for name in state.params):
            images = self.drawn(state, np.repeat(tokens, COLUMNS, 0), jax.random.key(1))[-1]
            shown = TANH.to_bytes(images)
            heads = [f"sample {number + 1}" for number in range(COLUMNS)]
        elif self.match is None:
            return {}
        else:
            among = self.real(self.dataset.test.take(spread_rows(len(self.dataset.test), FOUND))["images"])
            scores = np.asarray(self.match(state, TANH.from_bytes(among), jnp.asarray(tokens[:, 0]))).T
            shown = among[np.argsort(-scores, 1)[:, :COLUMNS]]
            heads = [f"no. {number + 1}" for number in range(shown.shape[1])]
        return {"samples": image_table(shown.reshape(len(titles), len(heads), *shown.shape[-3:]), titles, heads)}
