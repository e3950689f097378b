"""Writes references.npz, what independent implementations say of small sets; run by hand, not by the tests.

    python -m tests.metrics.make_references

Made with scikit-image 0.26.0, prdc 0.2 (Naeem et al.'s own package), scikit-learn 1.9.1, TensorFlow 2.21.0 and
torchmetrics 1.9.0.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf
import torch
from prdc import compute_prdc
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import perceptual_path_length

from tests.metrics.references import pattern


def scores_of_pair(x, y, channel_axis):
    similarity = structural_similarity(
        x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0, channel_axis=channel_axis
    )
    return peak_signal_noise_ratio(y, x, data_range=1.0), similarity


class Generator(torch.nn.Module):
    """Images tanh(z A / |z|) of latents that are handed out in order; torchmetrics takes images in [0, 255]."""

    def __init__(self, latents, matrix):
        super().__init__()
        self.latents, self.matrix = iter(torch.tensor(latents).double()), torch.tensor(matrix).double()

    def sample(self, count):
        return next(self.latents)

    def forward(self, z):
        return 127.5 * (torch.tanh(z / z.norm(dim=-1, keepdim=True) @ self.matrix) + 1)


class Distance(torch.nn.Module):
    """The squared distance of unit features |x B|."""

    def __init__(self, matrix):
        super().__init__()
        self.matrix = torch.tensor(matrix).double()

    def forward(self, first, second):
        features = [image @ self.matrix for image in (first, second)]
        first, second = (f / f.norm(dim=-1, keepdim=True) for f in features)
        return ((first - second) ** 2).sum(-1)


def path_lengths(random):
    """Return latents, matrices and the path length from one end of the walk, straight and over the sphere.

    The count makes the 1st and 99th percentiles samples, for torchmetrics rounds the upper one down and the authors up;
    latents have length 1, for it does not normalise them before it mixes them, and the authors do.
    """
    latents = random.normal(size=(2, 201, 4))
    latents = (latents / np.linalg.norm(latents, axis=-1, keepdims=True)).astype(np.float32)
    matrices = random.normal(size=(4, 12)).astype(np.float32), random.normal(size=(12, 6)).astype(np.float32)
    saved = {"latents": latents, "to_image": matrices[0], "to_features": matrices[1]}
    for method in ("lerp", "slerp_unit"):
        mean, _, kept = perceptual_path_length(
            Generator(latents, matrices[0]),
            num_samples=201,
            interpolation_method=method,
            epsilon=1e-2,
            sim_net=Distance(matrices[1]),
        )
        saved[method] = np.array([mean, len(kept)])
    return saved


def main():
    random = np.random.default_rng(0)
    smooth = random.uniform(0, 255, (2, 5, 6, 3)).repeat(6, 1).repeat(7, 2)
    targets = np.clip(smooth + random.normal(0, 20, smooth.shape), 0, 255).astype(np.uint8)
    images = np.clip(0.8 * targets + random.normal(0, 15, targets.shape) + 20, 0, 255).astype(np.uint8)
    x, y = images / 255, targets / 255
    cut = (slice(4, -4), slice(4, -4))
    luma_x, luma_y = (np.stack([rgb2ycbcr(a)[..., 0] / 255 for a in batch]) for batch in (x, y))
    saved = {
        "images": images,
        "targets": targets,
        "colour": np.array([scores_of_pair(a, b, -1) for a, b in zip(x, y, strict=True)]),
        "luma": luma_x,
        "luma_cut": np.array([scores_of_pair(a[cut], b[cut], None) for a, b in zip(luma_x, luma_y, strict=True)]),
    }
    for name, draw in (
        ("tied", lambda count: random.integers(0, 4, (count, 3)).astype(np.float32)),
        ("free", lambda count: random.normal(size=(count, 3)).astype(np.float32)),
    ):
        real, fake = draw(60), draw(45) + np.float32(1)
        saved |= {f"{name}_real": real, f"{name}_fake": fake}
        for k in (3, 5):
            found = compute_prdc(real, fake, k)
            saved[f"{name}_{k}"] = np.array([found[key] for key in ("precision", "recall", "density", "coverage")])
    for height, width in ((13, 40), (350, 411)):
        resized = tf.compat.v1.image.resize_bilinear(pattern(height, width).astype(np.float32), (299, 299))
        saved[f"resized_{height}"] = resized.numpy()[0, ::23, ::31]
    saved |= path_lengths(random)
    np.savez_compressed(Path(__file__).parent / "references.npz", **saved)


if __name__ == "__main__":
    main()
