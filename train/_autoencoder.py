"""What the autoencoders' recipes share: hyperparameters, networks, evaluation on test images, and pictures."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from genjax import precision
from genjax.data import Arrays, Dataset, transforms
from genjax.engine.game import Game
from genjax.engine.phases import Feed, Phase
from genjax.engine.state import State
from genjax.losses import divergence
from genjax.losses.reconstruction import BERNOULLI, GAUSSIAN
from genjax.metrics.latent import Collapse, active_units, mean_image_nll
from genjax.metrics.likelihood import iwae_bound
from genjax.nn.coders import ConvDecoder, ConvEncoder, DenseDecoder, DenseEncoder
from genjax.nn.initializers import GLOROT, LECUN, TORCH
from genjax.viz.grid import save_grid
from train import _optimizer
from train._cli import Common, Run, steps_of

ACTIVATIONS = {"tanh": nn.tanh, "relu": nn.relu}
INITIALIZERS = {"glorot": GLOROT, "lecun": LECUN, "torch": TORCH}
LIKELIHOODS = {"bernoulli": BERNOULLI, "gaussian": GAUSSIAN}


@dataclass(frozen=True)
class Hyper(Common):
    """Options that the autoencoders share."""

    latent: int = 16
    """Size of the latent."""
    hidden: tuple[int, ...] = (128,)
    """Sizes of the hidden layers (of the decoder, in the same order; channels with --coder conv)."""
    coder: Literal["dense", "conv"] = "dense"
    """Dense layers on flattened images, or convolutions."""
    activation: Literal["tanh", "relu"] = "tanh"
    """After each hidden layer."""
    batch_norm: bool = False
    """Batch norm in the encoder's hidden layers."""
    dropout: float = 0.0
    """Share of the decoder's hidden units dropped in training."""
    initializer: Literal["glorot", "lecun", "torch"] = "glorot"
    """Rule for the first weights."""
    learning_rate: float = 1e-3
    """Of Adam, or of --optimizer."""
    likelihood: Literal["bernoulli", "gaussian"] = "bernoulli"
    """Of a pixel given the latent; gaussian learns a variance for each."""
    binarize: Literal["no", "fixed", "dynamic"] = "no"
    """Draw black or white pixels from the grey ones: not at all, once, or anew in every step."""
    train_images: int | None = None
    """Use only the first images of the training split."""


@dataclass(frozen=True)
class VariationalHyper(Hyper):
    """Options that VAE and CVAE share."""

    beta: float = 1.0
    """Weight of the KL term per image; 1 is the bound itself."""
    beta_schedule: Literal["constant", "warm-up", "cyclic"] = "constant"
    """How the weight changes."""
    beta_steps: int = 1000
    """Steps of the warm-up, or of a cycle."""
    samples: int = 1
    """Draws of the latent for each image, averaged outside the logarithm."""
    importance_samples: int = 500
    """Draws for the estimate of log p(x) at the end, on the first 1000 test images; 0 for none."""


def weight(hyper: VariationalHyper) -> divergence.Weight:
    """Return the KL term's weight: a number, or a schedule over steps."""
    if hyper.beta_schedule == "constant":
        return hyper.beta
    make = divergence.warm_up if hyper.beta_schedule == "warm-up" else divergence.cyclic
    return make(hyper.beta_steps, weight=hyper.beta)


def coders(hyper: Hyper, late: bool = False) -> dict[str, Any]:
    """Return what every autoencoder is built from: encoder, decoder, latent, likelihood."""
    dtype = precision.POLICIES[hyper.precision].compute
    shared = {
        "activation": ACTIVATIONS[hyper.activation],
        "initializer": INITIALIZERS[hyper.initializer],
        "dtype": dtype,
    }
    if hyper.coder == "conv":
        encoder: Any = ConvEncoder(hyper.hidden, batch_norm=hyper.batch_norm, **shared)
        decoder: Any = ConvDecoder(hyper.hidden[::-1], batch_norm=hyper.batch_norm, **shared)
    else:
        encoder = DenseEncoder(hyper.hidden, batch_norm=hyper.batch_norm, late=late, **shared)
        decoder = DenseDecoder(hyper.hidden[::-1], dropout=hyper.dropout, late=late, **shared)
    return {
        "encoder": encoder,
        "decoder": decoder,
        "latent": hyper.latent,
        "likelihood": LIKELIHOODS[hyper.likelihood],
    }


def optimizer(hyper: Hyper) -> optax.GradientTransformation:
    """Return Adam, or what the command line asks for."""
    steps = hyper.steps if hyper.train_images is None else steps_of(hyper, hyper.train_images)
    return _optimizer.optimizer(hyper, hyper.learning_rate, steps, optax.adam)


def optimizer_text(hyper: Hyper) -> str:
    """Return how `optimizer` reads in a description."""
    return _optimizer.text(hyper, hyper.learning_rate, "adam({rate})")


def _fixed_binarization(split: Arrays, name: str) -> Arrays:
    drawn = transforms.binarize({"images": split.arrays["images"]}, jax.random.key(sum(map(ord, name))))["images"]
    return Arrays({**split.arrays, "images": np.asarray(drawn * 255, np.uint8)})


def prepare_data(hyper: Hyper, dataset: Dataset) -> tuple[Any, Any, Callable]:
    """Return training split, test split and the step's `prepare`, as the options say."""
    train, test = dataset.train, dataset.test
    if hyper.train_images is not None or hyper.binarize == "fixed":
        if not (isinstance(train, Arrays) and isinstance(test, Arrays)):
            raise ValueError("--train-images and --binarize fixed need the images in memory; leave out --stream")
        if hyper.train_images is not None:
            if not 1 <= hyper.train_images <= len(train):
                raise ValueError(f"--train-images {hyper.train_images}: the training split has {len(train)} images")
            train = Arrays({name: x[: hyper.train_images] for name, x in train.arrays.items()})
        if hyper.binarize == "fixed" and not hyper.describe:
            train, test = _fixed_binarization(train, "train"), _fixed_binarization(test, "test")
    return train, test, transforms.binarize if hyper.binarize == "dynamic" else transforms.scale


def labelled_share(split: Any, share: float, seed: int) -> Any:
    """Return the split with the labels of a random 1 - `share` of its images replaced by -1, "no label"."""
    if not isinstance(split, Arrays) or not split.labelled:
        raise ValueError("this model needs a labelled data set in memory (digits, an .npz or idx: with labels)")
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"--labelled {share}: a share of the training images, from 0 to 1")
    labels = np.array(split.arrays["labels"])
    order = np.random.Generator(np.random.Philox(seed)).permutation(len(labels))
    labels[order[round(share * len(labels)) :]] = -1
    return Arrays({**split.arrays, "labels": labels})


def build(hyper: Hyper, splits: tuple[Any, Any, Callable], name: str, model: nn.Module, game: Game) -> Run:
    """Return the run of the autoencoder `model`, whose network is called `name`, on what `prepare_data` returned."""
    train, test, prepare = splits
    phase = Phase(game, steps_of(hyper, len(train)), Feed(train, hyper.batch_size, prepare))
    return Run(
        phases=(phase,),
        optimizers={name: optimizer_text(hyper)},
        evaluate=partial(evaluate, hyper, name, model, test, phase.steps),
        pictures=partial(pictures, hyper, name, model, test),
    )


def posterior_mean(encoded: Any) -> jax.Array:
    """Return the mean of what `encode` gives: a VAE's pair of mean and log-variance, or an AE's latent itself."""
    return encoded[0] if isinstance(encoded, tuple) else encoded


def test_batches(hyper: Hyper, split: Any, limit: int | None = None) -> Iterator[dict[str, jax.Array]]:
    """Yield the test split in order, in batches of up to 1000, scaled or binarised (dynamic: with one fixed draw)."""
    change = transforms.binarize if hyper.binarize == "dynamic" else transforms.scale
    count = len(split) if limit is None else min(limit, len(split))
    for start in range(0, count, 1000):
        batch = split.take(np.arange(start, min(start + 1000, count)))
        yield change(batch, jax.random.fold_in(jax.random.key(0), start))


@partial(jax.jit, static_argnums=0)
def _scores(model, variables, images, labels, key):
    """Sums over a batch of test scores in nats, and the posterior's means."""
    encoded = model.apply(variables, images, labels, method="encode")
    mean = posterior_mean(encoded)

    def nll(latent):
        return model.likelihood.nll(model.apply(variables, latent, labels, method="decode"), images).sum()

    sums = {"nll_at_mean": nll(mean)}
    if isinstance(encoded, tuple):
        noise = jax.random.normal(key, mean.shape)
        sums["nll"] = nll(mean + jnp.exp(0.5 * encoded[1]) * noise)
        sums["kl"] = divergence.kl_standard_normal(*encoded).sum()
        sums["neg_elbo"] = sums["nll"] + sums["kl"]
    return sums, mean


@partial(jax.jit, static_argnums=(0, 5))
def _iwae(model, variables, images, labels, key, samples):
    mean, log_variance = model.apply(variables, images, labels, method="encode")
    labels = None if labels is None else labels[:, None]

    def decode_nll(latent):
        return model.likelihood.nll(model.apply(variables, latent, labels, method="decode"), images[:, None])

    chunk = next(n for n in (20, 10, 5, 2, 1) if samples % n == 0)
    return iwae_bound(decode_nll, mean, log_variance, key, samples, chunk)


def evaluate(hyper: Any, name: str, model: nn.Module, test: Any, last: int, state: State) -> dict[str, float]:
    """Return scores on the test split in nats per image, and say so on stderr if the posterior has collapsed.

    nll_at_mean: reconstruction from the posterior's mean.  nll, kl, neg_elbo: with one draw of the latent per image.
    active_units: latents whose mean varies over images.  neg_log_p_iwae: at step `last`, the importance-weighted
    estimate of -log p(x) on the first 1000 images, of which neg_elbo_iwae_images is the bound with one draw.
    """
    variables, means, pixels = state.variables_of(name), [], []
    totals: dict[str, float] = {}
    for number, batch in enumerate(test_batches(hyper, test)):
        key = jax.random.fold_in(jax.random.key(1), number)
        sums, mean = _scores(model, variables, batch["images"], batch.get("labels"), key)
        totals = {metric: totals.get(metric, 0.0) + float(value) for metric, value in sums.items()}
        means.append(mean)
        pixels.append(batch["images"])
    scores = {metric: value / len(test) for metric, value in totals.items()}
    scores["active_units"] = float(jnp.sum(active_units(jnp.concatenate(means))))
    if "kl" in scores and model.likelihood is BERNOULLI:
        floor = float(mean_image_nll(jnp.concatenate(pixels)))
        collapse = Collapse(scores["kl"], int(scores["active_units"]), scores["nll"], floor)
        if collapse.collapsed:
            print(f"step {int(state.step)}: {collapse.message}", file=sys.stderr)
    samples = getattr(hyper, "importance_samples", 0)
    if samples and int(state.step) >= last:
        batch = next(test_batches(hyper, test, limit=1000))
        arguments = (model, variables, batch["images"], batch.get("labels"), jax.random.key(3))
        scores["neg_log_p_iwae"] = -float(jnp.mean(_iwae(*arguments, samples)))
        scores["neg_elbo_iwae_images"] = -float(jnp.mean(_iwae(*arguments, 1)))
    return scores


def pictures(hyper: Any, name: str, model: nn.Module, test: Any, state: State, folder: Path, step: int) -> None:
    """Write a grid of test images over their reconstructions and, for models with a prior, one of samples from it."""
    batch = next(test_batches(hyper, test, limit=20))
    variables = state.variables_of(name)
    images, labels = batch["images"], batch.get("labels")
    encoded = model.apply(variables, images, labels, method="encode")
    decoded = model.likelihood.mean(model.apply(variables, posterior_mean(encoded), labels, method="decode"))
    rows = jnp.concatenate([images[:10], decoded[:10], images[10:], decoded[10:]])
    save_grid(folder / f"reconstruction-{step:06d}.png", rows, 10, row_labels=("test image", "decoded") * 2)
    if isinstance(encoded, tuple):
        latent = jax.random.normal(jax.random.key(2), (100, encoded[0].shape[-1]))
        classes = getattr(model, "classes", None)
        labels = jnp.arange(100) % 10 if classes == 10 else None
        samples = model.likelihood.mean(model.apply(variables, latent, labels, method="decode"))
        save_grid(folder / f"samples-{step:06d}.png", samples, 10)
