"""Where in a photo does a classifier see its class? One photo, one command, exact Grad-CAM++.

    python -m eval.explain photo.jpg --weights squeezenet1_1.pth [--layer fire9] [--target cat] [options]

Prints the five most probable classes, and writes the photo, the map glowing on it and the map alone beside the photo:
photo-explained.png; with `--slide` the glow alone, at the photo's own size. The network sees what it was trained to
see: the photo's shorter side brought to 256 pixels, of which it sees the middle 224 (a frame shows them). How exact
and approximate maps differ on the same photo shows `python -m eval.saliency --image`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from genjax.classifiers import classify, weights
from genjax.classifiers.networks import NETWORKS
from genjax.data.readers import image
from genjax.run import program
from genjax.run.parsing import suggestion
from genjax.saliency import EXP, SOFTMAX, explain, grad_cam, grad_cam_pp, remarks, split
from genjax.viz.grid import captioned, save_page
from genjax.viz.saliency import Crop, glow, save_explanation

SHORTER, SEEN = 256, 224
"""Shorter side of the resized photo, and the side of its middle that the network sees."""
LARGEST = 1600
"""Longer side to which a larger photo is reduced for the picture."""


@dataclass(frozen=True)
class Options:
    """Which photo, seen by which network."""

    photo: Annotated[Path, tyro.conf.Positional]
    """File of the photo."""
    weights: Path | None = None
    """File of the network's weights: .npz, .safetensors, .pth or .pt, such as torchvision's."""
    network: Literal["squeezenet", "resnet18", "resnet50", "vgg16"] = "squeezenet"
    """Which network the weights are of."""
    layer: str | None = None
    """Layer at which the class is explained; the network's last spatial one if not given."""
    target: str | None = None
    """Class to explain, by number or name; the most probable one if not given."""
    classes: Path | None = None
    """Text file with the name of a class in each line; classes are numbered if not given."""
    method: Literal["grad-cam++", "grad-cam"] = "grad-cam++"
    """Grad-CAM++ with exact derivatives, or Grad-CAM."""
    score: Literal["exp", "softmax"] = "exp"
    """What Grad-CAM++ differentiates: the exponential of the class's logit, or its probability."""
    slide: bool = False
    """Write the glow alone, at the photo's own size."""
    out: Path | None = None
    """Path of the picture; beside the photo if not given."""


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


def read_photo(path: Path) -> Any:
    """Return a photo in colours, at most `LARGEST` pixels wide or high; ValueError where there is none."""
    from PIL import Image

    if not path.is_file():
        raise ValueError(f"no photo at {path}; give the path of a PNG, JPEG, ...")
    photo = image.read(path).convert("RGB")
    if max(photo.size) > LARGEST:
        photo.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    return photo


def names_of(path: Path | None) -> list[str]:
    """Return the names of the classes; ValueError where the file cannot be read."""
    if path is None:
        return [f"class {number}" for number in range(1000)]
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"--classes {path}: give a text file (UTF-8) with the name of a class in each line") from None


def class_of(asked: str, names: Sequence[str]) -> int:
    """Return the number of a class that is asked for by number, or by name or a part of one that only it has."""
    if asked.isdigit() and int(asked) < len(names):
        return int(asked)
    word = asked.lower()
    equal = [number for number, name in enumerate(names) if name.lower() == word]
    found = equal or [number for number, name in enumerate(names) if word in name.lower()]
    if len(found) != 1:
        several = ", ".join(names[number] for number in found[:5])
        why = f"several classes: {several}" if found else f"no class{suggestion(word, [n.lower() for n in names])}"
        raise ValueError(f"--target {asked} is {why}; give a number from 0 to {len(names) - 1}, or a whole name")
    return found[0]


def run(options: Options) -> None:
    """Explain the photo, print its classes and write the picture."""
    photo, names, kind = read_photo(options.photo), names_of(options.classes), NETWORKS[options.network]
    if options.weights is None:
        raise ValueError(
            f"--weights is needed, a file with weights of {options.network}; torchvision's, once, with a network: "
            f'python -c "import torch, torchvision as t; torch.save(t.models.{TORCHVISION[options.network]}'
            "(weights='DEFAULT').state_dict(), 'weights.pth')\""
        )
    pixels, crop = seen(photo)
    network = kind.make(classes=len(names))
    try:
        variables = weights.load(network, options.weights, pixels.shape)
    except (FileNotFoundError, ModuleNotFoundError) as error:
        raise ValueError(str(error)) from error
    inputs = jnp.asarray(kind.preprocess(jnp.asarray(pixels, jnp.float32)))[None]
    probabilities = np.asarray(jax.jit(classify.predictor(network, variables))(inputs))[0]
    if not np.isfinite(probabilities).all():
        raise ValueError(f"the network's probabilities are not finite: check the weights in {options.weights}")
    best = np.argsort(-probabilities, kind="stable")[:5]
    target = int(best[0]) if options.target is None else class_of(options.target, names)
    layer_name = options.layer or kind.layer
    layer = split(network, variables, layer_name, inputs[0], train=False)
    plus = partial(grad_cam_pp, score={"exp": EXP, "softmax": SOFTMAX}[options.score])
    method = plus if options.method == "grad-cam++" else grad_cam
    found = jax.jit(partial(explain, method, layer))(inputs, jnp.array([target], jnp.int32))
    for number in best:
        print(f"{probabilities[number]:.3f}  {names[number]}")
    for remark in remarks(found):
        print(f"note: {remark}")
    how = {"grad-cam": "Grad-CAM", "grad-cam++": "Grad-CAM++, exact"}[options.method] + f", {layer_name}"
    title = f"{names[target]}, probability {probabilities[target]:.2g}"
    path = options.out or options.photo.with_name(f"{options.photo.stem}-explained.png")
    full, saliency = np.asarray(photo), np.asarray(found.map)[0]
    if options.slide:
        save_page(path, captioned(glow(full, saliency, crop), f"{title} ({options.network}, {how})"))
    else:
        save_explanation(path, full, saliency, crop, title, f"{options.network}, {how}")
    print(path)


TORCHVISION = {"squeezenet": "squeezenet1_1", "resnet18": "resnet18", "resnet50": "resnet50", "vgg16": "vgg16"}
"""What the networks are called in torchvision."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return program.main("eval.explain", __doc__ or "", Options(Path()), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
