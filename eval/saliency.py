"""Where do exact Grad-CAM++ and its usual approximation part, and which of them is the more faithful?

    python -m eval.saliency [options]
    python -m eval.saliency --image cat.png --network squeezenet --weights squeezenet.npz --classes names.txt

Without an image: trains a ReLU and a GELU network on the embedded digits (or takes them from the out folder), explains
test images with exact derivatives and with powers of the first gradient, and writes comparison sheets, `saliency.json`
and `report.html`. With one: prints the five most probable classes of your photo and writes its comparison sheet; the
photo's shorter side is resized to 256 and the centre 224 kept.
"""

import dataclasses
import json
import sys
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from genjax import data, files, parallel
from genjax.classifiers import classify, weights
from genjax.classifiers.networks import NETWORKS as KINDS
from genjax.classifiers.networks import unit
from genjax.data import Dataset
from genjax.engine.loop import Settings as TrainSettings
from genjax.engine.loop import train
from genjax.environment import environment
from genjax.run import program
from genjax.run.options import PART, SEED, at_least
from genjax.run.run import recipe as find_recipe
from genjax.saliency import split

from . import _saliency
from ._photo import look
from ._saliency import METHODS, SCORES, Comparison, Settings
from .comparison.report import Section, Table, show, write_html

NETWORKS = {"ReLU": "small", "GELU": "gelu"}  # name: preset of train.classifier
SHOWN = 4


@dataclass(frozen=True)
class Options:
    """Options of the comparison, and of a photo's explanation."""

    out: Path = Path("runs/saliency")
    """The folder to write to, and to take trained networks from."""
    score: tuple[Literal["exp", "softmax", "sigmoid", "logit"], ...] = ("exp", "softmax")
    """What is explained: the exponential of a logit, a probability, or a logit (smooth networks only)."""
    alpha: Literal["exact", "normalised"] = "exact"
    """Alpha as the equation has it, or divided by its sum over a channel, as the authors' code does."""
    method: Literal["auto", "series", "forward", "reverse", "taylor", "piecewise-linear", "pooled", "per-position"] = (
        "auto"
    )
    """How the exact derivatives are computed; auto takes the cheapest exact way."""
    guard: Annotated[float, PART] = 1e-6
    """Denominators that cancel to less than this share of their terms count as zero."""
    chunk: Annotated[int | None, at_least(1)] = None
    """Directions computed at a time; bounds memory. As many as suit the network if not given."""
    images: Annotated[int, at_least(1)] = 24
    """Test images explained."""
    steps: Annotated[int | None, at_least(1)] = None
    """Training steps of each network; as in its preset if not given."""
    seed: Annotated[int, SEED] = 0
    """Everything random follows from it."""
    image: Path | None = None
    """Explain this photo instead."""
    network: Literal["squeezenet", "resnet18", "resnet50", "vgg16"] = "squeezenet"
    """The photo's network."""
    weights: Path | None = None
    """Its weights: .npz, .safetensors, .pth or .pt."""
    classes: Path | None = None
    """Text file with a class name in each line; 1000 numbered classes if not given."""
    layer: str | None = None
    """Where to explain it; its last spatial layer if not given."""
    target: Annotated[int | None, at_least(0)] = None
    """Number of the class to explain; the most probable one if not given."""


def where() -> str:
    """Return device, versions and date, to stand beside the numbers."""
    found = environment()
    versions = ", ".join(f"{package} {number}" for package, number in found["versions"].items())
    return f"Device: {found['device']}, {found['processor']}; {versions}; {found['date']}."


def trained(name: str, options: Options, dataset: Dataset) -> tuple[Any, dict[str, Any]]:
    """Return a network of `NETWORKS` and its variables, from the out folder or trained now and put there."""
    recipe = find_recipe("classifier")
    preset = recipe.presets[NETWORKS[name]]
    hyper = dataclasses.replace(preset, seed=options.seed, steps=options.steps or preset.steps)
    run = recipe.build(hyper, dataset)
    phase = run.phases[0]
    network = KINDS[hyper.network].make(classes=dataset.num_classes)
    path, note = options.out / f"{name}.npz", options.out / f"{name}.json"
    config = json.dumps(dataclasses.asdict(hyper), default=str, indent=1) + "\n"
    if path.exists() and note.exists() and note.read_text(encoding="utf-8") == config:
        return network, weights.load(network, path, dataset.shape)
    print(f"training the {name} network ({phase.steps} steps)", file=sys.stderr)
    settings = TrainSettings(checkpoint_every=phase.steps, evaluate_every=phase.steps)
    result = train(run.phases, parallel.jit_plan(jax.devices()[:1]), seed=hyper.seed, settings=settings)
    if result.signal is not None:
        raise SystemExit(130)
    variables = jax.device_get(result.state.variables_of("classifier"))
    weights.save(path, variables)
    files.write_text(note, config)
    return network, variables


def _digits_of(options: Options, dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return the first `options.images` test images as uint8, and their labels."""
    if not SHOWN <= options.images <= len(dataset.test):
        raise ValueError(f"--images {options.images}: a number from {SHOWN} to {len(dataset.test)}, the test images")
    batch = dataset.test.take(np.arange(options.images))
    return batch["images"], batch["labels"]


def _settings(options: Options) -> Settings:
    if not options.score:
        raise ValueError("--score names no score; give one or more of exp, softmax, logit")
    return Settings(METHODS[options.method], options.guard, options.chunk, _saliency.ALPHAS[options.alpha])


def compare_networks(options: Options) -> Section:
    """Train or load the two networks, explain test images with both methods, and write everything to the out folder."""
    settings = _settings(options)
    dataset = data.load("digits", image_size=find_recipe("classifier").presets["small"].image_size)
    pixels, labels = _digits_of(options, dataset)
    inputs = jnp.asarray(unit(jnp.asarray(pixels)))
    compared: list[tuple[str, str, Comparison]] = []
    measured, pictures, accuracies, numbers = [], [], [], {}
    for name, preset in NETWORKS.items():
        kind = KINDS[find_recipe("classifier").presets[preset].network]
        network, variables = trained(name, options, dataset)
        predict = classify.predictor(network, variables)
        test = dataset.test.take(np.arange(len(dataset.test)))
        accuracy = classify.accuracy(predict, unit(jnp.asarray(test["images"])), jnp.asarray(test["labels"]))
        layer = split(network, variables, kind.layer, inputs[0], train=False)
        probabilities = np.asarray(jax.jit(predict)(inputs))
        classes = jnp.asarray(probabilities.argmax(-1), jnp.int32)
        accuracies.append((name, find_recipe("classifier").presets[preset].network, kind.layer, f"{accuracy:.1%}"))
        measure = _saliency.faithfulness(predict, steps=32)
        brighter = jnp.asarray(unit(jnp.asarray(one_level_brighter(pixels))))
        scores = [SCORES[score] for score in options.score]
        found = _saliency.compare(layer, inputs, classes, scores, settings, brighter)
        for score, comparison in zip(options.score, found, strict=True):
            compared.append((name, score, comparison))
            measures = {
                kind_of_map: measure(inputs, jnp.asarray(maps), classes)
                for kind_of_map, maps in comparison.maps().items()
            }
            measured.append((name, score, measures))
            means = {kind_of_map: {k: float(v.mean()) for k, v in m.items()} for kind_of_map, m in measures.items()}
            numbers[f"{name}, {score}"] = {**_saliency.agreement(comparison), "means": means}
            path = options.out / f"{name}-{score}.png"
            captions = [
                f"{dataset.class_names[labels[i]]}, taken for {int(classes[i])} ({probabilities[i].max():.3f})"
                for i in range(SHOWN)
            ]
            _saliency.sheet(path, pixels[:SHOWN], captions, [(comparison, i) for i in range(SHOWN)])
            pictures.append((path, f"{name} network, score {score}: the first {SHOWN} test images."))
    files.write_text(options.out / "saliency.json", json.dumps(numbers, indent=1) + "\n")
    tables = (
        Table("The networks", ("network", "architecture", "layer explained", "test accuracy"), accuracies),
        _saliency.agreement_table("Exact against approximate Grad-CAM++, over images", compared),
        _saliency.faithfulness_table("Faithfulness, means over images", measured),
        _saliency.stability_table(compared),
        _saliency.route_table(compared),
    )
    return Section("Exact and approximate Grad-CAM++", _story(options, compared), tables, pictures, {})


def _story(options: Options, compared: list[tuple[str, str, Comparison]]) -> str:
    """Say what was measured, and what the numbers of this very run show."""
    parts = [
        f"The first {options.images} test images of the embedded digits, at 16 pixels, explained for the class that "
        f"the network predicts; one training of each network, seed {options.seed}; guard {options.guard:g}.",
        "Exact: true second and third derivatives of the score along each activation. Exp-trick: powers of the first "
        "derivative in their place. Differences are between maps scaled to a maximum of 1. Sign changes: share of the "
        "positions with a positive first derivative at which the two alphas differ in sign. Guarded: "
        "denominators taken as zero, such as those of activations that a max pooling or a ReLU passes over.",
        "The softmax score's denominators have true zeros; close to one a single channel may take the map over, and "
        "then a larger --guard, such as 0.01, gives calmer maps.",
        "Masking multiplies image and map; deletion sets pixels to 0, the digits' background, and insertion starts "
        "from it. A map that keeps everything drops nothing: read the drop beside the mean of the map.",
    ]
    for network, score, comparison in compared:
        found = _saliency.agreement(comparison)
        same = found["largest difference, largest"] < 1e-3
        verdict = "agree: the exp-trick is exact here" if same else "differ"
        parts.append(
            f"{network}, score {score}: exact and approximate maps {verdict} (median correlation "
            f"{found['correlation, median']:.3f}, largest difference {found['largest difference, largest']:.2g})."
        )
        parts += [f"{network}, {sentence}." for sentence in _saliency.cautions(comparison, score)]
    return "\n".join([*parts, where()])


def one_level_brighter(pixels: np.ndarray) -> np.ndarray:
    """Return uint8 pixels plus one grey level."""
    return np.where(pixels < 255, pixels + 1, 254).astype(np.uint8)


def explain_photo(options: Options) -> Section:
    """Print the most probable classes of the photo, explain one at the layer, and write the sheet."""
    settings = _settings(options)
    assert options.image is not None
    sight = look(
        options.image, network=options.network, file=options.weights, classes=options.classes, layer=options.layer
    )
    pixels, names, probabilities = sight.pixels, sight.names, sight.probabilities
    if options.target is not None and not 0 <= options.target < len(names):
        raise ValueError(f"--target {options.target} is out of range: there are {len(names)} classes, from 0")
    target = int(sight.best[0]) if options.target is None else options.target
    classes = jnp.array([target], jnp.int32)
    brighter = jnp.asarray(sight.kind.preprocess(jnp.asarray(one_level_brighter(pixels), jnp.float32)))[None]
    scores = [SCORES[score] for score in options.score]
    found = _saliency.compare(sight.layer, sight.inputs, classes, scores, settings, brighter)
    compared = [(options.network, score, comparison) for score, comparison in zip(options.score, found, strict=True)]
    path = options.out / f"{_name(options, sight.layer_name, target, pixels)}.png"
    seen = f"{names[target]}, probability {probabilities[target]:.2g}"
    labels = [f"{seen}\nscore {score}" for _, score, _ in compared]
    _saliency.sheet(path, [pixels] * len(compared), labels, [(c, 0) for *_, c in compared])
    tables = (
        Table(
            "The most probable classes",
            ("class", "name", "probability"),
            [(str(n), names[n], f"{probabilities[n]:.4f}") for n in sight.best],
        ),
        _saliency.agreement_table("Exact against approximate Grad-CAM++", compared),
        _saliency.stability_table(compared),
        _saliency.route_table(compared),
    )
    warned = "".join(f"\n{sentence}." for _, score, c in compared for sentence in _saliency.cautions(c, score))
    text = (
        f"{options.network} at {sight.layer_name}, explained for class {target}, {names[target]} (probability "
        f"{probabilities[target]:.4f}); guard {options.guard:g}, alpha {options.alpha}.{warned}\n{where()}"
    )
    return Section(f"{options.image.name}: {names[target]}", text, tables, [(path, "Grad-CAM and Grad-CAM++")], {})


def _name(options: Options, layer: str, target: int, pixels: np.ndarray) -> str:
    """Return a file name that differs between photos, networks, layers, classes and ways to compute.

    Its end tells photos of the same name apart.
    """
    assert options.image is not None
    parts = [options.image.name, options.network, layer.replace("/", "."), str(target), *options.score, options.alpha]
    if options.guard != Options.guard:
        parts.append(f"guard{options.guard:g}")
    return "-".join([*parts, f"{zlib.crc32(pixels.tobytes()):08x}"])


def main(arguments=None) -> int:
    """Run from the command line."""

    def run(options: Options) -> None:
        if options.image is None and (
            options.weights or options.classes or options.layer or options.target is not None
        ):
            raise ValueError("--weights, --classes, --layer and --target belong to a photo; name it with --image")
        start = time.perf_counter()
        section = (compare_networks if options.image is None else explain_photo)(options)
        name = "report.html" if options.image is None else section.pictures[0][0].name.removesuffix(".png") + ".html"
        seconds = f"Everything took {time.perf_counter() - start:.0f} s, compiling included."
        write_html(options.out / name, "Exact saliency", seconds, [section])
        show(section)
        print(options.out / name)

    return program.main("eval.saliency", "Exact against approximate Grad-CAM++.", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
