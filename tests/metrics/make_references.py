"""Writes references.npz, what independent implementations say of small sets; run by hand, not by the tests.

    python -m tests.metrics.make_references

Made with scikit-image 0.26.0, prdc 0.2 (Naeem et al.'s own package), scikit-learn 1.9.1 and TensorFlow 2.21.0.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf
from prdc import compute_prdc
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from tests.metrics.references import pattern


def scores_of_pair(x, y, channel_axis):
    similarity = structural_similarity(
        x, y, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0, channel_axis=channel_axis
    )
    return peak_signal_noise_ratio(y, x, data_range=1.0), similarity


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
    np.savez_compressed(Path(__file__).parent / "references.npz", **saved)


if __name__ == "__main__":
    main()
