"""Drawn scenes: painted solids on a floor, every factor known, at any resolution from 16 to 256.

Image i is a function of (seed, i) alone: nothing is stored, and there are as many different images as are asked for.
A camera far away looks at the floor's middle from `azimuth` (turning the scene about the vertical) and `elevation`;
each solid carries a pale wedge on its front, by which its turn can be seen. The light stays with the camera.

    factors = draw_factors(range(64))             # shapes, colours, sizes, positions, view
    drawing = render(factors, 64)                 # images, class masks, object masks, outlines
    captions(factors)                             # ["a large red cube", ...];  tokens(factors) as numbers
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from genjax.data.drawn.solids import BASE, SOLIDS
from genjax.data.drawn.uniforms import uniforms
from genjax.data.errors import DataError

SHAPES = tuple(SOLIDS)
COLOURS = {
    "red": (0.86, 0.18, 0.17),
    "orange": (0.96, 0.54, 0.12),
    "yellow": (0.95, 0.83, 0.20),
    "green": (0.22, 0.65, 0.29),
    "cyan": (0.16, 0.72, 0.78),
    "blue": (0.20, 0.34, 0.85),
    "purple": (0.53, 0.24, 0.72),
    "pink": (0.95, 0.50, 0.72),
}
WORDS = ("", "a", "small", "large", *COLOURS, *SHAPES, "left", "right", "of")
"""The captions' vocabulary; word 0 is padding."""
SIZES = {1: (0.34, 0.54), 2: (0.23, 0.37)}
ELEVATIONS = (np.pi / 12, 7 * np.pi / 36)
SMALLEST, LARGEST = 16, 256

_LIGHT = np.array([-0.48, 0.72, 0.50])
_WEDGE = 0.45


class Factors(NamedTuple):
    """What is in each scene; scene and object first.

    shape, colour: int32[scenes, objects], numbers in SHAPES and COLOURS.  size: float[scenes, objects].
    position: float[scenes, objects, 2], x and z on the floor; the image shows [-1, 1] around its middle.
    azimuth, elevation: float[scenes], radians.  background: float[scenes], a hue in [0, 1).
    """

    shape: np.ndarray
    colour: np.ndarray
    size: np.ndarray
    position: np.ndarray
    azimuth: np.ndarray
    elevation: np.ndarray
    background: np.ndarray


class Drawing(NamedTuple):
    """Pictures of the same scenes, pixel by pixel.

    images: uint8[scenes, size, size, 3].  masks: uint8[scenes, size, size], 0 the ground, 1 + shape elsewhere.
    objects: the same with 1 + the object's number.  edges: uint8[scenes, size, size, 1], black lines on white.
    """

    images: np.ndarray
    masks: np.ndarray
    objects: np.ndarray
    edges: np.ndarray


def draw_factors(indices: Sequence[int] | np.ndarray, *, objects: int = 1, seed: int = 0) -> Factors:
    """Return the factors of scenes `indices`, each drawn independently of the others.

    objects 1: anywhere near the middle, azimuth over the whole circle. objects 2: smaller, side by side as the camera
    sees them, never one inside or wholly behind the other. DataError for another number.
    """
    if objects not in SIZES:
        raise DataError(f"a scene holds 1 or 2 objects, not {objects}")
    u = uniforms(indices, 16, seed)
    each = slice(0, objects)
    azimuth = (2 * u[:, 8] - 1) * np.pi
    if objects == 1:
        angle, radius = 2 * np.pi * u[:, 11], 0.22 * np.sqrt(u[:, 12])
    else:
        # Around the camera's left and right, from which the second object stands opposite.
        angle, radius = azimuth + (u[:, 11] - 0.5) * np.pi / 2 + np.pi * (u[:, 13] < 0.5), 0.44 + 0.06 * u[:, 12]
    place = np.stack([np.cos(angle), -np.sin(angle)], -1) * radius[:, None]
    low, high = SIZES[objects]
    return Factors(
        shape=(u[:, 0:2] * len(SHAPES)).astype(np.int32)[:, each],
        colour=(u[:, 2:4] * len(COLOURS)).astype(np.int32)[:, each],
        size=(low + (high - low) * u[:, 4:6])[:, each],
        position=np.stack([place, -place], 1)[:, each],
        azimuth=azimuth,
        elevation=ELEVATIONS[0] + (ELEVATIONS[1] - ELEVATIONS[0]) * u[:, 9],
        background=u[:, 10],
    )


def captions(factors: Factors) -> list[str]:
    """Return one sentence per scene: "a large red cube", or "a small red cube left of a large blue ball"."""
    return [" ".join(WORDS[token] for token in row if token) for row in tokens(factors)]


def tokens(factors: Factors) -> np.ndarray:
    """Return the captions as numbers in WORDS: int32[scenes, 4] for one object, int32[scenes, 10] for two."""
    objects = factors.shape.shape[1]
    large = (factors.size > np.mean(SIZES[objects])).astype(np.int32)
    first_colour, first_shape = WORDS.index("red"), WORDS.index(SHAPES[0])
    parts = np.stack(
        [np.full_like(large, 1), 2 + large, first_colour + factors.colour, first_shape + factors.shape], -1
    ).astype(np.int32)
    if objects == 1:
        return parts[:, 0]
    across = seen(factors)[..., 0]
    side = np.where(across[:, 0] < across[:, 1], WORDS.index("left"), WORDS.index("right")).astype(np.int32)
    relation = np.stack([side, np.full_like(side, WORDS.index("of"))], -1)
    return np.concatenate([parts[:, 0], relation, parts[:, 1]], -1)


def sides(tokens: np.ndarray) -> np.ndarray:
    """Return what captions of two objects say of the left and of the right one: int32[scenes, 2, 3].

    tokens: int[scenes, 10], numbers in WORDS.  size: 1 for large.  Then the numbers in COLOURS and SHAPES.
    """
    first = np.array([2, WORDS.index("red"), WORDS.index(SHAPES[0])])
    both = np.stack([tokens[:, 1:4], tokens[:, 7:10]], 1) - first
    swapped = tokens[:, 4] == WORDS.index("right")
    return np.where(swapped[:, None, None], both[:, ::-1], both).astype(np.int32)


def seen(factors: Factors) -> np.ndarray:
    """Return the positions as the camera sees them, (to the right, towards it): float[scenes, objects, 2]."""
    x, z = factors.position[..., 0], factors.position[..., 1]
    c, s = np.cos(factors.azimuth)[:, None], np.sin(factors.azimuth)[:, None]
    return np.stack([c * x - s * z, s * x + c * z], -1)


def check_size(pixels: int) -> None:
    """Raise DataError for images of a side outside 16 .. 256 pixels, which are not drawn."""
    if not SMALLEST <= pixels <= LARGEST:
        raise DataError(f"scenes are drawn at {SMALLEST} to {LARGEST} pixels, not {pixels}")


def render(factors: Factors, image_size: int) -> Drawing:
    """Return pictures of the scenes, antialiased by 9 rays a pixel (4 above 32 pixels). DataError outside 16 .. 256."""
    check_size(image_size)
    rays = 3 if image_size <= 32 else 2
    chunk = max(1, (1 << 20) // (rays * image_size) ** 2)
    starts = range(0, max(len(factors.azimuth), 1), chunk)
    parts = [_render(Factors(*(field[i : i + chunk] for field in factors)), image_size, rays) for i in starts]
    return Drawing(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _render(factors: Factors, size: int, rays: int) -> Drawing:
    f = Factors(factors.shape, factors.colour, *(np.asarray(x, np.float32) for x in factors[2:]))
    scenes, objects = f.shape.shape
    side = size * rays
    place, base = seen(f), np.array(list(BASE.values()), np.float32)[f.shape] * f.size
    ticks = ((np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1)[None]
    sin_e, cos_e = np.sin(f.elevation)[:, None], np.cos(f.elevation)[:, None]
    # The image's middle shows the point 0.38 above the floor's.
    up = 0.38 * cos_e - ticks
    nearest = np.full((scenes, side, side), -np.inf, np.float32)
    surface = np.zeros((scenes, side, side), np.int16)
    shade = np.zeros((scenes, side, side), np.float32)
    pale = np.zeros((scenes, side, side), bool)
    ground = _ground(f, size, place)
    for o in range(objects):
        for number, solid in enumerate(SOLIDS.values()):
            rows = np.flatnonzero(f.shape[:, o] == number)
            if not len(rows):
                continue
            c, s = np.cos(f.azimuth[rows]), np.sin(f.azimuth[rows])
            x = (ticks - place[rows, o, :1])[:, None, :]
            y = (up * cos_e)[rows][..., None] - base[rows, o][:, None, None]
            z = (-up * sin_e)[rows][..., None] - place[rows, o, 1][:, None, None]
            cc, ss = c[:, None, None], s[:, None, None]
            a = (cc * x + ss * z, np.broadcast_to(y, (len(rows), side, side)), cc * z - ss * x)
            b = np.stack([s * cos_e[rows, 0], sin_e[rows, 0], c * cos_e[rows, 0]], -1)
            lx, ly, lz = (_LIGHT / np.linalg.norm(_LIGHT)).astype(np.float32)
            light = np.stack([c * lx + s * lz, np.full_like(c, ly), c * lz - s * lx], -1)
            t, lit, face = solid(a, b, light, f.size[rows, o][:, None, None])
            # t counts from the plane through the floor's middle for every object, so that they can be compared.
            front = t > nearest[rows]
            safe = np.where(np.isfinite(t), t, 0)
            px, pz = a[0] + safe * b[:, 0, None, None], a[2] + safe * b[:, 2, None, None]
            wedge = (np.abs(px) < _WEDGE * pz) & front
            nearest[rows] = np.where(front, t, nearest[rows])
            shade[rows] = np.where(front, 0.48 + 0.52 * np.maximum(lit, 0), shade[rows])
            pale[rows] = np.where(front, wedge, pale[rows])
            surface[rows] = np.where(front, 32 * (o + 1) + face + 8 * wedge, surface[rows])
    return _compose(f, _Seen(ground, shade, pale, surface), rays)


class _Seen(NamedTuple):
    """What each ray meets. ground: float[scenes, size, size, 3], without objects; the others [scenes, side, side].

    shade: brightness, 0 on the ground.  pale: on a wedge.  surface: 32 (1 + object) + 8 wedge + face, 0 on the ground.
    """

    ground: np.ndarray
    shade: np.ndarray
    pale: np.ndarray
    surface: np.ndarray


def _compose(f: Factors, rays_meet: _Seen, rays: int) -> Drawing:
    ground, shade, pale, surface = rays_meet
    owner = (surface >> 5).astype(np.uint8)
    shares = np.stack([_pixels(owner == o, rays) for o in range(f.shape.shape[1] + 1)], -1)
    colours = np.concatenate([np.zeros((len(owner), 1, 3)), np.array(list(COLOURS.values()))[f.colour]], 1)
    colours = colours.astype(np.float32)
    images = ground * shares[..., :1]
    for o in range(1, colours.shape[1]):
        bright = np.where(owner == o, shade, 0)
        white = _pixels(np.where(pale, bright, 0) * 0.75, rays)[..., None]
        images += (_pixels(bright, rays)[..., None] - white) * colours[:, o, None, None] + white
    objects = shares.argmax(-1).astype(np.uint8)
    classes = np.concatenate([np.zeros((len(owner), 1), np.int32), f.shape + 1], 1)
    masks = np.take_along_axis(classes, objects.reshape(len(owner), -1).astype(np.int64), 1).reshape(objects.shape)
    line = np.zeros(surface.shape, bool)
    line[:, 1:] |= surface[:, 1:] != surface[:, :-1]
    line[:, :, 1:] |= surface[:, :, 1:] != surface[:, :, :-1]
    edges = np.clip(1 - rays * _pixels(line, rays), 0, 1)[..., None]
    return Drawing(_bytes(images), masks.astype(np.uint8), objects, _bytes(edges))


def _ground(f: Factors, size: int, place: np.ndarray) -> np.ndarray:
    # A pale tint, lighter at the bottom, with a soft shadow at the right of each object's foot, where no light falls.
    ticks = ((np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1)[None]
    hue = (f.background[:, None] + np.array([0, 1 / 3, 2 / 3], np.float32)) * (2 * np.pi)
    tint = 0.80 + 0.12 * np.cos(hue)
    image = tint[:, None, None] + 0.06 * np.broadcast_to(ticks[..., None, None], (1, size, 1, 1))
    floor = -(0.38 * np.cos(f.elevation)[:, None] - ticks) / np.sin(f.elevation)[:, None]
    dark = np.zeros((len(f.azimuth), size, size), np.float32)
    for o in range(f.shape.shape[1]):
        reach = f.size[:, o][:, None, None]
        x = (ticks - place[:, o, :1])[:, None, :] / reach - 0.25
        z = (floor - place[:, o, 1:])[..., None] / reach + 0.2
        dark = np.maximum(dark, 0.45 * np.exp(-1.1 * (x**2 + z**2)))
    return image * (1 - dark[..., None])


def _pixels(samples: np.ndarray, rays: int) -> np.ndarray:
    parts = (samples[:, i::rays, j::rays].astype(np.float32) for i in range(rays) for j in range(rays))
    return np.asarray(sum(parts)) / np.float32(rays**2)


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)
