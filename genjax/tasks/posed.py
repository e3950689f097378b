"""Drawing images from a latent and a pose: samples in asked poses, turntables, and whether the azimuth turns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from genjax.engine.state import State
from genjax.metrics.pose import objects, sinusoid_fit
from genjax.tasks.generation import Generation, chosen_labels
from genjax.tasks.task import Page, check_conditions
from genjax.views import Views
from genjax.viz.grid import grid

LATENTS, ANGLES = 16, 16
"""Latents, and poses of each, from which is told how a generator turns."""
SHOWN = 6
"""Latents in a turntable."""


class Turning(NamedTuple):
    """What the azimuth does to the objects that are drawn, see `turning`."""

    azimuth_fit: float
    amplitude: float
    latent_spread: float
    identity_kept: float


@dataclass(frozen=True, kw_only=True)
class PosedGeneration(Generation):
    """Draw images that look like those of a data set, in poses; `draw` takes them in the place of labels.

    views: the ranges from which poses are drawn.
    """

    views: Views

    @property
    def conditions(self) -> Mapping[str, str]:
        """What `sample` can be told, with a clause on each."""
        told = {
            name: f"degrees, one number or one a sample; trained on {low:g} to {high:g}"
            for name, (low, high) in zip(("azimuth", "elevation"), self.views.ranges, strict=False)
        }
        return {**super().conditions, **told}

    def poses(self, count: int, *, azimuth: Any = None, elevation: Any = None) -> np.ndarray:
        """Return poses float32[count, 6]: the middle of the ranges, but for the angles that are given.

        azimuth, elevation: degrees, one number or one a pose. Raises ValueError for another number of them.
        """
        return posed(np.tile(np.array(self.views.middle, np.float32), (count, 1)), azimuth, elevation)

    def generate(self, state: State, latents: Any, labels: Any = None) -> np.ndarray:
        """Return images float32[count, height, width, channels] in the range of `pixels`, a few hundred at a time.

        labels: poses float[count, 6]; drawn from the ranges, always the same ones, if not given.
        """
        poses = self.views.draw(jax.random.key(2), len(latents)) if labels is None else labels
        return super().generate(state, latents, poses)

    def from_latents(
        self, state: State, latents: Any, labels: Sequence[int] | None = None, poses: Any = None
    ) -> np.ndarray:
        """Return the images of latents float[count, size] as bytes; poses: float[count, 6], else the middle one."""
        chosen_labels(labels, len(latents), self.classes)
        poses = self.poses(len(latents)) if poses is None else poses
        return self.pixels.to_bytes(self.generate(state, latents, poses))

    def sample(
        self,
        state: State,
        key: jax.Array,
        count: int,
        *,
        labels: Sequence[int] | None = None,
        truncation: float | None = None,
        azimuth: Any = None,
        elevation: Any = None,
        **others: Any,
    ) -> np.ndarray:
        """Return `count` samples uint8[count, height, width, channels] in poses drawn from the ranges.

        azimuth, elevation: degrees, one number or one a sample, instead of drawn ones; truncation: as in `Generation`.
        Raises ValueError for other conditions.
        """
        given = {"labels": labels, "truncation": truncation, **others}
        check_conditions(given, self.conditions, "this generator")
        latent_key, pose_key = jax.random.split(key)
        poses = posed(np.array(self.views.draw(pose_key, count)), azimuth, elevation)
        return self.from_latents(state, self.latents(latent_key, count, truncation), poses=poses)

    def traced_samples(self, state: State, key: jax.Array, count: int, labels: jax.Array | None = None) -> jax.Array:
        """Return samples uint8[count, height, width, channels] in drawn poses as a function that jax can trace."""
        latent_key, pose_key = jax.random.split(key)
        latents = self.prior.draw(latent_key, (count, self.latent))
        return self.pixels.quantised(self.draw(state, latents, self.views.draw(pose_key, count)))

    def turntable(
        self, state: State, latents: Any, *, azimuth: Sequence[float] = (), elevation: Sequence[float] = ()
    ) -> np.ndarray:
        """Return every latent in every pose as bytes: uint8[latents, poses, height, width, channels].

        azimuth, elevation: degrees, lists of one length or only one of them; the other angle is in the middle.
        """
        count = max(len(azimuth), len(elevation))
        poses = self.poses(count, azimuth=azimuth or None, elevation=elevation or None)
        every = jnp.repeat(jnp.asarray(latents), count, 0)
        images = self.from_latents(state, every, poses=np.tile(poses, (len(latents), 1)))
        return images.reshape(len(latents), count, *images.shape[1:])

    def scores(self, state: State) -> dict[str, float]:
        """Return the scores of `Generation` and, where azimuths go all around, those of `turning`."""
        return super().scores(state) | (self.turning(state)._asdict() if self.all_around else {})

    def turning(self, state: State) -> Turning:
        """Return what the azimuth does to the objects of sixteen latents, all around: see `turning`."""
        latents, angles = self.latents(jax.random.key(3), LATENTS), around(ANGLES)
        return turning(np.radians(angles), self.turntable(state, latents, azimuth=list(angles)) / 255)

    @property
    def all_around(self) -> bool:
        """Whether azimuths are drawn from the whole circle."""
        low, high = self.views.azimuth
        return high - low >= 360

    def pictures(self, state: State) -> dict[str, Page]:
        """Return a grid of 100 samples in drawn poses, and a row for each of six latents over its azimuths."""
        latents = self.latents(jax.random.key(3), SHOWN)
        low, high = self.views.azimuth
        azimuths = around(ANGLES) if self.all_around else np.linspace(low, high, ANGLES)
        table = self.turntable(state, latents, azimuth=list(azimuths))
        return {**super().pictures(state), "turntable": grid(table.reshape(-1, *table.shape[2:]), ANGLES)}


def posed(poses: np.ndarray, azimuth: Any, elevation: Any) -> np.ndarray:
    """Return poses with the angles that are given; ValueError for neither one number nor one a pose."""
    poses = poses.copy()
    for column, (name, given) in enumerate((("azimuth", azimuth), ("elevation", elevation))):
        if given is None:
            continue
        angles = np.asarray(given, np.float32)
        if angles.shape not in ((), (len(poses),)) or not np.isfinite(angles).all():
            raise ValueError(f"{name} {given} for {len(poses)} samples; give one number of degrees, or one a sample")
        poses[:, column] = angles
    return poses


def around(count: int) -> np.ndarray:
    """Return `count` azimuths in degrees, spread evenly over the circle."""
    return 360 * np.arange(count) / count


def turning(angles: np.ndarray, images: np.ndarray) -> Turning:
    """Return what turning does to the objects in images float[latents, angles, height, width, channels] in [0, 1].

    azimuth_fit: share of the variance of the objects' horizontal places, over all latents and azimuths, that one
    sinusoid of the azimuth explains: near 1 only where the azimuth moves an object as a camera's does, and the latent
    does not.  amplitude: of that sinusoid, in pixels.  latent_spread: standard deviation of these places over latents,
    at the same azimuth, in pixels.  identity_kept: share of the variance of the objects' colours that the latent
    explains: 1 where an object keeps its colour over the turn.
    angles: float[angles], radians.
    """
    latents, count = images.shape[:2]
    places, colours = objects(images.reshape(-1, *images.shape[2:]))
    right = places[:, 0].reshape(latents, count)
    fit = sinusoid_fit(np.tile(angles, latents), right.ravel())
    colours = colours.reshape(latents, count, -1)
    total = ((colours - colours.mean((0, 1))) ** 2).sum()
    within = ((colours - colours.mean(1, keepdims=True)) ** 2).sum()
    kept = 1 - within / total if total > 0 else 0.0
    return Turning(fit.r_squared, fit.amplitude, float(right.std(0).mean()), float(kept))
