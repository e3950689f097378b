"""A photo, and what a classifier makes of it: what the programs that explain photos begin with."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from genjax.classifiers import classify, weights
from genjax.classifiers.networks import NETWORKS, Kind
from genjax.data.readers import image
from genjax.saliency import Split, split
from genjax.viz.saliency import Crop

SHORTER, SEEN = 256, 224
"""Shorter side of the resized photo, and the side of its middle that the network sees."""
LARGEST = 1600
"""Longer side to which a larger photo is reduced."""
TORCHVISION = {"squeezenet": "squeezenet1_1", "resnet18": "resnet18", "resnet50": "resnet50", "vgg16": "vgg16"}
"""What the networks are called in torchvision."""


class Sight(NamedTuple):
    """A photo as a network sees it, and the network cut at the layer at which it is explained.

    photo: uint8[height, width, 3].  pixels: uint8[224, 224, 3], what the network sees of it.  crop: where that lies.
    kind: the network's.  layer: the two halves of the network.  layer_name: where it is cut.  inputs: float[1, 224,
    224, 3].  probabilities: float[classes].  names: of the classes.
    """

    photo: np.ndarray
    pixels: np.ndarray
    crop: Crop
    kind: Kind
    layer: Split
    layer_name: str
    inputs: jax.Array
    probabilities: np.ndarray
    names: list[str]

    @property
    def best(self) -> np.ndarray:
        """Numbers of the five most probable classes, the most probable first."""
        return np.argsort(-self.probabilities, kind="stable")[:5]


def look(photo: Path, *, network: str, file: Path | None, classes: Path | None, layer: str | None) -> Sight:
    """Return what `network`, one of `TORCHVISION`, with the weights in `file` sees of a photo.

    classes: text file with a name in each line.  layer: name of the layer to cut at, the network's last spatial one for
    None. ValueError where a file is missing or something else, or there is no such layer.
    """
    picture, names, kind = read_photo(photo), names_of(classes), NETWORKS[network]
    if file is None:
        raise ValueError(
            f"--weights is needed, a file with weights of {network}; torchvision's, once, with a network: "
            f'python -c "import torch, torchvision as t; torch.save(t.models.{TORCHVISION[network]}'
            "(weights='DEFAULT').state_dict(), 'weights.pth')\""
        )
    pixels, crop = seen(picture)
    module, layer_name = kind.make(classes=len(names)), layer or kind.layer
    try:
        variables = weights.load(module, file, pixels.shape)
    except (FileNotFoundError, ModuleNotFoundError) as error:
        raise ValueError(str(error)) from error
    inputs = jnp.asarray(kind.preprocess(jnp.asarray(pixels, jnp.float32)))[None]
    halves = split(module, variables, layer_name, inputs[0], train=False)
    probabilities = np.asarray(jax.jit(classify.predictor(module, variables))(inputs))[0]
    if not np.isfinite(probabilities).all():
        raise ValueError(f"the network's probabilities are not finite: check the weights in {file}")
    return Sight(np.asarray(picture), pixels, crop, kind, halves, layer_name, inputs, probabilities, names)


def read_photo(path: Path) -> Any:
    """Return a photo in colours, at most `LARGEST` pixels wide or high; ValueError where there is none."""
    from PIL import Image

    if not path.is_file():
        raise ValueError(f"no photo at {path}; give the path of a PNG, JPEG, ...")
    photo = image.read(path).convert("RGB")
    if max(photo.size) > LARGEST:
        photo.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    return photo


def seen(photo: Any) -> tuple[np.ndarray, Crop]:
    """Return what the network sees of a photo, uint8[224, 224, 3], and where in the photo it lies."""
    from PIL import Image

    width, height = photo.size
    scale = min(width, height) / SHORTER
    small = photo.resize((round(width / scale), round(height / scale)), Image.Resampling.BILINEAR)
    left, top = ((side - SEEN) // 2 for side in small.size)
    pixels = np.asarray(small)[top : top + SEEN, left : left + SEEN]
    side = round(SEEN * scale)
    place = Crop(round(top * scale), round(left * scale), min(side, height), min(side, width))
    return pixels, place._replace(top=min(place.top, height - place.height), left=min(place.left, width - place.width))


def names_of(path: Path | None) -> list[str]:
    """Return the names of the classes, a thousand numbered ones for None; ValueError where they cannot be read."""
    if path is None:
        return [f"class {number}" for number in range(1000)]
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"--classes {path}: give a text file (UTF-8) with the name of a class in each line") from None
