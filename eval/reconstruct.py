"""Experiment 1: what AE, VAE and CVAE make of test images, with no label, the right one and a wrong one.

    python -m eval.reconstruct [options]

Trains the comparison's models if they are not in the out folder yet, and writes a grid for each size of the latent,
a table of test reconstruction errors, and `reconstruct.json` with the numbers of every seed.
"""

from pathlib import Path

import jax.numpy as jnp
import numpy as np

from genjax.metrics.latent import active_units
from genjax.run import program
from genjax.viz.grid import save_grid
from genjax.viz.table import image_table

from .comparison import probing, training
from .comparison.probing import AE, CVAE_NONE, CVAE_TRUE, CVAE_WRONG, VAE
from .comparison.report import Numbers, Section, Table, save_numbers, show, spread
from .comparison.training import Family, Options

SHOWN = (AE, VAE, CVAE_NONE, CVAE_TRUE, CVAE_WRONG)


def measure(family: Family) -> Numbers:
    """Return test scores in nats per image, and active units, of every variant and size over seeds."""
    images, labels = probing.test_images(family.dataset)
    numbers: Numbers = {}
    for variant, latent, members in probing.variants(family, *SHOWN):
        given = probing.given_labels(variant, labels, family.dataset.num_classes)
        rows = [probing.scores(member, images, given) for member in members]
        for row, member in zip(rows, members, strict=True):
            row["active units"] = float(active_units(jnp.asarray(probing.encode(member, images, given))).sum())
        for name in rows[0]:
            numbers.setdefault(name, {})[variant, latent] = np.array([row[name] for row in rows])
    return numbers


def draw(family: Family, folder: Path) -> list[tuple[Path, str]]:
    """Write one grid for each size of the latent: an image of each class, and what the first seed makes of it."""
    images, labels = probing.test_images(family.dataset)
    chosen = probing.one_of_each(labels, family.dataset.num_classes)[:10]
    names = [family.dataset.class_names[label] for label in labels[chosen]]
    written = []
    for latent in family.options.latents:
        rows = [images[chosen]]
        for variant, _, members in (v for v in probing.variants(family, *SHOWN) if v[1] == latent):
            given = probing.given_labels(variant, labels, family.dataset.num_classes)[chosen]
            member = members[0]
            rows.append(probing.decode(member, probing.encode(member, images[chosen], given), given))
            if variant == CVAE_WRONG:
                wrong = [
                    f"{name} as {family.dataset.class_names[label]}" for name, label in zip(names, given, strict=True)
                ]
        page = image_table(np.stack(rows), ("test image", *SHOWN), wrong, title=f"Latent of {latent}")
        path = folder / f"reconstruct-{latent:02d}.png"
        save_grid(path, page[None], 1, zoom=1)
        written.append(
            (path, f"Reconstruction through a latent of {latent}; column heads: class, and the wrong label.")
        )
    return written


def find(family: Family, folder: Path) -> Section:
    """Return and write all that experiment 1 shows."""
    numbers = measure(family)
    nll, latents = numbers["nll at the mean"], family.options.latents
    error = Table(
        "Test reconstruction error at the posterior's mean, nats per image (mean ± spread over seeds)",
        ("latent", *SHOWN),
        [(str(z), *(spread(nll[variant, z]) for variant in SHOWN)) for z in latents],
    )
    drawn = [VAE, CVAE_NONE, CVAE_TRUE, CVAE_WRONG]
    bound = Table(
        "With one draw of the latent per image: error, KL (nats per image) and active units",
        ("latent", "model", "error", "KL", "active units"),
        [
            (
                str(z),
                variant,
                *(spread(numbers[name][variant, z]) for name in ("nll", "kl")),
                spread(numbers["active units"][variant, z], 1),
            )
            for z in latents
            for variant in drawn
        ],
    )
    save_numbers(folder / "reconstruct.json", numbers)
    text = (
        "Grey pixels are scored by the cross-entropy with the decoded pixel, summed over the image. "
        "The label is given to encoder and decoder."
    )
    return Section("Experiment 1: reconstruction", text, (error, bound), draw(family, folder), numbers)


def main(arguments=None) -> int:
    """Run from the command line."""

    def run(options: Options) -> None:
        show(find(training.family(options), training.folder_of(options)))

    return program.main("eval.reconstruct", "Experiment 1: reconstruction.", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
