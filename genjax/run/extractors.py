"""What turns images into features and class probabilities for scores: plug-ins with a name and a hash."""

import hashlib
import sys
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from genjax.classifiers import classify, inception, vgg, weights
from genjax.cpu import program
from genjax.losses import perceptual
from genjax.run import cli
from genjax.run.folder import CONFIG
from genjax.run.load import load
from genjax.tasks.classification import Classification

BATCH = 64


class Extractor(NamedTuple):
    """name, hash: of the network and of its weights, for the record beside every score.

    apply: float[batch, height, width, channels] in [0, 1] -> (features float[batch, n], probabilities float[batch, k]).
    published: whether these are the features that the Frechet Inception Distance is defined on.
    distance: what the Frechet distance is called where they are and enough images are compared.
    smooth: images -> features without rounding to bytes, for differences between images that differ by less.
    """

    name: str
    hash: str
    apply: Callable[[np.ndarray], tuple[Any, Any]]
    published: bool = False
    distance: str = "Frechet distance of features"
    smooth: Callable[[Any], Any] | None = None

    def of(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return features and probabilities of images of any count, bytes or in [0, 1], in batches of one size."""
        parts = []
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH]
            batch = batch.astype(np.float32) / 255 if batch.dtype == np.uint8 else batch
            short = BATCH - len(batch)  # filled up, so that one program serves all
            padded = np.concatenate([batch, np.repeat(batch[-1:], short, 0)]) if short else batch
            parts.append([np.asarray(part)[: len(batch)] for part in self.apply(padded)])
        features, probabilities = (np.concatenate(column) for column in zip(*parts, strict=True))
        return features, probabilities


def _digest(tree: Any) -> str:
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(tree):
        digest.update(np.asarray(leaf).tobytes())
    return digest.hexdigest()[:12]


def of_inception(path: Path, resizing: str = "clean") -> Extractor:
    """Return InceptionV3 with the user's weights file; the features are FID's where the file is the published one.

    resizing: how images reach its size, "clean" or "published" (`genjax.classifiers.inception`).
    """
    try:
        variables = weights.load(inception.InceptionV3(), path, (inception.SIDE, inception.SIDE, 3))
    except FileNotFoundError as error:
        raise ValueError(f"{error}; PyTorch users know it as pt_inception-2015-12-05-6726825d.pth") from None
    digest = weights.digest(path)

    def apply(images):
        return inception.features_and_probabilities(variables, jnp.asarray(images), resizing)

    published, name = digest.startswith(inception.KNOWN_SHA256), inception.FRECHET_NAMES[resizing]
    label = f"InceptionV3 ({resizing} resizing)"
    return Extractor(label, digest[:12], apply, published, name, lambda images: apply(images)[0])


def of_classifier(folder: Path) -> Extractor:
    """Return the classifier of a run of the classifier recipe; its features are what its last layer sees."""
    trained = load(folder)
    task = trained.task
    if not isinstance(task, Classification):
        raise ValueError(f"{folder} is a run of {trained.recipe.name}; give one of classifier, or inception:FILE")
    variables = task.variables(trained.state)
    height, width, channels = trained.dataset.shape

    def seen(images, pixels):
        if images.shape[1:3] != (height, width):
            images = jax.image.resize(images, (len(images), height, width, images.shape[-1]), "cubic", antialias=True)
        if images.shape[-1] != channels:  # grey from colour by the mean, colour from grey by repetition
            images = jnp.broadcast_to(images.mean(-1, keepdims=True), (*images.shape[:-1], channels))
        inputs = task.preprocess(pixels(255 * jnp.clip(images, 0, 1)))
        return classify.features_and_logits(task.network, variables, inputs)

    @program
    def apply(images):
        features, logits = seen(images, lambda x: jnp.round(x).astype(jnp.uint8))
        return features, jax.nn.softmax(logits)

    smooth = program(lambda images: seen(images, lambda x: x)[0])
    return Extractor(f"{task.name} trained on {trained.options.data}", _digest(variables), apply, smooth=smooth)


def of_scenes() -> Extractor:
    """Return the network that comes with the library, trained on drawn scenes: the means of its maps are features.

    It knows no classes: its only probability is 1.
    """
    sight = perceptual.open_sight("scenes")
    lasts = [
        name for name, after in zip_longest(sight.layers(), sight.layers()[1:]) if not after or after.endswith("_1")
    ]

    @program
    def apply(images: Any) -> tuple[jax.Array, jax.Array]:
        shown = jnp.broadcast_to(images, (*images.shape[:3], 3))
        mean, deviation = (jnp.asarray(x).reshape(1, 1, 1, 3) for x in (sight.mean, sight.deviation))
        shown = (shown - mean) / deviation
        maps = vgg.relu_maps(sight.parameters, shown, lasts)
        return jnp.concatenate([maps[name].mean((1, 2)) for name in lasts], -1), jnp.ones((len(images), 1))

    return Extractor(sight.name, _digest(sight.parameters), apply, smooth=lambda images: apply(images)[0])


def trained_on(data: str, image_size: int, folder: Path) -> Extractor:
    """Return the small classifier of a data set, trained into `folder` if it is not there yet."""
    begun = (folder / CONFIG).exists()
    if not begun or not load(folder).finished:
        print(f"training a classifier of {data} into {folder}", file=sys.stderr)
        again = ["--resume"] if begun else []
        options = ["small", "--data", data, "--image-size", str(image_size), "--out", str(folder), *again]
        if cli.main("classifier", options):
            raise ValueError(f"no classifier could be trained on {data}; give --features inception:FILE")
    return of_classifier(folder)
