"""Drawing images like a single one: samples of any size, edits made to fit in, enlargements and animations."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from genjax.data import Dataset
from genjax.data.ranges import TANH
from genjax.engine.state import State
from genjax.gans.singan import compiled, reconstructed
from genjax.metrics.patches import diversity, patch_distance
from genjax.metrics.scenes_frechet import single_image_frechet
from genjax.nn.pyramid import Size, fitted, scaled
from genjax.nn.scales import Scales, climb, noisy
from genjax.tasks.task import Page, check_conditions
from genjax.viz.grid import grid
from genjax.viz.table import image_table

COMPARED = 24
"""Samples in a score."""
SHOWN = 8
"""Samples in a picture."""
AT_ONCE = 1 << 19
"""Pixels in one call of a generator."""
LAYOUT, PATCH = 20, 7
"""Shorter side to which images are reduced to compare their layouts, and the patches of these."""


@dataclass(frozen=True, kw_only=True)
class SingleImage:
    """Draw images like the one that a pyramid of scales was trained on.

    scales: pyramid and generators.  images: the image at each scale, float32[1, height, width, channels] in [0, 1];
    zeros where the data set is absent.
    """

    dataset: Dataset
    scales: Scales
    images: Sequence[np.ndarray]

    prepare = staticmethod(TANH.prepare)

    @property
    def conditions(self) -> Mapping[str, str]:
        """What `sample` can be told, with a clause on each."""
        height, width = self.scales.pyramid.sizes[-1]
        return {
            "height": f"pixels, {height} if not given",
            "width": f"pixels, {width} if not given",
            "start": f"scale that chance begins at, 0 to {len(self.images) - 1}; those below draw the image itself",
        }

    @staticmethod
    def level(state: State) -> int:
        """Return the finest scale of a state, 0 for the coarsest."""
        return len(state.memory["lower"])

    def sizes(self, state: State, size: Size | None = None) -> tuple[Size, ...]:
        """Return the sizes of the scales up to a state's finest for an image of a size, or the trained one."""
        level = self.level(state)
        if size is None:
            return self.scales.pyramid.sizes[: level + 1]
        return tuple(scaled(size, self.scales.pyramid.factor ** (level - scale)) for scale in range(level + 1))

    def sample(
        self,
        state: State,
        key: jax.Array,
        count: int,
        *,
        height: int | None = None,
        width: int | None = None,
        start: int | None = None,
        **others: Any,
    ) -> np.ndarray:
        """Return `count` samples uint8[count, height, width, channels].

        start: scale that chance begins at, 0 if not given. Raises ValueError for others, or values out of range.
        """
        check_conditions(others, self.conditions, "this model of one image")
        size = None
        if height is not None or width is not None:
            own = self.sizes(state)[-1]
            size = (own[0] if height is None else height, own[1] if width is None else width)
        return TANH.to_bytes(self.sampled(state, key, count, size=size, start=start or 0))

    def sampled(
        self, state: State, key: jax.Array, count: int, *, size: Size | None = None, start: int = 0
    ) -> np.ndarray:
        """Return samples float32[count, height, width, channels] around [-1, 1]: see `sample`."""
        sizes = self.sizes(state, size)
        self._check(state, start, sizes)
        images = self._image_itself(state, start)
        if images.shape[1:3] != sizes[start]:
            images = jnp.clip(fitted(images, sizes[start]), -1, 1)
        return self._climbed(state, key, jnp.repeat(images, count, 0), sizes, start)

    def _check(self, state: State, start: int, sizes: Sequence[Size]) -> None:
        if not 0 <= start <= self.level(state):
            raise ValueError(
                f"start {start}: the scales of this model are 0, the coarsest, to {self.level(state)}, the finest"
            )
        field = 2 * self.scales.border + 1
        if min(sizes[-1]) < field:
            raise ValueError(
                f"{sizes[-1][0]} x {sizes[-1][1]} pixels are fewer than the {field} x {field} that a place of an image "
                "depends on; ask for more"
            )

    def _variables(self, state: State) -> list[Any]:
        frozen = state.memory["lower"]
        return [*(frozen[str(scale)] for scale in range(len(frozen))), state.variables_of("generator")]

    def _image_itself(self, state: State, level: int) -> jax.Array:
        """Return what a scale adds detail to when the image itself is drawn, zeros at the coarsest."""
        sizes = self.scales.pyramid.sizes[: level + 1]
        start = jnp.zeros((1, *sizes[0], self.scales.generators[0].channels))
        noises = [self._anchor(state, scale, sizes[scale]) for scale in range(level)]
        return climb(
            self.scales, self._variables(state)[:level], state.memory["amplitudes"], start, noises=noises, sizes=sizes,
            applied=compiled,
        )  # fmt: skip

    def _anchor(self, state: State, level: int, size: Size) -> jax.Array:
        """Return z* of a scale, framed, at another size where that is asked for: 0 above the coarsest scale."""
        shape = self.scales.noise_shape(level, size)
        if level:
            return self.scales.in_frame(jnp.zeros((1, *shape)))
        latent = state.memory["latent"]
        return self.scales.in_frame(latent if latent.shape[1:] == shape else fitted(latent, shape[:2]))

    def _climbed(
        self, state: State, key: jax.Array, images: jax.Array, sizes: Sequence[Size], start: int
    ) -> np.ndarray:
        """Return what the scales from `start` on draw of images at its size, with fresh noise, some at a time."""
        few = max(1, AT_ONCE // math.prod(sizes[-1]))
        parts = []
        for number, at in enumerate(range(0, len(images), few)):
            part = images[at : at + few]
            noises = self.scales.noise(jax.random.fold_in(key, number), len(part), sizes)[start:]
            parts.append(self._drawn(state, part, noises, sizes, start))
        return np.concatenate(parts)

    def _drawn(self, state: State, images: Any, noises: Any, sizes: Sequence[Size], start: int) -> np.ndarray:
        out = climb(
            self.scales, self._variables(state)[start:], state.memory["amplitudes"], images, noises=noises,
            sizes=sizes, first=start, applied=compiled,
        )  # fmt: skip
        return np.asarray(out)

    def made_to_fit(self, state: State, key: jax.Array, pictures: np.ndarray, start: int) -> np.ndarray:
        """Return pictures as the scales from `start` on draw them, uint8 of the same shape: painting, editing.

        pictures: uint8[count, height, width, channels]; reduced to the size of the scale below `start`, which is at
        least 1, they take the place of what that scale draws.
        """
        sizes = self.sizes(state, (pictures.shape[1], pictures.shape[2]))
        self._check(state, start, sizes)
        if start < 1:
            raise ValueError("a picture takes the place of what the scale below draws; start at scale 1 or a finer one")
        below = jnp.clip(fitted(TANH.from_bytes(pictures), sizes[start - 1]), -1, 1)
        images = self.scales.grown(below, sizes[start])
        return TANH.to_bytes(self._climbed(state, key, images, sizes, start))

    def enlarged(self, state: State, key: jax.Array, pictures: np.ndarray, factor: float) -> np.ndarray:
        """Return pictures `factor` times as high and wide: the finest generator adds detail after every enlargement.

        pictures: uint8[count, height, width, channels].  The enlargements are those of the pyramid, as nearly as their
        number is whole. Raises ValueError for a factor that does not enlarge.
        """
        if factor <= 1:
            raise ValueError(f"a factor of {factor:g} enlarges nothing; give one above 1, such as 4")
        times = max(1, round(math.log(factor) / -math.log(self.scales.pyramid.factor)))
        step, level = factor ** (1 / times), self.level(state)
        generator, own = compiled(self.scales.generators[level]), self._variables(state)[level]
        images, height, width = TANH.from_bytes(pictures), pictures.shape[1], pictures.shape[2]
        for number in range(1, times + 1):
            size = round(height * step**number), round(width * step**number)
            images = jnp.clip(fitted(images, size), -1, 1)
            noise = self.scales.noise(jax.random.fold_in(key, number), len(images), [size] * (level + 1))[-1]
            images = generator(own, *noisy(images, noise, state.memory["amplitudes"][level]))
        return TANH.to_bytes(images)

    def animated(
        self, state: State, key: jax.Array, frames: int, *, start: int = 0, alpha: float = 0.1, beta: float = 0.9
    ) -> np.ndarray:
        """Return frames uint8[frames, height, width, channels] of the image in motion.

        z' = alpha z* + (1 - alpha) (z + beta (z - z_before) + (1 - beta) u) at every scale from `start` on, u fresh
        noise, from z = 0.95 z* + 0.05 u: alpha pulls back to the image, beta keeps a motion going. Below it is still.
        Source: the authors' code of arXiv 1905.01164, random_samples.py.
        """
        sizes = self.sizes(state)
        self._check(state, start, sizes)
        first, fresh_key = jax.random.split(key)
        walks = []
        for level, (u, fresh) in enumerate(
            zip(self.scales.noise(first, 1, sizes), self.scales.noise(fresh_key, frames, sizes), strict=True)
        ):
            anchor = self._anchor(state, level, sizes[level])
            walks.append(jnp.repeat(anchor, frames, 0) if level < start else walk(anchor, u, fresh, alpha, beta))
        few = max(1, AT_ONCE // math.prod(sizes[-1]))
        zero = jnp.zeros((frames, *sizes[0], self.scales.generators[0].channels))
        parts = [slice(at, at + few) for at in range(0, frames, few)]
        drawn = [self._drawn(state, zero[part], [z[part] for z in walks], sizes, 0) for part in parts]
        return TANH.to_bytes(np.concatenate(drawn))

    def reconstruction(self, state: State) -> np.ndarray:
        """Return the image as it is drawn from z*, float32[1, height, width, channels] around [-1, 1]."""
        return np.asarray(reconstructed(self.scales, state))

    def scores(self, state: State) -> dict[str, float]:
        """Return how near the finest scale so far comes to the image at its size, and how much its samples vary.

        reconstruction_error: root of the mean square between the image in [-1, 1] and what is drawn from z*.
        diversity: of samples, see `genjax.metrics.patches`.  patch_distance: of their 5 x 5 patches from the image's;
        patch_distance_shuffled: the same of the image with its pixels shuffled, what colours alone achieve.
        layout_distance: of 7 x 7 patches of samples and image reduced to 20 pixels, which see where things are.
        single_image_frechet: the distance between one sample's features at all places and the image's (layer relu2_2
        of the library's network for drawn scenes, not Inception's), averaged over samples.
        """
        image = np.asarray(TANH.from_bytes(self.images[self.level(state)]))
        drawn = np.clip(self.reconstruction(state), -1, 1)
        samples = np.clip(self.sampled(state, jax.random.key(1), COMPARED), -1, 1)
        mixed = np.random.default_rng(0).permutation(image.reshape(-1, image.shape[-1])).reshape(image.shape)
        small = [reduced(x) for x in (samples, image)]
        return {
            "reconstruction_error": float(np.sqrt(np.mean((drawn - image) ** 2))),
            "diversity": diversity(samples, image[0]),
            "patch_distance": patch_distance(samples, image[0]),
            "patch_distance_shuffled": patch_distance(mixed, image[0]),
            "layout_distance": patch_distance(small[0], small[1][0], PATCH),
            "single_image_frechet": single_image_frechet(samples, image[0]),
        }

    def pictures(self, state: State) -> dict[str, Page]:
        """Return the image, its reconstruction and samples of its size in one grid, and samples of twice its width."""
        image = np.asarray(TANH.from_bytes(self.images[self.level(state)]))
        samples = self.sampled(state, jax.random.key(1), SHOWN)
        height, width = self.sizes(state)[-1]
        wide = self.sampled(state, jax.random.key(2), 4, size=(height, 2 * width))
        shown = (np.concatenate([image, self.reconstruction(state), samples]) + 1) / 2
        columns = 5
        heads = ["the image", "its reconstruction", "samples", *[""] * (columns - 3)]
        table = image_table(shown.reshape(-1, columns, *shown.shape[1:]), [""] * (len(shown) // columns), heads)
        return {"samples": table, "wide": grid(wide, 2, low=-1, high=1)}


def walk(anchor: Any, u: Any, fresh: Any, alpha: float, beta: float) -> np.ndarray:
    """Return the noise of every frame, float[frames, ...], by the walk of `SingleImage.animated`.

    anchor: z*, float[1, ...].  u: of the first frame.  fresh: of all frames.
    """
    anchor, u, fresh = (np.asarray(x) for x in (anchor, u, fresh))
    before, z, walked = anchor, 0.95 * anchor + 0.05 * u, []
    for noise in fresh[:, None]:
        before, z = z, alpha * anchor + (1 - alpha) * (z + beta * (z - before) + (1 - beta) * noise)
        walked.append(z)
    return np.concatenate(walked)


def softened(mask: np.ndarray, radius: float, blur: float) -> np.ndarray:
    """Return a mask grown by a disk and blurred, float32[height, width, 1] in [0, 1].

    mask: bool[height, width], true where a picture is to be drawn anew.  radius: of the disk in pixels.
    blur: standard deviation of the Gaussian filter in pixels; 0 for none.
    """
    from scipy import ndimage

    reach = int(radius)
    across = np.arange(-reach, reach + 1)
    disk = across[:, None] ** 2 + across**2 <= radius**2
    soft = ndimage.gaussian_filter(ndimage.binary_dilation(mask, disk).astype(np.float64), blur)
    return (soft / max(soft.max(), 1e-12)).astype(np.float32)[..., None]


def reduced(images: np.ndarray) -> np.ndarray:
    """Return images with a shorter side of 20 pixels, if theirs is longer."""
    factor = min(1.0, LAYOUT / min(images.shape[1:3]))
    return np.asarray(fitted(jnp.asarray(images), scaled((images.shape[1], images.shape[2]), factor)))
