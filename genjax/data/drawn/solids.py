"""Where parallel rays first meet a solid: closed forms for the shapes of the drawn scenes.

A ray is p(t) = a + t b in the solid's own frame (its centre at 0, y upwards), seen from t = +infinity. Every solid maps
    a = (x, y, z): float[scenes, rows, columns] each.  b: float[scenes, 3], unit.  light: float[scenes, 3].
    size: float[scenes, 1, 1], about its largest half extent.
to (t, lit, face): t = -inf where the ray misses, lit = normal . light, and the number of the face, 1 and up.
"""

import numpy as np

_TINY = np.float32(1e-6)
Vector = tuple[np.ndarray, np.ndarray, np.ndarray]
Meeting = tuple[np.ndarray, np.ndarray, np.ndarray | np.int16]


def ball(a: Vector, b: np.ndarray, light: np.ndarray, size: np.ndarray) -> Meeting:
    """Return the sphere of radius `size`."""
    along = _dot(a, b)
    d = along**2 - (_dot(a, a) - size**2)
    t = np.sqrt(np.maximum(d, 0)) - along
    lit = (_dot(a, light) + t * _each((b * light).sum(1))) / size
    return np.where(d > 0, t, -np.inf), lit, np.int16(1)


def box(a: Vector, b: np.ndarray, light: np.ndarray, half: Vector) -> Meeting:
    """Return the box of half extents `half`: three float[scenes, 1, 1]. Faces 1, 2, 3 look along x, y, z."""
    near, far, brightness = np.float32(-np.inf), [], []
    for axis in range(3):
        step = _each(np.where(np.abs(b[:, axis]) < _TINY, _TINY, b[:, axis]))
        reach, middle = half[axis] / np.abs(step), -a[axis] / step
        near = np.maximum(near, middle - reach)
        far.append(middle + reach)
        brightness.append(_each(light[:, axis]) * np.sign(step))
    t = np.minimum(np.minimum(far[0], far[1]), far[2])
    is_x, is_y = t == far[0], t == far[1]
    lit = np.where(is_x, brightness[0], np.where(is_y, brightness[1], brightness[2]))
    face = np.where(is_x, np.int16(1), np.where(is_y, np.int16(2), np.int16(3)))
    return np.where(t > near, t, -np.inf), lit, face


def cube(a: Vector, b: np.ndarray, light: np.ndarray, size: np.ndarray) -> Meeting:
    """Return the cube of half side 0.75 size."""
    return box(a, b, light, (0.75 * size,) * 3)


def cylinder(a: Vector, b: np.ndarray, light: np.ndarray, size: np.ndarray) -> Meeting:
    """Return the upright cylinder of radius 0.7 size and height 1.8 size, seen from above."""
    radius, height = 0.7 * size, 0.9 * size
    side, enter = _quadric(a, b, radius**2, 0.0, height)
    up = _each(b[:, 1])
    top = (height - a[1]) / up
    t, bottom = np.minimum(side, top), (-height - a[1]) / up
    x, z = (a[axis] + t * _each(b[:, axis]) for axis in (0, 2))
    lit = np.where(side < top, (x * _each(light[:, 0]) + z * _each(light[:, 2])) / radius, _each(light[:, 1]))
    hit = t > np.maximum(enter, bottom)
    return np.where(hit, t, -np.inf), lit, np.where(side < top, np.int16(1), np.int16(2))


def cone(a: Vector, b: np.ndarray, light: np.ndarray, size: np.ndarray) -> Meeting:
    """Return the upright cone of base radius 0.9 size and height 2 size, seen from above but less steeply than it."""
    slope = np.float32(0.45)
    t, enter = _quadric(a, b, 0.0, slope, size)
    x, y, z = (a[axis] + t * _each(b[:, axis]) for axis in range(3))
    bottom = (-size - a[1]) / _each(b[:, 1])
    # The equation's other half, above the apex, is no part of the cone.
    hit = (t > np.maximum(enter, bottom)) & (y < size)
    drop = size - y
    normal = (x, slope**2 * drop, z)
    lit = _dot(normal, light) / np.maximum(slope * np.abs(drop) * np.sqrt(1 + slope**2), _TINY)
    return np.where(hit, t, -np.inf), lit, np.int16(1)


def cross(a: Vector, b: np.ndarray, light: np.ndarray, size: np.ndarray) -> Meeting:
    """Return an upright and a level bar that meet: along y and along x, each 2 size long and 0.6 size thick."""
    thin = 0.3 * size
    t1, lit1, face1 = box(a, b, light, (thin, size, thin))
    t2, lit2, face2 = box(a, b, light, (size, thin, thin))
    # Their z faces lie in one plane and are one face.
    face2 = np.where(face2 < 3, face2 + np.int16(3), face2)
    return np.maximum(t1, t2), np.where(t1 >= t2, lit1, lit2), np.where(t1 >= t2, face1, face2)


SOLIDS = {"ball": ball, "cube": cube, "cylinder": cylinder, "cone": cone, "cross": cross}
BASE = {"ball": 1.0, "cube": 0.75, "cylinder": 0.9, "cone": 1.0, "cross": 1.0}
"""How far below its centre each solid touches the floor, over size."""


def _each(x: np.ndarray) -> np.ndarray:
    return x[:, None, None]


def _dot(a: Vector, b: Vector | np.ndarray) -> np.ndarray:
    parts = b if isinstance(b, tuple) else tuple(_each(b[:, axis]) for axis in range(3))
    return a[0] * parts[0] + a[1] * parts[1] + a[2] * parts[2]


def _quadric(
    a: Vector, b: np.ndarray, radius2: np.ndarray | float, slope: np.float32 | float, height: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    # Roots of x^2 + z^2 = radius2 + slope^2 (height - y)^2 along the ray, the seen one first; a miss enters nowhere.
    bx, by, bz = (_each(b[:, axis]) for axis in range(3))
    drop = height - a[1]
    square = bx**2 + bz**2 - slope**2 * by**2
    half = a[0] * bx + a[2] * bz + slope**2 * drop * by
    d = half**2 - square * (a[0] ** 2 + a[2] ** 2 - radius2 - slope**2 * drop**2)
    root = np.sqrt(np.maximum(d, 0))
    return (root - half) / square, np.where(d > 0, (-root - half) / square, np.inf)
