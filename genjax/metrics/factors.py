"""What does a code change? Properties of drawn images by their moments, and the share that a code explains of each."""

import numpy as np


def properties(images: np.ndarray) -> dict[str, np.ndarray]:
    """Return simple properties of bright things on dark ground, float[count] each, in pixels but for ink and slant.

    With brightness as mass: "ink", the mean brightness in [0, 1]; "across" and "down", the place of the centre of mass;
    "width" and "height", the standard deviations of mass about it; "slant", the slope covariance / variance down, by
    which rows are shifted sideways per row: positive where what is lower lies further right. Images are uint8 or float
    in [0, 1], [count, height, width, channels]; channels are averaged. An image without mass has its centre in the
    middle and no width, height or slant. Raises ValueError for other shapes.
    """
    images = np.asarray(images)
    if images.ndim != 4:
        raise ValueError(f"images are [count, height, width, channels], not {list(images.shape)}")
    scale = 255 if images.dtype == np.uint8 else 1
    mass = images.astype(np.float64).mean(-1) / scale
    total = mass.sum((1, 2))
    safe = np.where(total > 0, total, 1)
    down, across = (np.arange(side, dtype=np.float64) - (side - 1) / 2 for side in mass.shape[1:])
    rows, columns = mass.sum(2) / safe[:, None], mass.sum(1) / safe[:, None]
    x, y = columns @ across, rows @ down
    xx, yy = columns @ across**2 - x**2, rows @ down**2 - y**2
    xy = np.einsum("nij,i,j->n", mass, down, across) / safe - x * y
    width, height = np.sqrt(np.maximum(xx, 0)), np.sqrt(np.maximum(yy, 0))
    slant = np.where(yy > 1e-9, xy / np.where(yy > 1e-9, yy, 1), 0.0)
    return {
        "ink": mass.mean((1, 2)), "across": x, "down": y, "width": width, "height": height, "slant": slant,
    }  # fmt: skip


def explained(codes: np.ndarray, values: np.ndarray, groups: np.ndarray | None = None) -> float:
    """Return the share R^2 in [0, 1] of the values' variance within groups that a straight line in the code explains.

    One slope for all groups, an offset for each: groups are the categorical code, so that a class's own width, say,
    counts neither for nor against. codes: float[count].  values: float[count, ...], of several, such as the pixels of
    images, each with its own slope and offsets, the share of their summed variance.  groups: int[count].  0 where
    either does not vary. Noise alone gives 1 / count on average. Raises ValueError for different counts.
    """
    codes, values = (np.asarray(x, np.float64) for x in (codes, values))
    groups = np.zeros(len(codes), int) if groups is None else np.asarray(groups)
    if not codes.shape == values.shape[:1] == groups.shape:
        raise ValueError(f"{codes.shape} codes, {values.shape} values and {groups.shape} groups; give as many of each")
    _, where = np.unique(groups, return_inverse=True)
    members = np.eye(where.max() + 1)[where]
    means = members / members.sum(0)

    def centred(x: np.ndarray) -> np.ndarray:
        return x - members @ (means.T @ x)

    a, b = centred(codes), centred(values.reshape(len(values), -1))
    spread = (a @ a) * (b**2).sum()
    return float(((a @ b) ** 2).sum() / spread) if spread > 1e-20 else 0.0
