"""Experiment 4: K-means in the latent space, compared with the classes by the V-measure.

    python -m eval.cluster [options]

Trains the comparison's models if they are not in the out folder yet, and writes box plots over 50 restarts of K-means,
a table with the spread over seeds of the models beside the spread over restarts, and `cluster.json`.
"""

from pathlib import Path
from typing import Any

import numpy as np

from genjax.metrics.clustering import v_measures
from genjax.run import program

from .comparison import probing, training
from .comparison.probing import AE, CVAE_NONE, CVAE_TRUE, VAE
from .comparison.report import Numbers, Section, Table, save_figure, save_numbers, show, spread
from .comparison.training import Family, Options

SHOWN = (AE, VAE, CVAE_TRUE, CVAE_NONE)
IMAGES = 2000
RESTARTS = 50


def measure(family: Family) -> Numbers:
    """Return V-measures: "v-measure", the median over restarts for each seed, and "restarts" float[seeds, restarts]."""
    images, labels = probing.test_images(family.dataset, IMAGES)
    classes = family.dataset.num_classes
    numbers: Numbers = {"v-measure": {}, "restarts": {}}
    for variant, latent, members in probing.variants(family, *SHOWN):
        given = probing.given_labels(variant, labels, classes)
        found = [v_measures(probing.encode(m, images, given), labels, classes, RESTARTS) for m in members]
        numbers["restarts"][variant, latent] = np.stack(found)
        numbers["v-measure"][variant, latent] = np.median(found, axis=1)
    return numbers


def baselines(family: Family) -> dict[str, np.ndarray]:
    """Return V-measures over restarts of raw pixels and of their first principal components."""
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits

    images, labels = probing.test_images(family.dataset, IMAGES)
    pixels, classes = images.reshape(len(images), -1), family.dataset.num_classes
    found = {"raw pixels": v_measures(pixels, labels, classes, RESTARTS)}
    for latent in family.options.latents:
        if latent < min(pixels.shape):
            with threadpool_limits(1):
                reduced = PCA(latent, random_state=0).fit_transform(pixels)
            found[f"PCA {latent}"] = v_measures(reduced, labels, classes, RESTARTS)
    return found


def draw(family: Family, numbers: Numbers, raw: float, path: Path) -> None:
    """Draw boxes over restarts of all seeds, and a point for the median of each seed."""
    from matplotlib.figure import Figure

    latents = family.options.latents
    figure = Figure(figsize=(2.6 * len(latents) + 1.2, 4.2), layout="constrained")
    axes: Any = figure.subplots(1, len(latents), sharey=True, squeeze=False)[0]
    for panel, latent in zip(axes, latents, strict=True):
        values = [numbers["restarts"][variant, latent].ravel() for variant in SHOWN]
        panel.boxplot(values, widths=0.6, medianprops={"color": "black"}, flierprops={"markersize": 2.5})
        for place, variant in enumerate(SHOWN, 1):
            medians = numbers["v-measure"][variant, latent]
            points = place + np.linspace(-0.15, 0.15, len(medians)) * (len(medians) > 1)
            panel.plot(points, medians, "o", color=f"C{place - 1}", markersize=5, zorder=3)
        panel.axhline(raw, color="grey", linestyle="--", linewidth=1)
        panel.set(title=f"latent {latent}")
        panel.set_xticks(
            range(1, len(SHOWN) + 1), [name.replace(", ", ",\n") for name in SHOWN], fontsize=8, rotation=45
        )
        panel.grid(axis="y", alpha=0.3)
    axes[0].set(ylabel="V-measure")
    figure.suptitle("Boxes: restarts of K-means; points: seeds; dashed: raw pixels", fontsize=10)
    save_figure(path, figure)


def find(family: Family, folder: Path) -> Section:
    """Return and write all that experiment 4 shows."""
    numbers, base = measure(family), baselines(family)
    images = min(IMAGES, len(family.dataset.test))
    latents = family.options.latents
    table = Table(
        f"V-measure of K-means on {images} test images: median over {RESTARTS} restarts (mean ± spread over seeds)",
        ("latent", *SHOWN),
        [(str(z), *(spread(numbers["v-measure"][variant, z], 3) for variant in SHOWN)) for z in latents],
    )
    restarts = Table(
        "The range over restarts within one model, mean over seeds: it measures K-means, not the models",
        ("latent", *SHOWN),
        [
            (str(z), *(f"{np.ptp(numbers['restarts'][variant, z], axis=1).mean():.3f}" for variant in SHOWN))
            for z in latents
        ],
    )
    without = Table(
        "Without a model: median (least to greatest over restarts)",
        ("input", "V-measure"),
        [(name, f"{np.median(v):.3f} ({v.min():.3f} to {v.max():.3f})") for name, v in base.items()],
    )
    path = folder / "cluster.png"
    draw(family, numbers, float(np.median(base["raw pixels"])), path)
    save_numbers(folder / "cluster.json", numbers)
    text = "The latents are posterior means. The CVAE is shown with its encoder given the true label, and no label."
    pictures = [(path, "V-measure by model and size of the latent.")]
    return Section("Experiment 4: clustering", text, (table, restarts, without), pictures, numbers)


def main(arguments=None) -> int:
    """Run from the command line."""

    def run(options: Options) -> None:
        show(find(training.family(options), training.folder_of(options)))

    return program.main("eval.cluster", "Experiment 4: clustering.", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
