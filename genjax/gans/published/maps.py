"""SPADE's generators as their authors published them: files latest_net_G.pth of NVlabs/SPADE.

Source of names and sizes: its models/networks at @fecacc9. The weights of the blocks' convolutions are spectrally
normalised by the vectors that were kept, as in evaluation there.
"""

from genjax.gans import spade
from genjax.gans.published import layers
from genjax.gans.published.layers import Kernel, Published, Rows
from genjax.nn.weights import Plain

NAMES: dict[int, tuple[str, ...]] = {5: ("head_0", "G_middle_0", "G_middle_1", "up_0", "up_1", "up_2", "up_3")}
NAMES |= {6: NAMES[5], 7: (*NAMES[5], "up_4")}
"""The authors' names of the blocks, by the number of doublings."""


def norm(ours: str, theirs: str) -> Rows:
    """Return the rows of a `SpatialNorm`."""
    rows = dict(layers.statistics(f"{ours}/BatchNorm_0", f"{theirs}.param_free_norm"))
    for mine, other in {"shared": "mlp_shared.0", "gamma": "mlp_gamma", "beta": "mlp_beta"}.items():
        rows |= layers.conv(f"{ours}/{mine}", f"{theirs}.{other}")
    return rows


def generator(width: int = 64, doublings: int = 5, hidden: int = 128, kernel: Kernel = layers.SPECTRAL) -> Published:
    """Return the published network of so many channels and doublings of the size; it has no latent."""
    network = spade.Generator(width, doublings, hidden, weight=Plain)
    rows = {**layers.conv("start", "fc"), **layers.conv("last", "conv_img")}
    channels = network.stages()[0][1]
    for number, (name, (_, features)) in enumerate(zip(NAMES[doublings], network.stages(), strict=True)):
        ours = f"block{number}"
        for layer in ("0", "1"):
            rows |= layers.conv(f"{ours}/conv{layer}", f"{name}.conv_{layer}", kernel)
            rows |= norm(f"{ours}/norm{layer}", f"{name}.norm_{layer}")
        if features != channels:
            rows |= layers.conv(f"{ours}/shortcut", f"{name}.conv_s", kernel, bias=False)
            rows |= norm(f"{ours}/norm_shortcut", f"{name}.norm_s")
        channels = features
    return Published(network, rows, 0)


LABELS = {
    "spade-coco": spade.Labels(182, dont_care=True, edges=True),
    "spade-ade20k": spade.Labels(150, dont_care=True),
    "spade-cityscapes": spade.Labels(35, edges=True),
    "spade-facades": spade.Labels(13),
}
"""What the maps of each published network hold."""
