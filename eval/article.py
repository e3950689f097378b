"""The comparison of AE, VAE and CVAE: trains the models, repeats the four experiments, and judges claim by claim.

    python -m eval.article [options]
    python -m eval.article --data mnist.npz --epochs 1000

Trains {AE, VAE, CVAE} x latents of {2, 4, 16, 64} over seeds, each kind in one compiled program, and writes
`report.html`, one page with pictures and tables that needs no other file, and `claims.json`, the verdicts and what they
were measured on; docs/articles.md shows a copy of that file, eval/results/article.json. Trained models are kept in the
out folder and used again while their options are the same, here and by eval.reconstruct, interpolate, latent and
cluster. The defaults take minutes on two CPU cores.
"""

import json
import os
import platform
import time

import jax
import numpy as np

from genjax.files import write_text
from genjax.run import program

from . import cluster, interpolate, latent, reconstruct
from .comparison import claims, training
from .comparison.report import Numbers, Section, save_figure, show, write_html
from .comparison.training import TITLES, Family, Options


def _curves(family: Family, path) -> None:
    """Draw the training reconstruction error of all kinds and sizes over epochs, a line for each seed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.4), layout="constrained")
    axes = figure.subplots(1, len(TITLES), sharey=True)
    for panel, (kind, title) in zip(axes, TITLES.items(), strict=True):
        nll = family.history[kind]["nll"]
        for index, size in enumerate(family.options.latents):
            for seed in range(family.options.seeds):
                label = f"latent {size}" if seed == 0 else None
                panel.plot(np.arange(1, len(nll) + 1), nll[:, index, seed], color=f"C{index}", lw=1, label=label)
        panel.set(title=title, xlabel="epoch")
        panel.grid(alpha=0.3)
    low = min(float(family.history[kind]["nll"].min()) for kind in TITLES)
    last = max(float(np.median(family.history[kind]["nll"][len(nll) // 20], axis=1).max()) for kind in TITLES)
    axes[0].set(ylabel="training error, nats per image", ylim=(low - 0.5, max(last, low + 1) * 1.05))
    axes[0].legend(fontsize=8)
    save_figure(path, figure)


def _told(family: Family) -> str:
    """Return what was trained, on what and how."""
    options, dataset = family.options, family.dataset
    count = len(TITLES) * len(options.latents) * options.seeds
    joined = "after the hidden layer" if options.late else "before the hidden layer (the article: after it)"
    return (
        f"{count} models, {options.seeds} seed(s) of each kind and size, {options.epochs} epochs (the article: 1000) "
        f"on {dataset.name}: {len(dataset.train)} training and {len(dataset.test)} test images of {dataset.shape}. "
        f"Hidden {options.hidden} tanh, Bernoulli likelihood in logits, KL weight {options.beta:g}, "
        f"{options.samples} draws, batch {options.batch_size}, Adam {options.learning_rate:g}, Glorot; the CVAE sees "
        f"{options.labelled:.0%} of the labels and joins them {joined}."
    )


def _where(family: Family, seconds: float) -> str:
    """Return how long everything took, on which device, and the seeds."""
    device = jax.devices()[0]
    return (
        f"{seconds:.0f} s. Device: {device.device_kind} ({device.platform}), "
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores; jax {jax.__version__}; "
        f"{time.strftime('%Y-%m-%d')}; seeds 0 to {family.options.seeds - 1}."
    )


def run(options: Options) -> list[claims.Claim]:
    """Train or read the family, run the four experiments, write the report, and return the judged claims."""
    began = time.perf_counter()
    family, folder = training.family(options), training.folder_of(options)
    shared = {name: getattr(options, name) for name in ("data", "out")}
    sections = [
        reconstruct.find(family, folder),
        interpolate.find(family, folder, interpolate.Options(**shared)),
        latent.find(family, folder, latent.Options(**shared)),
        cluster.find(family, folder),
    ]
    numbers: Numbers = {name: entries for section in sections for name, entries in section.numbers.items()}
    found = claims.claims(numbers, options.latents)
    path = folder / "training.png"
    _curves(family, path)
    pictures = [(path, "Training error averaged over each epoch; a line for each seed.")]
    summary, details = claims.tables(found)
    judged = Section("Claim by claim", claims.RULE, (summary,), (), {})
    evidence = Section("Every comparison", "The numbers behind the verdicts.", (details,), (), {})
    curves = Section("Training", "", (), pictures, {})
    told, where = _told(family), _where(family, time.perf_counter() - began)
    trained = ", ".join(
        f"{TITLES[kind]} {spent:.0f} s" if spent else f"{TITLES[kind]} read from disk"
        for kind, spent in family.seconds.items()
    )
    text = f"{told}\nTraining: {trained}; everything: {where}"
    title = "AE, VAE and CVAE compared"
    write_html(folder / "report.html", title, text, [judged, *sections, evidence, curves])
    rows = [{"experiment": c.experiment, "claim": c.statement, "verdict": c.verdict} for c in found]
    result = {"told": told, "where": where, "claims": rows}
    write_text(folder / "claims.json", json.dumps(result, indent=1) + "\n")
    for section in (*sections, judged):
        show(section)
    print(f"{text}\n{folder / 'report.html'}")
    return found


def main(arguments=None) -> int:
    """Run from the command line."""
    return program.main("eval.article", "AE, VAE and CVAE compared, claim by claim.", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
