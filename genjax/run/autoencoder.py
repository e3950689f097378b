"""What the autoencoders' recipes share: their options, coders, data and the run of one model."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import jax
import numpy as np
from flax import linen as nn

from genjax.data import Arrays, Dataset, transforms
from genjax.engine.game import Game
from genjax.engine.phases import Feed, Phase
from genjax.losses import divergence
from genjax.losses.reconstruction import BERNOULLI, GAUSSIAN
from genjax.nn.coders import ConvDecoder, ConvEncoder, DenseDecoder, DenseEncoder
from genjax.nn.initializers import GLOROT, LECUN, TORCH, Initializer, normal
from genjax.run.optimizers import Optimizer, adam, for_run
from genjax.run.options import PART, SHARE, Options, above, at_least, check_uses, steps_of
from genjax.run.run import Run, compute_type
from genjax.tasks.reconstruction import Reconstruction

ACTIVATIONS = {"tanh": nn.tanh, "relu": nn.relu, "sigmoid": nn.sigmoid, "softplus": nn.softplus}
INITIALIZERS = {"glorot": GLOROT, "lecun": LECUN, "torch": TORCH}
LIKELIHOODS = {"bernoulli": BERNOULLI, "gaussian": GAUSSIAN}


@dataclass(frozen=True, kw_only=True)
class AutoencoderOptions(Options):
    """Options that the autoencoders share."""

    latent: Annotated[int, at_least(1)]
    """Size of the latent."""
    hidden: Annotated[tuple[int, ...], at_least(1)]
    """Sizes of the encoder's hidden layers, the decoder's in reverse; channels with --coder conv."""
    coder: Literal["dense", "conv"]
    """Dense layers on flattened images, or convolutions."""
    activation: Literal["tanh", "relu", "sigmoid", "softplus"]
    """Function after each hidden layer."""
    batch_norm: bool
    """Normalise batches in the encoder's hidden layers."""
    dropout: Annotated[float, PART]
    """Share of the dense decoder's hidden units dropped in training."""
    initializer: Literal["glorot", "lecun", "torch", "normal", "normal-all"]
    """Rule for the first weights; normal is N(0, --deviation squared) for kernels, normal-all for biases too."""
    deviation: Annotated[float | None, above(0)] = None
    """Standard deviation of the first weights with --initializer normal or normal-all."""
    learning_rate: Annotated[float, above(0)]
    """Learning rate of Adam, or of --optimizer."""
    likelihood: Literal["bernoulli", "gaussian"]
    """Distribution of a pixel given the latent; gaussian learns a variance for each pixel."""
    binarize: Literal["no", "fixed", "dynamic"]
    """Draw black or white pixels from the grey ones: not at all, once, or anew in every step."""


@dataclass(frozen=True, kw_only=True)
class VariationalOptions(AutoencoderOptions):
    """Options that VAE and CVAE share."""

    beta: Annotated[float, at_least(0)]
    """Weight of the KL term per image; 1 is the bound itself."""
    beta_schedule: Literal["constant", "warm-up", "cyclic"]
    """How that weight changes: not at all, rising once from 0, or again and again."""
    beta_steps: Annotated[int | None, at_least(1)] = None
    """Steps of the warm-up, or of a cycle; not for a constant weight."""
    samples: Annotated[int, at_least(1)]
    """Draws of the latent for each image, averaged outside the logarithm."""
    importance_samples: Annotated[int, at_least(0)]
    """Draws for the estimate of log p(x) at the end, on the first 1000 test images; 0 for none."""


def weight(options: VariationalOptions) -> divergence.Weight:
    """Return the KL term's weight: a number, or a schedule over steps."""
    uses: dict[str, tuple[str, ...]] = {"constant": (), "warm-up": ("beta_steps",), "cyclic": ("beta_steps",)}
    given = check_uses(options, "beta_schedule", uses)
    if options.beta_schedule == "constant":
        return options.beta
    make = divergence.warm_up if options.beta_schedule == "warm-up" else divergence.cyclic
    return make(given.beta_steps, weight=options.beta)


def initializer_of(options: AutoencoderOptions) -> Initializer:
    """Return the rule for first weights; ValueError for a deviation beside a rule that has its own."""
    uses: dict[str, tuple[str, ...]] = dict.fromkeys(INITIALIZERS, ())
    given = check_uses(options, "initializer", uses | {"normal": ("deviation",), "normal-all": ("deviation",)})
    if options.initializer in ("normal", "normal-all"):
        return normal(given.deviation, biases=options.initializer == "normal-all")
    return INITIALIZERS[options.initializer]


def _layers(options: AutoencoderOptions) -> dict[str, Any]:
    return {
        "activation": ACTIVATIONS[options.activation],
        "initializer": initializer_of(options),
        "dtype": compute_type(options),
    }


def encoder_of(options: AutoencoderOptions, late: bool = False) -> Any:
    """Return a new encoder, dense or convolutional."""
    if options.coder == "conv":
        return ConvEncoder(options.hidden, batch_norm=options.batch_norm, **_layers(options))
    return DenseEncoder(options.hidden, batch_norm=options.batch_norm, late=late, **_layers(options))


def coders(options: AutoencoderOptions, late: bool = False) -> dict[str, Any]:
    """Return what every autoencoder is built from: encoder, decoder, latent, likelihood.

    Raises ValueError for options of dense coders beside convolutions.
    """
    if options.coder == "conv":
        if options.dropout or late:
            raise ValueError(f"{'--late' if late else '--dropout'} works with --coder dense, not conv; leave it out")
        decoder: Any = ConvDecoder(options.hidden[::-1], batch_norm=options.batch_norm, **_layers(options))
    else:
        decoder = DenseDecoder(options.hidden[::-1], dropout=options.dropout, late=late, **_layers(options))
    return {
        "encoder": encoder_of(options, late),
        "decoder": decoder,
        "latent": options.latent,
        "likelihood": LIKELIHOODS[options.likelihood],
    }


def optimizer(options: AutoencoderOptions) -> Optimizer:
    """Return Adam, or what the command line asks for."""
    return for_run(adam(options.learning_rate), options)


def prepare_of(options: AutoencoderOptions) -> transforms.Transform:
    """Return how batches are prepared: pixels scaled to [0, 1], or drawn black or white anew in every step."""
    return transforms.binarize if options.binarize == "dynamic" else transforms.scale


def _fixed_binarization(split: Arrays, name: str) -> Arrays:
    drawn = transforms.binarize({"images": split.arrays["images"]}, jax.random.key(sum(map(ord, name))))["images"]
    return Arrays({**split.arrays, "images": np.asarray(drawn * 255, np.uint8)})


def binarized(options: AutoencoderOptions, dataset: Dataset) -> Dataset:
    """Return the data set, its pixels drawn black or white once where the options ask for it."""
    if options.binarize != "fixed" or dataset.absent:
        return dataset
    train, test = dataset.train, dataset.test
    if not (isinstance(train, Arrays) and isinstance(test, Arrays)):
        raise ValueError("--binarize fixed needs the images in memory; leave out --stream")
    return replace(dataset, train=_fixed_binarization(train, "train"), test=_fixed_binarization(test, "test"))


def labelled_share(split: Any, share: float, seed: int) -> Any:
    """Return the split with the labels of a random 1 - `share` of its images replaced by -1, "no label"."""
    if not isinstance(split, Arrays) or not split.labelled:
        raise ValueError("this model needs a labelled data set in memory (digits, an .npz or idx: with labels)")
    if share not in SHARE:
        raise ValueError(f"a share of {share} of the labels: give a number {SHARE}")
    labels = np.array(split.arrays["labels"])
    order = np.random.Generator(np.random.Philox(seed)).permutation(len(labels))
    labels[order[round(share * len(labels)) :]] = -1
    return Arrays({**split.arrays, "labels": labels})


def autoencoder_run(
    options: AutoencoderOptions,
    dataset: Dataset,
    game: Callable[[Any], Game],
    *,
    net: str,
    model: nn.Module,
    variational: bool,
    classes: int = 0,
    importance_samples: int = 0,
) -> Run:
    """Return the run of the autoencoder `model`, the network called `net`, on what `binarized` returned.

    game: optax transformation -> game.  variational, classes: as in `Reconstruction`.
    """
    own, steps = optimizer(options), steps_of(options, len(dataset.train))
    prepare = prepare_of(options)
    task = Reconstruction(
        dataset=dataset, model=model, net=net, variational=variational, prepare=prepare, view=prepare, classes=classes,
        importance_samples=importance_samples, last=steps,
    )  # fmt: skip
    phase = Phase(game(own.transformation(steps)), steps, Feed(dataset.train, options.batch_size, prepare))
    return Run((phase,), {net: own}, task)
