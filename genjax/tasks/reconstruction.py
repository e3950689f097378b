"""Autoencoding: encode, decode and reconstruct images, draw from the prior, and test scores in nats per image."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from genjax.data import Dataset, transforms
from genjax.data.ranges import UNIT
from genjax.engine.state import State
from genjax.latent import NORMAL
from genjax.losses import divergence
from genjax.losses.reconstruction import BERNOULLI
from genjax.metrics.latent import Collapse, active_units, mean_image_nll
from genjax.metrics.likelihood import iwae_bound
from genjax.tasks.generation import chosen_labels, conditions, drawn_latents
from genjax.tasks.pages import real_rows, samples_page
from genjax.tasks.task import Page, check_conditions
from genjax.viz.grid import grid, to_uint8

BATCH = 1000
"""Images in one call; log p(x) is estimated on as many."""


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """Autoencode images with `model`, the network called `net`.

    model: a module with the methods encode and decode and a likelihood.
    variational: whether encode gives mean and log-variance of a posterior, and latents have the prior N(0, I).
    classes: of a model whose decoder is told a label, else 0.  prepare: batches as the loss takes them.
    view: test images as the scores take them; like `prepare`, with one fixed draw where that draws.
    importance_samples: draws for the estimate of log p(x) at step `last`; 0 for none.
    """

    dataset: Dataset
    model: Any
    net: str
    variational: bool
    prepare: Callable[[Any, jax.Array], Any]
    view: transforms.Transform = transforms.scale
    classes: int = 0
    importance_samples: int = 0
    last: int = 0

    @property
    def latent(self) -> int:
        """Size of the latent."""
        return self.model.latent

    @property
    def conditions(self) -> Mapping[str, str]:
        """What `sample` can be told, with a clause on each; nothing of a model without a prior."""
        return conditions(NORMAL, self.classes) if self.variational else {}

    def encode(self, state: State, images: np.ndarray, labels: Any = None) -> np.ndarray:
        """Return the posterior's mean (of an AE the latent), float32[count, latent], of images, bytes or in [0, 1]."""
        return np.asarray(self._encoded(state.variables_of(self.net), unit(images), labels)[0])

    def decode(self, state: State, latents: Any, labels: Any = None) -> np.ndarray:
        """Return images float32[..., height, width, channels] in [0, 1]; labels: int[...], of a conditional model."""
        labels = self._labels(np.shape(latents)[:-1], labels)
        return np.asarray(decoded(self.model, state.variables_of(self.net), jnp.asarray(latents, jnp.float32), labels))

    def reconstruct(self, state: State, images: np.ndarray, labels: Any = None) -> np.ndarray:
        """Return decode(encode(images)) as bytes."""
        return to_uint8(self.decode(state, self.encode(state, images, labels), labels))

    def latents(self, key: jax.Array, count: int, truncation: float | None = None, scaled: bool = False) -> jax.Array:
        """Return latents float[count, size] of the prior; ValueError for a model without one."""
        if not self.variational:
            raise ValueError(
                "an autoencoder without a prior has nothing to draw from: encode and decode images, or train a VAE"
            )
        return drawn_latents(NORMAL, key, (count, self.latent), truncation, scaled)

    def from_latents(self, state: State, latents: Any, labels: Sequence[int] | None = None) -> np.ndarray:
        """Return the images of latents float[count, size] as bytes; labels: int[count], of a conditional model."""
        return to_uint8(self.decode(state, latents, chosen_labels(labels, len(latents), self.classes)))

    def sample(
        self,
        state: State,
        key: jax.Array,
        count: int,
        *,
        labels: Sequence[int] | None = None,
        truncation: float | None = None,
        **others: Any,
    ) -> np.ndarray:
        """Return `count` samples uint8[count, height, width, channels], the likelihood's mean of latents of the prior.

        labels: int[count], of a conditional model; every class in turn if not given.  truncation: largest absolute
        value of a latent's components. Raises ValueError for a model without a prior, and for other conditions.
        """
        latents = self.latents(key, count, truncation)
        check_conditions({"labels": labels, "truncation": truncation, **others}, self.conditions, "this autoencoder")
        return self.from_latents(state, latents, labels)

    def traced_samples(self, state: State, key: jax.Array, count: int, labels: jax.Array | None = None) -> jax.Array:
        """Return samples uint8[count, height, width, channels] traceable by jax; ValueError as `latents`."""
        latents = self.latents(key, count)
        return UNIT.quantised(decoded(self.model, state.variables_of(self.net), latents, labels))

    def real(self, images: np.ndarray) -> np.ndarray:
        """Return bytes of the data set as the model imitates them: all of them."""
        return images

    def _labels(self, shape: tuple[int, ...], labels: Any) -> Any:
        """Return labels int32[shape], -1 where none are given to a conditional model; None for any other."""
        if not self.classes:
            return None
        return np.full(shape, -1, np.int32) if labels is None else np.asarray(labels, np.int32)

    def _encoded(self, variables: Any, images: Any, labels: Any) -> tuple[jax.Array, jax.Array | None]:
        """Return the posterior's mean and its log-variance, None of a model without a posterior."""
        return encoded(self.model, self.variational, variables, images, self._labels(images.shape[:-3], labels))

    def test_batches(self, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield the test split in order, in batches of up to 1000, as the scores take them."""
        split = self.dataset.test
        count = len(split) if limit is None else min(limit, len(split))
        for start in range(0, count, BATCH):
            batch = split.take(np.arange(start, min(start + BATCH, count)))
            yield self.view(batch, jax.random.fold_in(jax.random.key(0), start))

    def scores(self, state: State) -> dict[str, float]:
        """Return scores on the test split in nats per image, and say so on stderr if the posterior has collapsed.

        nll_at_mean: reconstruction from the posterior's mean.  nll, kl, neg_elbo: with one draw of the latent per
        image.  active_units: latents whose mean varies over images.  neg_log_p_iwae: at step `last`, the
        importance-weighted estimate of -log p(x) on the first 1000 images, of which neg_elbo_iwae_images is the bound
        with one draw.
        """
        variables, means, pixels = state.variables_of(self.net), [], []
        totals: dict[str, float] = {}
        for number, batch in enumerate(self.test_batches()):
            key = jax.random.fold_in(jax.random.key(1), number)
            sums, mean = test_sums(
                self.model, self.variational, variables, batch["images"], batch.get("labels"), key=key
            )
            totals = {metric: totals.get(metric, 0.0) + float(value) for metric, value in sums.items()}
            means.append(mean)
            pixels.append(batch["images"])
        scores = {metric: value / len(self.dataset.test) for metric, value in totals.items()}
        scores["active_units"] = float(jnp.sum(active_units(jnp.concatenate(means))))
        if self.variational and self.model.likelihood is BERNOULLI:
            floor = float(mean_image_nll(jnp.concatenate(pixels)))
            collapse = Collapse(scores["kl"], int(scores["active_units"]), scores["nll"], floor)
            if collapse.collapsed:
                print(f"step {int(state.step)}: {collapse.message}", file=sys.stderr)
        if self.importance_samples and int(state.step) >= self.last:
            batch = next(self.test_batches(BATCH))
            for metric, samples in (("neg_log_p_iwae", self.importance_samples), ("neg_elbo_iwae_images", 1)):
                bound = iwae(self.model, variables, batch["images"], batch.get("labels"), samples=samples)
                scores[metric] = -float(jnp.mean(bound))
        return scores

    def pictures(self, state: State) -> dict[str, Page]:
        """Return test images over their reconstructions and, for models with a prior, a grid of samples."""
        batch = next(self.test_batches(20))
        images, labels = np.asarray(batch["images"]), batch.get("labels")
        repeated = self.decode(state, self.encode(state, images, labels), labels)
        columns = min(10, len(images))
        whole = range(0, len(images) - columns + 1, columns)
        rows = np.concatenate([x[i : i + columns] for i in whole for x in (images, repeated)])
        pages = {"reconstruction": grid(rows, columns, row_labels=("test image", "decoded") * len(whole))}
        if self.variational:
            split = self.dataset.test
            real = split.take(real_rows(split, 10, 0))["images"]
            pages["samples"] = samples_page(self.sample(state, jax.random.key(2), 80), to_uint8(real), [""] * 10)
        return pages


def unit(images: Any) -> Any:
    """Return images, bytes or float in [0, 1], as float32 in [0, 1]."""
    return images.astype(np.float32) / 255 if images.dtype == np.uint8 else images


@partial(jax.jit, static_argnums=(0, 1))
def encoded(model: Any, variational: bool, variables: Any, images: Any, labels: Any) -> tuple[jax.Array, Any]:
    """Return the posterior's mean and log-variance; of a model without a posterior the latent and None."""
    out = model.apply(variables, images, labels, method="encode")
    return out if variational else (out, None)


@partial(jax.jit, static_argnums=0)
def decoded(model: Any, variables: Any, latents: Any, labels: Any) -> jax.Array:
    """Return the likelihood's mean images float32[..., height, width, channels] of latents float[..., size]."""
    return model.likelihood.mean(model.apply(variables, latents, labels, method="decode"))


@partial(jax.jit, static_argnums=(0, 1))
def test_sums(model: Any, variational: bool, variables: Any, images: Any, labels: Any, *, key: jax.Array) -> Any:
    """Return sums over images of the scores in nats, and the posterior's means float[count, latent]."""
    mean, log_variance = encoded(model, variational, variables, images, labels)

    def nll(latent):
        return model.likelihood.nll(model.apply(variables, latent, labels, method="decode"), images).sum()

    sums = {"nll_at_mean": nll(mean)}
    if variational:
        noise = jax.random.normal(key, mean.shape)
        sums["nll"] = nll(mean + jnp.exp(0.5 * log_variance) * noise)
        sums["kl"] = divergence.kl_standard_normal(mean, log_variance).sum()
        sums["neg_elbo"] = sums["nll"] + sums["kl"]
    return sums, mean


@partial(jax.jit, static_argnums=0, static_argnames="samples")
def iwae(model: Any, variables: Any, images: Any, labels: Any, *, samples: int) -> jax.Array:
    """Return the importance-weighted bound on log p(x) with `samples` draws, float32[count] (arXiv 1509.00519)."""
    mean, log_variance = model.apply(variables, images, labels, method="encode")
    labels = None if labels is None else labels[:, None]

    def decode_nll(latent):
        return model.likelihood.nll(model.apply(variables, latent, labels, method="decode"), images[:, None])

    chunk = next(n for n in (20, 10, 5, 2, 1) if samples % n == 0)
    return iwae_bound(decode_nll, mean, log_variance, jax.random.key(3), samples, chunk)
