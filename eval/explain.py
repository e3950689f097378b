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
from typing import Annotated, Literal

import jax.numpy as jnp
import numpy as np
import tyro

from genjax.run import program
from genjax.run.parsing import suggestion
from genjax.saliency import EXP, SOFTMAX, compiled, explain, grad_cam, grad_cam_pp, remarks
from genjax.viz.grid import captioned, save_page
from genjax.viz.saliency import glow, save_explanation

from ._photo import look


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
    sight = look(
        options.photo, network=options.network, file=options.weights, classes=options.classes, layer=options.layer
    )
    names, probabilities = sight.names, sight.probabilities
    target = int(sight.best[0]) if options.target is None else class_of(options.target, names)
    plus = partial(grad_cam_pp, score={"exp": EXP, "softmax": SOFTMAX}[options.score])
    method = plus if options.method == "grad-cam++" else grad_cam
    found = compiled(partial(explain, method, sight.layer))(sight.inputs, jnp.array([target], jnp.int32))
    for number in sight.best:
        print(f"{probabilities[number]:.3f}  {names[number]}")
    for remark in remarks(found):
        print(f"note: {remark}")
    how = {"grad-cam": "Grad-CAM", "grad-cam++": "Grad-CAM++, exact"}[options.method] + f", {sight.layer_name}"
    title = f"{names[target]}, probability {probabilities[target]:.2g}"
    path = options.out or options.photo.with_name(f"{options.photo.stem}-explained.png")
    saliency = np.asarray(found.map)[0]
    if options.slide:
        save_page(path, captioned(glow(sight.photo, saliency, sight.crop), f"{title} ({options.network}, {how})"))
    else:
        save_explanation(path, sight.photo, saliency, sight.crop, title, f"{options.network}, {how}")
    print(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return program.main("eval.explain", __doc__ or "", Options(Path()), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
