"""BigGAN by its first author's PyTorch code, and BigGAN-deep as DeepMind released it.

biggan-..       ajbrock/BigGAN-PyTorch @9845943, files G_ema.pth: attention at 64 pixels, batch norm's epsilon 1e-5,
                spectral norm iterated once more in evaluation. Released at 128 pixels.
biggan-deep-..  huggingface/pytorch-pretrained-BigGAN @1e18aed, files pytorch_model.bin, with the weights of TensorFlow
                Hub: epsilon 1e-4, statistics of batch norm for 51 truncations from 0 to 1, between which they are
                interpolated (the package gives the lower one the weight of the upper), and a last convolution of which
                three channels are used.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from genjax.gans import biggan
from genjax.gans.published import layers
from genjax.gans.published.layers import SPECTRAL, Kernel, Published, Row, Rows
from genjax.nn.residual import doublings
from genjax.nn.weights import Plain

ITERATED = Kernel(("weight", "u0"), layers.iterated)
STATISTICS = ("stored_mean", "stored_var")
DEEP_STATISTICS = ("running_means", "running_vars")


def generator(
    size: int,
    first: int,
    widths: Sequence[int],
    *,
    latent: int,
    attention: int | None = 64,
    embedding: int = 128,
) -> Published:
    """Return the first author's network; embedding 0: norms have tables of classes, and the latent is not cut."""
    shared = embedding > 0
    network = biggan.Generator(
        size, 3, first, tuple(widths), 0, attention, embedding, shared, epsilon=1e-5, weight=Plain
    )  # fmt: skip
    _, place = biggan.layout(size, len(widths), attention)
    rows: dict[str, Row] = {
        **layers.dense_to_pixels("first", "linear", doublings(size, len(widths)), ITERATED),
        **layers.conv("last", "output_layer.2", ITERATED),
        "params/norm/BatchNorm_0/scale": layers.same("output_layer.0.gain"),
        "params/norm/BatchNorm_0/bias": layers.same("output_layer.0.bias"),
        **layers.statistics("norm", "output_layer.0", STATISTICS),
    }
    if shared:
        rows["params/embedding/table"] = layers.same("shared.weight")
    for block in range(len(widths)):
        for ours, theirs in {"Conv_0": "conv1", "Conv_1": "conv2", "shortcut": "conv_sc"}.items():
            rows |= layers.conv(f"block_{block}/{ours}", f"blocks.{block}.0.{theirs}", ITERATED)
        for norm in (0, 1):
            ours, theirs = f"block_{block}/ConditionalNorm_{norm}", f"blocks.{block}.0.bn{norm + 1}"
            rows |= layers.statistics(f"{ours}/BatchNorm_0", theirs, STATISTICS)
            for part in ("gain", "bias"):
                if shared:
                    rows |= layers.dense(f"{ours}/{part}", f"{theirs}.{part}", ITERATED, bias=False)
                else:
                    rows[f"params/{ours}/{part}/kernel"] = layers.same(f"{theirs}.{part}.weight")
    if place is not None:
        rows |= layers.self_attention("attention", f"blocks.{place}.1", ITERATED)
    classes = "shared.weight" if shared else "blocks.0.0.bn1.gain.weight"
    return Published(network, rows, latent, classes, ignored=r".*\.(sv0|u0)")


def deep_generator(
    size: int, first: int, widths: Sequence[int], *, latent: int = 128, attention: int = 64, classes: int = 1000
) -> Published:
    """Return the released BigGAN-deep of that size; its embedding is as long as its latent."""
    network = biggan.DeepGenerator(size, 3, first, tuple(widths), classes, attention, latent, weight=Plain)
    _, place = biggan.layout(size, len(widths), attention)
    assert place is not None
    rows: dict[str, Row] = {
        "params/embedding/table": Row(("embeddings.weight",), np.transpose),
        **_told("first", "generator.gen_z", latent, bias=True),
        "params/norm/BatchNorm_0/scale": layers.same("generator.bn.weight"),
        "params/norm/BatchNorm_0/bias": layers.same("generator.bn.bias"),
        **_three(layers.conv("last", "generator.conv_to_rgb", SPECTRAL)),
        **layers.self_attention(
            "attention", f"generator.layers.{2 * (place + 1)}", SPECTRAL,
            {"query": "snconv1x1_theta", "key": "snconv1x1_phi", "value": "snconv1x1_g", "output": "snconv1x1_o_conv"},
        ),
    }  # fmt: skip
    rows["params/attention/gamma"] = Row(rows["params/attention/gamma"].names, np.squeeze)
    norms = {"norm": "generator.bn"}
    for block in range(2 * len(widths)):
        ours = f"block_{block // 2}_{block % 2}"
        theirs = f"generator.layers.{block + (block >= 2 * (place + 1))}"
        for number in range(4):
            rows |= layers.conv(f"{ours}/conv{number + 1}", f"{theirs}.conv_{number}", SPECTRAL)
            norm, bn = f"{ours}/ConditionalNorm_{number}", f"{theirs}.bn_{number}"
            rows |= _told(f"{norm}/gain", f"{bn}.scale", latent)
            rows |= _told(f"{norm}/bias", f"{bn}.offset", latent)
            norms[f"{norm}/BatchNorm_0"] = bn
    return Published(network, rows, latent, None, at_truncation=partial(_at_truncation, norms))


def _told(ours: str, theirs: str, latent: int, *, bias: bool = False) -> Rows:
    """Return the rows of a dense layer on a condition, theirs in the order [latent, embedding], ours the other."""
    rows = dict(layers.dense(ours, theirs, SPECTRAL, bias=bias))
    kernel = rows[f"params/{ours}/kernel"]
    rows[f"params/{ours}/kernel"] = Row(kernel.names, lambda *parts: np.roll(kernel.make(*parts), -latent, 0))
    return rows


def _three(rows: Rows) -> Rows:
    """Return the rows of a layer of which the first three channels are used, behind its singular value."""
    return {path: Row(row.names, lambda *parts, row=row: row.make(*parts)[..., :3]) for path, row in rows.items()}


def _at_truncation(norms: dict[str, str], truncation: float) -> Rows:
    """Return the rows of the statistics at a truncation, between two stored ones in proportion."""

    def between(x: np.ndarray) -> np.ndarray:
        place = min(truncation, 1.0) * (len(x) - 1)
        low = min(int(place), len(x) - 2)
        return x[low] + (place - low) * (x[low + 1] - x[low])

    rows: dict[str, Row] = {}
    for ours, theirs in norms.items():
        for path, row in layers.statistics(ours, theirs, DEEP_STATISTICS).items():
            rows[path] = Row(row.names, between)
    return rows


def _times(width: int, *multiples: int) -> tuple[int, ...]:
    return tuple(width * multiple for multiple in multiples)


NETWORKS = {
    "biggan-128": generator(128, 1536, _times(96, 16, 8, 4, 2, 1), latent=120),
    "biggan-256": generator(256, 1536, _times(96, 16, 8, 8, 4, 2, 1), latent=140),
    "biggan-cifar10": generator(32, 256, (256, 256, 256), latent=128, attention=None, embedding=0),
    "biggan-deep-128": deep_generator(128, 2048, _times(128, 16, 8, 4, 2, 1)),
    "biggan-deep-256": deep_generator(256, 2048, _times(128, 16, 8, 8, 4, 2, 1)),
    "biggan-deep-512": deep_generator(512, 2048, _times(128, 16, 8, 8, 4, 2, 1, 1)),
}
