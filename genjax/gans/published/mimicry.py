"""Generators of torch-mimicry (kwotsin/mimicry): SNGAN, the one with a projection discriminator, and SAGAN.

Its blocks grow by linear interpolation, where the authors of SNGAN and SAGAN copy pixels, and batch norm has epsilon
1e-5. Weights of SAGAN are spectrally normalised by torch.nn.utils.spectral_norm. Its public model zoo holds SNGAN at
all four sizes and cGAN-PD at 32 pixels, as netG.pth; SAGAN is only trained by its users. Source of names and widths:
torch_mimicry/nets at @a7fda06; of the numbers: Lee & Town 2020, arXiv 2005.02494.
"""

from collections.abc import Sequence

from genjax.gans import sagan
from genjax.gans.published import layers
from genjax.gans.published.layers import Published
from genjax.nn.residual import doublings, grow_smoothly
from genjax.nn.weights import Plain


def generator(
    size: int,
    widths: Sequence[int],
    first: int,
    *,
    latent: int = 128,
    attention: int | None = None,
    conditional: bool = False,
    spectral: bool = False,
) -> Published:
    """Return the published network of so many pixels, and blocks of these widths.

    attention: side of the maps that attend.  conditional: whether it has classes.  spectral: whether its weights are
    spectrally normalised.
    """
    network = sagan.Generator(size, 3, widths, first, 0, attention, weight=Plain, growth=grow_smoothly)
    kernel, last = layers.SPECTRAL if spectral else layers.PLAIN, len(widths) + 2
    rows = {
        **layers.dense_to_pixels("Dense_0", "l1", doublings(size, len(widths)), kernel),
        **layers.norm("BatchNorm_0", f"b{last}"),
        **layers.conv("Conv_0", f"c{last}", kernel),
    }
    for block in range(len(widths)):
        ours, theirs = f"UpBlock_{block}", f"block{block + 2}"
        rows |= layers.conv(f"{ours}/Conv_0", f"{theirs}.c1", kernel)
        rows |= layers.conv(f"{ours}/Conv_1", f"{theirs}.c2", kernel)
        rows |= layers.conv(f"{ours}/shortcut", f"{theirs}.c_sc", kernel)
        rows |= layers.class_norm(f"{ours}/ClassNorm_0", f"{theirs}.b1", conditional)
        rows |= layers.class_norm(f"{ours}/ClassNorm_1", f"{theirs}.b2", conditional)
    if attention is not None:
        rows |= layers.self_attention("attention", "attn_block", kernel)
    return Published(network, rows, latent, "block2.b1.embed.weight" if conditional else None)


_32, _128 = (256, 256, 256), (1024, 512, 256, 128, 64)
NETWORKS = {
    "sngan-32": generator(32, _32, 256),
    "sngan-48": generator(48, (256, 128, 64), 512),
    "sngan-64": generator(64, (512, 256, 128, 64), 1024),
    "sngan-128": generator(128, _128, 1024),
    "cgan-pd-32": generator(32, _32, 256, conditional=True),
    "cgan-pd-128": generator(128, _128, 1024, conditional=True),
    "sagan-32": generator(32, _32, 256, attention=16, conditional=True, spectral=True),
    "sagan-128": generator(128, _128, 1024, attention=32, conditional=True, spectral=True),
}
