"""Experiment 3: where images lie in the latent space, and what the 2-D latent plane decodes to.

    python -m eval.latent [options]

Trains the comparison's models if they are not in the out folder yet, and writes scatter plots of test images coloured
by class, the decoded plane, and `latent.json` with how far off the origin and how wide the latents lie.
"""

from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Annotated, Any, Literal

import numpy as np

from genjax.run import program
from genjax.run.options import at_least
from genjax.viz.grid import enlarged, save_grid, to_uint8
from genjax.viz.table import image_table

from .comparison import probing, training
from .comparison.probing import AE, CVAE_NONE, CVAE_TRUE, VAE
from .comparison.report import Numbers, Section, Table, save_figure, save_numbers, show, spread
from .comparison.training import Family, Member

SHOWN = (AE, VAE, CVAE_TRUE, CVAE_NONE)
IMAGES = 2000


@dataclass(frozen=True)
class Options(training.Options):
    """Options of the comparison, and how to draw."""

    projection: Literal["tsne", "pca"] = "tsne"
    """How latents of more than two dimensions are drawn in two."""
    columns: Annotated[int, at_least(2)] = 15
    """Images in a row and in a column of the decoded plane."""


def measure(family: Family) -> Numbers:
    """Return, over seeds, the largest |mean| over dimensions, the mean standard deviation, and seeds' disagreement.

    disagreement: mean distance of a seed's centre from the other seeds' centres, minus its distance from the origin.
    """
    images, labels = probing.test_images(family.dataset, IMAGES)
    numbers: Numbers = {"offset": {}, "width": {}, "disagreement": {}}
    for variant, latent, members in probing.variants(family, *SHOWN):
        given = probing.given_labels(variant, labels, family.dataset.num_classes)
        found = [probing.encode(member, images, given) for member in members]
        centres = np.stack([x.mean(0) for x in found])
        numbers["offset"][variant, latent] = np.abs(centres).max(1)
        numbers["width"][variant, latent] = np.array([x.std(0).mean() for x in found])
        if len(found) > 1:
            distances = np.linalg.norm(centres[:, None] - centres[None], axis=-1).sum(1) / (len(found) - 1)
            numbers["disagreement"][variant, latent] = distances - np.linalg.norm(centres, axis=1)
    return numbers


def project(latents: np.ndarray, how: str) -> np.ndarray:
    """Return float[images, 2]: 2-D latents as they are, others by t-SNE or PCA."""
    if latents.shape[1] == 2:
        return latents
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        if how == "pca":
            return PCA(2, random_state=0).fit_transform(latents)
        perplexity = min(30, (len(latents) - 1) / 3)
        return TSNE(2, perplexity=perplexity, init="pca", random_state=0).fit_transform(latents)


def scatter(family: Family, how: str, path: Path) -> None:
    """Draw the first seed's latents of test images: a row for each variant, a column for each size."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from matplotlib.patheffects import withStroke

    images, labels = probing.test_images(family.dataset, IMAGES)
    classes, latents = family.dataset.num_classes, family.options.latents
    figure = Figure(figsize=(3.2 * len(latents) + 0.9, 3.1 * len(SHOWN)), layout="constrained")
    axes = figure.subplots(len(SHOWN), len(latents), squeeze=False)
    colours = colormaps["turbo"]
    for variant, latent, members in probing.variants(family, *SHOWN):
        panel: Any = axes[SHOWN.index(variant), latents.index(latent)]
        given = probing.given_labels(variant, labels, classes)
        points = project(probing.encode(members[0], images, given), how)
        size = float(np.clip(6000 / len(points), 3, 14))
        for label in range(classes):
            rows = labels == label
            colour = colours(label / max(classes - 1, 1))
            name = family.dataset.class_names[label]
            panel.scatter(*points[rows].T, s=size, color=colour, alpha=0.7, linewidths=0, label=name)
            if classes <= 20 and rows.any():  # not by colour alone: the class stands at the middle of its dots
                place = np.median(points[rows], 0)
                outline = [withStroke(linewidth=2.5, foreground="white")]
                panel.text(*place, name, ha="center", va="center", fontsize=9, weight="bold", path_effects=outline)
        if latent == 2:
            panel.plot(0, 0, "+", color="black", markersize=12, markeredgewidth=1.6)
            panel.set(title=f"{variant}\nlatent 2", aspect="equal", adjustable="datalim")
        else:
            panel.set(title=f"{variant}\nlatent {latent}, {'PCA' if how == 'pca' else 't-SNE'}", xticks=[], yticks=[])
        panel.title.set_size(10)
        panel.tick_params(labelsize=8)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right center", title="class", markerscale=2.2)
    save_figure(path, figure)


def plane(member: Member, columns: int, centre: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Return images decoded on a grid over the plane: centre + width * inverse normal CDF of even steps in (0, 1).

    Equal shares of N(centre, width^2) lie around the points. Returns float[columns, columns, height, width, channels],
    the second coordinate growing upwards.
    """
    quantile = NormalDist().inv_cdf
    steps = np.array([quantile((i + 0.5) / columns) for i in range(columns)])
    x, y = np.meshgrid(steps, steps[::-1])
    latent = np.stack([x, y], -1) * width + centre
    return probing.decode(member, latent, np.full((columns, columns), -1, np.int32))


def save_plane(path: Path, decoded: np.ndarray, centre: np.ndarray, width: np.ndarray, title: str) -> None:
    """Write the decoded plane as one picture whose axes tell the two latents of every image."""
    from matplotlib.figure import Figure

    columns = len(decoded)
    quantile = NormalDist().inv_cdf
    steps = np.array([quantile((i + 0.5) / columns) for i in range(columns)])
    rows = [np.concatenate(list(enlarged(to_rgb(row), cell=32)), 1) for row in decoded]
    figure = Figure(figsize=(7.4, 7.4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(np.concatenate(rows), extent=(0, columns, 0, columns), interpolation="nearest")
    shown = np.unique(np.linspace(0, columns - 1, 7).astype(int))
    for axis, number in ((axes.xaxis, 0), (axes.yaxis, 1)):
        labels = [f"{centre[number] + width[number] * steps[i]:.1f}" for i in shown]
        axis.set_ticks(shown + 0.5, labels)
        axis.set_label_text(f"latent {number + 1}")
    axes.set_title(title)
    save_figure(path, figure)


def to_rgb(images: np.ndarray) -> np.ndarray:
    """Return images float[count, height, width, 1 or 3] in [0, 1] as bytes with three channels."""
    return np.broadcast_to(to_uint8(images), (*images.shape[:3], 3))


def draw_planes(family: Family, columns: int, folder: Path) -> list[tuple[Path, str]]:
    """Write the decoded plane of the first AE, VAE and CVAE with two latents, and the CVAE's with each label."""
    if 2 not in family.options.latents:
        return []
    images, labels = probing.test_images(family.dataset, IMAGES)
    written = []
    for variant in (AE, VAE, CVAE_NONE):
        member = family.of(probing.VARIANTS[variant], 2)[0]
        centre, width, where = np.zeros(2), np.ones(2), "the prior N(0, 1)"
        if variant == AE:  # without a prior: where its own latents lie
            found = probing.encode(member, images, np.full_like(labels, -1))
            centre, width, where = found.mean(0), found.std(0), "a normal fitted to its latents"
        path = folder / f"plane-{member.kind}.png"
        save_plane(path, plane(member, columns, centre, width), centre, width, f"{variant}: what its latents decode to")
        written.append((path, f"{variant}, latent 2: the plane decoded at quantiles of {where}."))
    classes = family.dataset.num_classes
    member = family.of("cvae", 2)[0]
    latent = np.random.Generator(np.random.Philox(2)).standard_normal((columns, 2))
    rows = np.repeat(np.arange(-1, classes, dtype=np.int32)[:, None], columns, 1)
    decoded = probing.decode(member, np.broadcast_to(latent, (classes + 1, columns, 2)), rows)
    names = ("no label", *family.dataset.class_names)
    path = folder / "cvae-labels.png"
    save_grid(path, image_table(decoded, names, [""] * columns)[None], 1, zoom=1)
    return [*written, (path, "CVAE, latent 2: the same draws from the prior in every row, decoded with each label.")]


def find(family: Family, folder: Path, options: Options) -> Section:
    """Return and write all that experiment 3 shows."""
    numbers = measure(family)
    table = Table(
        "Latents of test images: largest |mean| over dimensions / mean standard deviation (mean ± spread over seeds)",
        ("latent", *SHOWN),
        [
            (str(z), *(f"{spread(numbers['offset'][v, z])} / {spread(numbers['width'][v, z])}" for v in SHOWN))
            for z in family.options.latents
        ],
    )
    path = folder / "latent.png"
    scatter(family, options.projection, path)
    pictures = [(path, "Test images in the latent space of the first seed, by class; +: the origin.")]
    save_numbers(folder / "latent.json", numbers)
    text = (
        "Nothing fixes the origin or the scale of an AE's latent, so its offset differs from seed to seed. "
        f"With a KL weight of {family.options.beta:g} the variational models' latents may lie wider than the prior."
    )
    pictures += draw_planes(family, options.columns, folder)
    return Section("Experiment 3: the latent space", text, (table,), pictures, numbers)


def main(arguments=None) -> int:
    """Run from the command line."""

    def run(options: Options) -> None:
        show(find(training.family(options), training.folder_of(options), options))

    return program.main("eval.latent", "Experiment 3: the latent space.", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
