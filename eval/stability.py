"""Which score, alpha and guard give exact Grad-CAM++ maps that are stable and faithful too?

    python -m eval.stability --weights squeezenet1_1_imagenet.npz [options]

A softmax map swings where a denominator of alpha is close to zero. For each way to compute Grad-CAM++ this prints how
much of a map is left when the image becomes one grey level brighter, and how faithful it is: over crops of the two
embedded photographs for SqueezeNet (where weights are given), and over test digits for the two networks of
`eval.saliency`. Writes `stability.json` and `stability.md`; the last lines recommend one way, by a rule that is stated.
"""

import json
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
from genjax.run import program
from genjax.run.options import at_least
from genjax.run.run import recipe as find_recipe
from genjax.saliency import (
    EXP,
    SOFTMAX,
    Split,
    exp_trick,
    explain,
    grad_cam,
    grad_cam_plus,
    grad_cam_pp,
    official_alpha,
    split,
)
from genjax.saliency.overlay import correlation

from . import _saliency, saliency
from .comparison.report import Table

WAYS: dict[str, Any] = {
    "Grad-CAM": grad_cam,
    "Grad-CAM+": grad_cam_plus,
    "exp": partial(grad_cam_pp, score=EXP),
    "exp, exp-trick": partial(grad_cam_pp, score=EXP, method=exp_trick),
    "exp, normalised alpha": partial(grad_cam_pp, score=EXP, alpha=official_alpha),
    "softmax": partial(grad_cam_pp, score=SOFTMAX),
    "softmax, guard 0.01": partial(grad_cam_pp, score=SOFTMAX, guard=1e-2),
    "softmax, guard 0.1": partial(grad_cam_pp, score=SOFTMAX, guard=1e-1),
    "softmax, guard 0.5": partial(grad_cam_pp, score=SOFTMAX, guard=0.5),
    "softmax, normalised alpha": partial(grad_cam_pp, score=SOFTMAX, alpha=official_alpha),
    "softmax, exp-trick": partial(grad_cam_pp, score=SOFTMAX, method=exp_trick),
}
EXACT = (
    "exp",
    "exp, normalised alpha",
    "softmax",
    *(w for w in WAYS if w.startswith("softmax, ") and "trick" not in w),
)
RULE = (
    "Recommended is, among the ways with exact derivatives whose maps all keep a correlation of at least "
    f"{_saliency.STABLE} on every network, the one with the largest insertion AUC less deletion AUC, mean over networks"
)


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


def study(subject: Subject) -> dict[str, dict[str, float]]:
    """Return `{way: {quantity: value}}` for one network.

    stability, lowest: correlation of raw positive maps with those of the brighter images, median and lowest; swings:
    share of the images below `_saliency.STABLE`; masked: probability of image times map, in that of the image.
    """
    inputs, brighter = (
        jnp.stack([jnp.asarray(subject.kind.preprocess(jnp.asarray(p, jnp.float32))) for p in pixels])
        for pixels in (subject.pixels, saliency.one_level_brighter(subject.pixels))
    )
    layer: Split = split(subject.network, subject.variables, subject.kind.layer, inputs[0], train=False)
    predict = classify.predictor(subject.network, subject.variables)
    classes = jnp.argmax(jax.jit(predict)(inputs), -1).astype(jnp.int32)
    measure = _saliency.faithfulness(predict, steps=16)
    found = {}
    for way, method in WAYS.items():
        run = jax.jit(partial(explain, method, layer))
        now, then = run(inputs, classes), run(brighter, classes)
        pairs = zip(*(np.maximum(np.asarray(e.raw), 0) for e in (now, then)), strict=True)
        related = np.nan_to_num(np.array([correlation(a, b) for a, b in pairs]))
        measures = [measure(x[None], m[None], c[None]) for x, m, c in zip(inputs, now.map, classes, strict=True)]
        mean = {k: float(np.mean([m[k] for m in measures])) for k in measures[0]}
        alpha = np.maximum(np.abs(now.alpha.minimum), np.abs(now.alpha.maximum))
        found[way] = {
            "stability": float(np.median(related)),
            "lowest": float(related.min()),
            "swings": float(np.mean(related < _saliency.STABLE)),
            "largest alpha": float(np.max(alpha)),
            "insertion": mean["insertion AUC"],
            "deletion": mean["deletion AUC"],
            "masked": mean["masked"] / mean["full"],
        }
    return found


def table(name: str, found: dict[str, dict[str, float]]) -> Table:
    """Return one network's table."""
    header = ("way", "correlation: median", "lowest", "below 0.9", "largest alpha", "insertion AUC", "deletion AUC",
              "probability kept by masking")  # fmt: skip

    def row(way: str, f: dict[str, float]) -> tuple[str, ...]:
        return (way, f"{f['stability']:.3f}", f"{f['lowest']:.3f}", f"{f['swings']:.0%}", f"{f['largest alpha']:.3g}",
                f"{f['insertion']:.3f}", f"{f['deletion']:.3f}", f"{f['masked']:.0%}")  # fmt: skip

    return Table(name, header, [row(*item) for item in found.items()])


def recommended(results: dict[str, dict[str, dict[str, float]]]) -> str | None:
    """Return the way that `RULE` picks, None where no exact way is stable everywhere."""
    stable = [w for w in EXACT if all(found[w]["lowest"] >= _saliency.STABLE for found in results.values())]
    gain = {w: float(np.mean([f[w]["insertion"] - f[w]["deletion"] for f in results.values()])) for w in stable}
    return max(gain, key=lambda way: gain[way]) if gain else None


def main(arguments=None) -> int:
    """Run from the command line."""

    def run(options: Options) -> None:
        results, tables = {}, []
        for subject in subjects(options):
            print(f"{subject.name}: {len(subject.pixels)} images, {len(WAYS)} ways", flush=True)
            results[subject.name] = study(subject)
            tables.append(table(subject.name, results[subject.name]))
            print(_text(tables[-1]), flush=True)
        chosen = recommended(results)
        verdict = f"{RULE}: {chosen if chosen else 'none is'}."
        print(verdict)
        text = [f"{len(next(iter(results.values())))} ways, {options.images} images, seed {options.seed}."]
        text += [_text(t) for t in tables] + [verdict, saliency.where()]
        files.write_text(options.out / "stability.md", "\n\n".join(text) + "\n")
        files.write_text(options.out / "stability.json", json.dumps(results, indent=1) + "\n")

    return program.main("eval.stability", "Stable and faithful maps.", Options(), run, arguments)


def _text(found: Table) -> str:
    lines = [found.header, ["---"] * len(found.header), *found.rows]
    return "\n".join([f"**{found.caption}**", "", *("| " + " | ".join(line) + " |" for line in lines)])


if __name__ == "__main__":
    raise SystemExit(main())
