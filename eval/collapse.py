"""Sum against mean: what the reduction of the reconstruction term does to a VAE's posterior.

    python -m eval.collapse [options]
    python -m eval.collapse --data mnist.npz --batch-size 1000 --epochs 20

The network of the PyTorch article (pixels-20-10, ReLU, batch norm, dropout 0.2). A loss that averages where it should
sum is, for Adam, the same loss with another weight on the KL: averaged over pixels but not latents, `pixels` times
the bound's. So every row is the library's own loss with that weight, and all rows train in one compiled program.
Writes curves, a table that says where the posterior collapsed onto the prior, and `collapse.json`.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from genjax import data
from genjax.autoencoders import vae
from genjax.data import Dataset, pipeline, transforms
from genjax.engine import State, init_state, make_run, make_step
from genjax.losses.divergence import kl_standard_normal
from genjax.metrics.latent import Collapse, collapse_alarm, mean_image_nll
from genjax.nn.coders import DenseDecoder, DenseEncoder
from genjax.nn.initializers import TORCH
from genjax.run import program
from genjax.run.options import above, at_least

from .comparison import probing, training
from .comparison.report import Numbers, Section, Table, save_figure, save_numbers, show, spread


@dataclass(frozen=True)
class Options:
    """What is trained, and how."""

    data: str = "digits"
    """digits, PATH.npz, idx:DIR or tfds:NAME, in memory."""
    out: Path | None = None
    """Where pictures and tables go; runs/collapse-<data> if not given."""
    epochs: Annotated[int, at_least(1)] = 200
    """Passes over the training images."""
    seeds: Annotated[int, at_least(1)] = 3
    """Models for each reduction."""
    batch_size: Annotated[int, at_least(1)] = 100
    """Images in a batch."""
    latent: Annotated[int, at_least(1)] = 10
    """Size of the latent."""
    hidden: Annotated[int, at_least(1)] = 20
    """Hidden units of encoder and decoder."""
    learning_rate: Annotated[float, above(0)] = 1e-3
    """Adam's."""


class Reduction(NamedTuple):
    """How a loss reduces its two terms. beta: the weight of the KL relative to the bound's, per image."""

    name: str
    label: str
    beta: float


def reductions(pixels: int, latent: int, batch: int) -> tuple[Reduction, ...]:
    """Return the reductions met in practice, the right one first."""
    return (
        Reduction("both summed over pixels and latents (the bound)", "both summed", 1.0),
        Reduction("reconstruction mean over pixels, KL mean over latents", "both mean", pixels / latent),
        Reduction("reconstruction mean over pixels, KL summed over latents", "mean and sum", pixels),
        Reduction("reconstruction mean over all, KL summed over batch too", "mean and sum of all", pixels * batch),
        Reduction("no KL at all", "no KL", 0.0),
    )


def train(options: Options, dataset: Dataset, betas: np.ndarray) -> tuple[vae.VAE, State, dict[str, np.ndarray]]:
    """Return the model, states [betas, seeds, ...] and metrics [epochs, betas, seeds], trained together."""
    torch: dict[str, Any] = {"activation": nn.relu, "initializer": TORCH}
    model = vae.VAE(
        DenseEncoder((options.hidden,), batch_norm=True, **torch),
        DenseDecoder((options.hidden,), dropout=0.2, **torch),
        options.latent,
        dataset.shape,
    )
    tx = optax.adam(options.learning_rate)
    prepare: Any = transforms.scale
    source = {"images": jnp.asarray(training.arrays_of(dataset.train)["images"])}

    @jax.jit
    def begin(seeds):
        keys = jax.vmap(jax.random.key)(seeds)
        return jax.vmap(partial(init_state, vae.game(model, tx)))(keys), keys

    @partial(jax.jit, donate_argnums=0)
    def run_epoch(states, keys, betas, indices):
        def run(state, key, beta):
            step = make_step(vae.game(model, tx, beta=lambda _: beta))
            return make_run(step, prepare)(state, source, indices, key)

        return jax.vmap(run)(states, keys, betas)

    seeds = jnp.tile(jnp.arange(options.seeds), len(betas))
    states, keys = begin(seeds)
    weights = jnp.repeat(jnp.asarray(betas, jnp.float32), options.seeds)
    steps = pipeline.units_per_epoch(len(dataset.train), options.batch_size)
    history = []
    for epoch in range(options.epochs):
        indices = pipeline.order(len(dataset.train), options.batch_size, 0, epoch * steps, steps)
        states, metrics = run_epoch(states, keys, weights, indices[:, None])
        history.append({name.partition("/")[2]: value.mean(1) for name, value in metrics.items()})
    shape = (len(betas), options.seeds)
    curves = {name: np.stack([np.reshape(row[name], shape) for row in history]) for name in history[0]}
    return model, jax.tree.map(lambda x: x.reshape(*shape, *x.shape[1:]), states), curves


@partial(jax.jit, static_argnums=0)
def _test(model, variables, images, key):
    mean, log_variance = model.apply(variables, images, method="encode")

    def nll(latent):
        return model.likelihood.nll(model.apply(variables, latent, method="decode"), images)

    drawn = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(key, mean.shape)
    return mean, kl_standard_normal(mean, log_variance), nll(drawn), nll(mean)


def judge(model: vae.VAE, state: State, images: jax.Array, seed: int) -> tuple[Collapse, float]:
    """Return the signs of collapse on test images, and the error at the posterior's mean, nats per image."""
    mean, kl, nll, at_mean = _test(model, state.variables_of("vae"), images, jax.random.key(seed))
    return collapse_alarm(mean, kl, nll, images), float(at_mean.mean())


def _curves(rows: tuple[Reduction, ...], curves: dict[str, np.ndarray], floor: float, path: Path) -> None:
    """Draw reconstruction error and KL in training over epochs; each row's seeds in one colour."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = np.arange(1, len(curves["nll"]) + 1)
    for index, row in enumerate(rows):
        for seed in range(curves["nll"].shape[2]):
            # Dashes that take turns, for the rows that collapse lie on each other.
            dash: Any = (4 * index, (4, 8)) if 1 <= index <= 3 else "-"
            style: Any = {"color": f"C{index}", "linestyle": dash, "label": row.label if seed == 0 else None}
            left.plot(epochs, curves["nll"][:, index, seed], **style)
            right.plot(epochs, np.maximum(curves["kl"][:, index, seed], 1e-6), **style)
    left.axhline(floor, color="grey", linestyle="--", linewidth=1, label="mean image")
    right.axhline(0.01, color="grey", linestyle=":", linewidth=1)
    right.text(epochs[-1], 0.013, "alarm: below 0.01 nats", color="grey", fontsize=8, ha="right")
    left.set(title="Reconstruction error in training", xlabel="epoch", ylabel="nats per image")
    left.set_ylim(0.9 * float(curves["nll"].min()), 1.35 * floor)
    right.set(title="KL of the posterior from the prior", xlabel="epoch", ylabel="nats per image", yscale="log")
    for panel in (left, right):
        panel.grid(alpha=0.3)
    left.legend(fontsize=8, loc="upper right")
    save_figure(path, figure)


def find(options: Options, folder: Path) -> Section:
    """Train with every reduction; return and write what came of it."""
    dataset = data.load(options.data)
    if not all(isinstance(split, data.Arrays) for split in (dataset.train, dataset.test)):
        raise ValueError(f"--data {options.data}: this program needs images that fit in memory")
    rows = reductions(int(np.prod(dataset.shape)), options.latent, options.batch_size)
    model, states, curves = train(options, dataset, np.array([row.beta for row in rows]))
    images = jnp.asarray(probing.test_images(dataset)[0])
    floor = float(mean_image_nll(images))
    numbers: Numbers = {}
    lines, messages = [], []
    for index, row in enumerate(rows):
        found = [
            judge(model, jax.tree.map(lambda x, at=(index, seed): x[at], states), images, seed)
            for seed in range(options.seeds)
        ]
        values = {
            "nll": np.array([alarm.nll for alarm, _ in found]),
            "kl": np.array([alarm.kl for alarm, _ in found]),
            "active units": np.array([float(alarm.active) for alarm, _ in found]),
            "nll at the mean": np.array([at_mean for _, at_mean in found]),
            "collapsed": np.array([float(alarm.collapsed) for alarm, _ in found]),
        }
        for name, value in values.items():
            numbers.setdefault(name, {})[row.label, options.latent] = value
        kl = spread(values["kl"], 2 if values["kl"].mean() > 0.1 else 4)
        lines.append(
            (
                row.name,
                f"{row.beta:g}",
                spread(values["nll"]),
                kl,
                spread(values["active units"], 1),
                spread(values["nll at the mean"]),
                f"{int(values['collapsed'].sum())} of {options.seeds}",
            )
        )
        messages.append((row.label, found[0][0].message))
    table = Table(
        f"Test images, nats per image (mean ± spread over seeds); the mean image alone scores {floor:.2f}",
        ("reduction of the loss", "weight of the KL", "error", "KL", "active units", "error at the mean", "collapsed"),
        lines,
    )
    alarm = Table("What the library's alarm says, first seed", ("reduction", "alarm"), messages)
    path = folder / "collapse.png"
    _curves(rows, curves, floor, path)
    save_numbers(folder / "collapse.json", numbers)
    text = (
        "What counts is that pixels and latents are both summed; whether the batch is summed or averaged changes "
        "nothing under Adam, as long as both terms do it. Without the KL the reconstruction is best, but draws from "
        "the prior mean nothing to the decoder. A hidden unit that died in training has a batch-norm variance of 0: a "
        "test image that wakes it gets a code far out, and alone can raise the mean KL of a collapsed model."
    )
    pictures = [(path, "Error and KL while training.")]
    return Section("Sum against mean: posterior collapse", text, (table, alarm), pictures, numbers)


def main(arguments=None) -> int:
    """Run from the command line."""

    def run(options: Options) -> None:
        show(find(options, options.out or training.named_folder("collapse", options.data)))

    return program.main("eval.collapse", "Sum against mean, and posterior collapse.", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
