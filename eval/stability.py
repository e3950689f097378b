"""Which score, alpha and guard give exact Grad-CAM++ maps that are stable and faithful too?

    python -m eval.stability --weights squeezenet1_1_imagenet.npz [options]

A softmax map swings where a denominator of alpha is close to zero. For each way to compute Grad-CAM++ this prints how
much of a map is left when the image becomes one grey level brighter, and how faithful it is: over crops of the two
embedded photographs for SqueezeNet (where weights are given), and over test digits for the two networks of
`eval.saliency`. Writes `stability.json`, of which docs/results.md shows a copy (eval/results/stability.json); one way
is recommended, by a rule that is stated.
"""

import json
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from genjax import data, files
from genjax.classifiers import classify, weights
from genjax.classifiers.networks import NETWORKS as KINDS
from genjax.classifiers.networks import Kind, unit
from genjax.environment import environment
from genjax.run import program
from genjax.run.options import at_least
from genjax.run.run import recipe as find_recipe
from genjax.saliency import (
    Explanation,
    Split,
    compiled,
    diagonal_derivatives,
    grad_cam_pp,
    prove_piecewise_linear,
    split,
)
from genjax.saliency.overlay import correlation

from . import _saliency, saliency
from ._stability import FIRST_ORDER, PLUS_PLUS, RULE, WAYS, Studied, advice, table


@dataclass(frozen=True)
class Options:
    """Options of the study."""

    weights: Path | None = None
    """Weights of SqueezeNet 1.1; without them only the networks for digits are studied."""
    out: Path = Path("runs/saliency")
    """The folder to write to, and to take trained networks from."""
    images: Annotated[int, at_least(4)] = 24
    """Test digits, and crops of the photographs, explained."""
    steps: Annotated[int | None, at_least(1)] = None
    """Training steps of the networks for digits; as in their presets if not given."""
    seed: Annotated[int, at_least(0)] = 0
    """Everything random follows from it."""


class Subject(NamedTuple):
    """A network cut at a layer, and the uint8 images to explain."""

    name: str
    kind: Kind
    network: Any
    variables: Any
    pixels: np.ndarray


def crops(count: int, seed: int, side: int = 224) -> np.ndarray:
    """Return uint8[count, side, side, 3]: squares of the two embedded photographs, in turns, of 60 to 100 % height."""
    from PIL import Image

    draw = np.random.default_rng(seed)
    photographs = [data.load(f"photo:{name}").test.take(np.arange(1))["images"][0] for name in ("pagoda", "dahlia")]
    found = []
    for n in range(count):
        photograph = photographs[n % 2]
        size = round(photograph.shape[0] * draw.uniform(0.6, 1))
        top, left = (int(draw.integers(0, extent - size + 1)) for extent in photograph.shape[:2])
        square = Image.fromarray(photograph[top : top + size, left : left + size])
        found.append(np.asarray(square.resize((side, side), Image.Resampling.BICUBIC)))
    return np.stack(found)


def subjects(options: Options) -> list[Subject]:
    """Return the networks of the study with their images."""
    found = []
    if options.weights is not None:
        kind = KINDS["squeezenet"]
        network, pixels = kind.make(classes=1000), crops(options.images, options.seed)
        variables = weights.load(network, options.weights, pixels.shape[1:])
        found.append(Subject("SqueezeNet, photographs", kind, network, variables, pixels))
    dataset = data.load("digits", image_size=find_recipe("classifier").presets["small"].image_size)
    pixels = dataset.test.take(np.arange(options.images))["images"]
    for name, preset in saliency.NETWORKS.items():
        kind = KINDS[find_recipe("classifier").presets[preset].network]
        chosen = saliency.Options(out=options.out, steps=options.steps, seed=options.seed)
        network, variables = saliency.trained(name, chosen, dataset)
        found.append(Subject(f"{name} network, digits", kind._replace(preprocess=unit), network, variables, pixels))
    return found


def every_way(layer: Split, image: jax.Array, class_index: jax.Array) -> dict[str, Explanation]:
    """Return the explanation of one image by each of `WAYS`; ways of the same derivatives share them."""
    activations = layer.features(image)

    def head(a: jax.Array) -> jax.Array:
        return layer.head(a, image)

    found = {name: method(head, activations, class_index) for name, method in FIRST_ORDER.items()}
    pairs = dict.fromkeys((way.score, way.method) for way in PLUS_PLUS.values())
    derivatives = {
        (score, method): diagonal_derivatives(head, activations, score, class_index, method=method, for_map=True)
        for score, method in pairs
    }
    for name, way in PLUS_PLUS.items():
        shared = way._replace(method=lambda *_, known=derivatives[way.score, way.method]: known)
        found[name] = grad_cam_pp(head, activations, class_index, **shared._asdict())
    return found


def study(subject: Subject) -> Studied:
    """Measure all ways on one network, and tell the progress on stderr.

    stability: correlation of the raw map's positive part with that of the brighter image, 0 where either is constant.
    alpha: the largest |alpha|.  guarded: the share of the denominators in use that were taken as zero, dead units
    apart.  insertion, deletion: areas under the curves.  masked: probability of image times map, in that of the image.
    """
    inputs, brighter = (
        jnp.stack([jnp.asarray(subject.kind.preprocess(jnp.asarray(p, jnp.float32))) for p in pixels])
        for pixels in (subject.pixels, saliency.one_level_brighter(subject.pixels))
    )
    layer = split(subject.network, subject.variables, subject.kind.layer, inputs[0], train=False)
    predict = jax.jit(classify.predictor(subject.network, subject.variables))
    classes = jnp.concatenate([jnp.argmax(predict(x[None]), -1) for x in inputs]).astype(jnp.int32)
    measure = _saliency.faithfulness(predict, steps=16)
    explained = compiled(partial(every_way, layer))
    activations = jax.eval_shape(layer.features, inputs[0])
    proof = prove_piecewise_linear(lambda a: layer.head(a, inputs[0]), activations)
    found: dict[str, dict[str, list[float]]] = {way: {} for way in WAYS}
    start = time.perf_counter()
    for n, class_index in enumerate(classes):
        now, then = (explained(x[n], class_index) for x in (inputs, brighter))
        maps = jnp.stack([now[way].map for way in WAYS])
        repeated = (jnp.broadcast_to(v, (len(WAYS), *v.shape)) for v in (inputs[n], class_index))
        pixels, targets = repeated
        measures = {k: np.asarray(v) for k, v in measure(pixels, maps, targets).items()}
        for i, way in enumerate(WAYS):
            a, b = (np.maximum(np.asarray(e[way].raw, np.float64), 0) for e in (now, then))
            alpha = now[way].alpha
            values = {
                "stability": np.nan_to_num(correlation(a, b)),
                "alpha": max(abs(float(alpha.minimum)), abs(float(alpha.maximum))),
                "guarded": float(now[way].guarded) / max(1, int(alpha.positions)),
                "insertion": measures["insertion AUC"][i],
                "deletion": measures["deletion AUC"][i],
                "masked": measures["masked"][i] / measures["full"][i],
            }
            for quantity, value in values.items():
                found[way].setdefault(quantity, []).append(float(f"{value:.5g}"))
        left = (time.perf_counter() - start) / (n + 1) * (len(classes) - n - 1)
        print(f"{subject.name}: image {n + 1} of {len(classes)}; {left:.0f} s left", file=sys.stderr, flush=True)
    return Studied(proof.piecewise_linear, found)


def main(arguments=None) -> int:
    """Run from the command line."""

    def run(options: Options) -> None:
        results = {}
        for subject in subjects(options):
            found = study(subject)
            results[subject.name] = found._asdict()
            print(table(subject.name, found) + "\n", flush=True)
        asked = {"images": options.images, "steps": options.steps, "seed": options.seed}
        measured = {"options": asked, "environment": environment(), "results": results}
        print(f"{RULE}.\n{advice(measured)}")
        files.write_text(options.out / "stability.json", json.dumps(measured, indent=1) + "\n")

    return program.main("eval.stability", "Stable and faithful maps.", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
