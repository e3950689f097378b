"""The density of a PresGAN: its noise, samples with it and without, and log p(x) of images it has not seen.

    python -m eval.density runs/presgan-digits [options]

Writes into the run's folder
    samples-with-noise.png  mu(z), and mu(z) + sigma eta beside it
    sigma.png               the histogram of sigma, and where in the picture it is how large
    density.json            log p(x) of test and training images by annealed importance sampling, in nats and bits a
                            dimension

The estimate is below log p(x) on average, and rises to it with --temperatures and --chains: compare equal numbers only.
It stands beside a Gaussian of the training images' mean and covariance, with a variance of 0.01^2 added, and beside the
mixture's own density where points of a mixture are drawn. It is the density of pixels in [-1, 1] as they are stored,
without noise between grey levels, so that it is no match for numbers of discrete models.
"""

import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import numpy as np
import tyro

from genjax.data import Mixture
from genjax.environment import environment
from genjax.files import write_text
from genjax.gans import presgan
from genjax.metrics.likelihood import annealed_bound
from genjax.run import program
from genjax.run.load import Trained, load
from genjax.run.options import SEED, at_least
from genjax.tasks.generation import spread_rows
from genjax.tasks.plane import scatter
from genjax.viz.figure import page
from genjax.viz.grid import grid, save_page
from train.presgan import Hyper, networks

RIDGE = 0.01**2
"""Variance added to that of the Gaussian to compare with: pixels that never change have none."""
AT_ONCE = 50
"""Images whose chains run in one call."""
COLUMNS = 10


@dataclass(frozen=True)
class Options:
    """Of which images, how carefully."""

    run: Annotated[Path, tyro.conf.Positional] = Path()
    """Folder of a run of train.presgan."""
    count: Annotated[int, at_least(1)] = 100
    """Test images, and as many training images."""
    temperatures: Annotated[int, at_least(1)] = 500
    """Stairs from the prior to the posterior."""
    chains: Annotated[int, at_least(1)] = 16
    """Chains of every image."""
    seed: Annotated[int, SEED] = 0
    """Of the chains, and of the samples."""


class Density(NamedTuple):
    """A trained PresGAN as a density.

    sigma: float32[1, height, width, 1].  mean: latents float[count, latent] -> mu, as large as the images.
    """

    sigma: jax.Array
    mean: Callable[[jax.Array], jax.Array]
    latent: int


def density_of(model: Trained) -> Density:
    """Return mu and sigma of a run; ValueError for one of another recipe."""
    if not isinstance(model.options, Hyper):
        raise ValueError(f"{model.folder} is a run of {model.recipe.name}; a density has train.presgan alone")
    generator, _, noise = networks(model.options, model.dataset)
    variables_of = partial(model.state.variables_of, ema=model.options.ema is not None)
    sigma: Any = noise.apply(variables_of("noise"))
    return Density(sigma, jax.jit(partial(generator.apply, variables_of("generator"))), model.options.latent)


def samples(density: Density, key: jax.Array, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return `count` samples without noise, and the same ones with it."""
    latent_key, noise_key = jax.random.split(key)
    means = density.mean(jax.random.normal(latent_key, (count, density.latent)))
    return np.asarray(means), np.asarray(means + density.sigma * jax.random.normal(noise_key, means.shape))


def log_density(density: Density, images: np.ndarray, key: jax.Array, options: Options) -> np.ndarray:
    """Return the estimate of log p(x), float[count] in nats, of images as the generator draws them."""

    @jax.jit
    def estimate(images, key):
        def likelihood(latents):
            return presgan.log_likelihood(images, density.mean(latents), density.sigma)

        careful = {"temperatures": options.temperatures, "chains": options.chains}
        return annealed_bound(likelihood, (len(images), density.latent), key, **careful)

    starts = range(0, len(images), AT_ONCE)
    return np.concatenate([estimate(images[at : at + AT_ONCE], jax.random.fold_in(key, at)) for at in starts])


def rows_of(split: Any, prepare: Any, count: int) -> np.ndarray:
    """Return up to `count` images of a split, spread evenly, as the losses see them."""
    batch = split.take(spread_rows(len(split), count))
    return np.asarray(prepare({"images": batch["images"]}, jax.random.key(0))["images"])


def gaussian(train: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Return log N(x; mean, covariance + RIDGE I) of images, float[count], the moments those of training images."""
    known, x = (each.reshape(len(each), -1).astype(np.float64) for each in (train, images))
    covariance = np.cov(known.T) + RIDGE * np.eye(known.shape[1])
    scaled = np.linalg.solve(np.linalg.cholesky(covariance), (x - known.mean(0)).T)
    return -0.5 * ((scaled**2).sum(0) + np.linalg.slogdet(2 * math.pi * covariance)[1])


def mixture_density(mixture: Mixture, points: np.ndarray) -> np.ndarray:
    """Return log p(x) of points float[count, 2] under the mixture that they come from, float[count]."""
    distance = ((points[:, None] - mixture.centres[None]) ** 2).sum(-1) / mixture.deviation**2
    normal = -0.5 * distance - math.log(2 * math.pi * mixture.deviation**2 * len(mixture.centres))
    return np.logaddexp.reduce(normal, 1)


def told(values: np.ndarray, dimensions: int) -> dict[str, float]:
    """Return the mean of log densities, its standard error, and bits a dimension."""
    mean = float(values.mean())
    error = float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan
    return {"nats": mean, "error": error, "bits_a_dimension": -mean / dimensions / math.log(2)}


def measure(model: Trained, density: Density, options: Options) -> dict[str, Any]:
    """Return what density.json holds."""
    prepare, dataset = model.task.prepare, model.dataset
    test, train = (rows_of(split, prepare, options.count) for split in (dataset.test, dataset.train))
    dimensions, key = math.prod(test.shape[1:]), jax.random.key(options.seed)
    found = {
        "test images": log_density(density, test, jax.random.fold_in(key, 0), options),
        "training images": log_density(density, train, jax.random.fold_in(key, 1), options),
        "test images, a Gaussian": gaussian(rows_of(dataset.train, prepare, 10_000), test),
    }
    if dataset.mixture is not None:
        found["test images, the mixture itself"] = mixture_density(dataset.mixture, test.reshape(-1, 2))
    sigma = np.asarray(density.sigma, np.float64)
    return {
        "images": len(test),
        "temperatures": options.temperatures,
        "chains": options.chains,
        "step": int(model.state.step),
        "log_density": {name: told(values, dimensions) for name, values in found.items()},
        "sigma": {name: float(getattr(np, name)(sigma)) for name in ("min", "mean", "max")},
        "environment": environment(),
    }


def sigma_page(sigma: np.ndarray) -> np.ndarray:
    """Return a picture of the scales of the noise, float[height, width]: how many are how large, and where."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2)
    left.hist(sigma.ravel(), bins=30, range=(0, 1.05 * float(sigma.max())), color="tab:blue")
    left.set(xlabel="sigma", ylabel="pixels")
    shown = right.imshow(sigma, vmin=0, cmap="viridis")
    right.set(xticks=[], yticks=[])
    figure.colorbar(shown, ax=right, label="sigma")
    return page(figure)


def samples_page(model: Trained, density: Density, key: jax.Array) -> np.ndarray:
    """Return a picture of samples without noise and with it: rows in turn, or clouds side by side."""
    mixture = model.dataset.mixture
    if mixture is not None:
        clouds = zip(samples(density, key, 1000), ("mu(z)", "with noise"), strict=True)
        return np.concatenate([scatter(points.reshape(-1, 2), mixture, title) for points, title in clouds], 1)
    means, noisy = (x.reshape(3, COLUMNS, *x.shape[1:]) for x in samples(density, key, 3 * COLUMNS))
    images, pixels = np.stack([means, noisy], 1).reshape(-1, *means.shape[2:]), model.task.pixels
    return grid(images, COLUMNS, low=pixels.low, high=pixels.high, row_labels=["mu(z)", "with noise"] * 3)


def run(options: Options) -> None:
    """Draw, estimate, print and write."""
    model = load(options.run, with_data=True)
    density = density_of(model)
    save_page(options.run / "samples-with-noise.png", samples_page(model, density, jax.random.key(options.seed)))
    save_page(options.run / "sigma.png", sigma_page(np.asarray(density.sigma)[0, :, :, 0]))
    result = measure(model, density, options)
    write_text(options.run / "density.json", json.dumps(result, indent=2) + "\n")
    scale = result["sigma"]
    print(f"sigma {scale['mean']:.4f} on average, {scale['min']:.4f} to {scale['max']:.4f}\n")
    print("| log p(x) of | nats | bits a dimension |\n|---|---|---|")
    for name, value in result["log_density"].items():
        print(f"| {name} | {value['nats']:.2f} ± {value['error']:.2g} | {value['bits_a_dimension']:.3f} |")
    print(options.run / "density.json", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program from the command line."""
    return program.main("eval.density", "Noise, samples and log density of a PresGAN.", Options(), run, arguments)


if __name__ == "__main__":
    raise SystemExit(main())
