"""Translators that others have trained: pytorch-CycleGAN-and-pix2pix's files and SPADE's, read into our networks.

    found = translators.load("latest_net_G.pth", "pix2pix-256")
    images = found.translate(photographs, jax.random.key(0))        # uint8[count, height, width, 3], sides that fit

Source of names: models/networks.py of junyanz/pytorch-CycleGAN-and-pix2pix at @000f298; of SPADE, see `maps`. The
pix2pix there is translated with dropout and with each image's own statistics, as its test program does unless told
--eval. Files from before PyTorch 0.4 keep statistics of CycleGAN's instance norm, which were never used.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from genjax import tensors
from genjax.cpu import program
from genjax.data.ranges import TANH
from genjax.gans import cyclegan, pix2pix
from genjax.gans.published import maps
from genjax.gans.published.layers import Arrays, Published, conv, conv_transpose, filled, norm
from genjax.nn.label_maps import Labels


class Translator(NamedTuple):
    """A published translator of images in colour, or of label maps.

    network: its generator and the file's tensors; it has no latent.  apply: (generator, variables, images in [-1, 1],
    key of its chance) -> images in [-1, 1].  multiple, smallest: what both sides must divide by, and the smallest side.
    labels: of a translator of label maps, what they hold; `apply` is then given what `Labels.read` returns.
    """

    network: Published
    apply: Callable[..., jax.Array]
    multiple: int
    smallest: int
    labels: Labels | None = None

    @property
    def channels(self) -> int:
        """Channels of what `apply` is given."""
        return 3 if self.labels is None else self.labels.channels


class Found(NamedTuple):
    """A translator with a file's weights."""

    translator: Translator
    variables: Any

    def translate(self, images: np.ndarray, key: jax.Array) -> np.ndarray:
        """Return uint8[count, height, width, 3], images of the same shape translated; the sides must fit.

        Of label maps uint8[count, height, width, 1], the images that are drawn of them.
        """
        apply, labels = program(self.translator.apply, static_argnums=0), self.translator.labels
        network = self.translator.network.generator
        given = TANH.from_bytes(images) if labels is None else labels.read({"maps": jnp.asarray(images)})
        return TANH.to_bytes(apply(network, self.variables, given, key))


def unet(halvings: int, width: int = 64) -> Translator:
    """Return pix2pix's U-Net of so many halvings: every level of it is a part of the level around it."""
    network = pix2pix.Generator(3, width, halvings, pix2pix.pytorch_dropout(halvings))
    rows: dict[str, Any] = {**conv("down_1", "model.model.0", bias=False)}
    level = "model.model.1"
    for layer in range(2, halvings):
        up = halvings + 1 - layer
        rows |= conv(f"down_{layer}", f"{level}.model.1", bias=False)
        rows |= norm(f"down_norm_{layer}", f"{level}.model.2")
        rows |= conv_transpose(f"up_{up}", f"{level}.model.5", bias=False)
        rows |= norm(f"up_norm_{up}", f"{level}.model.6")
        level += ".model.3"
    rows |= conv(f"down_{halvings}", f"{level}.model.1", bias=False)
    rows |= conv_transpose("up_1", f"{level}.model.3", bias=False)
    rows |= norm("up_norm_1", f"{level}.model.4")
    rows |= conv_transpose(f"up_{halvings}", "model.model.3")
    side = 2**halvings
    return Translator(Published(network, rows, 0), pix2pix.translate, side, side)


def resnet(blocks: int, width: int = 64) -> Translator:
    """Return CycleGAN's generator of so many residual blocks."""
    network = cyclegan.Generator(3, width, blocks)
    rows: dict[str, Any] = {}
    for layer in range(3):
        rows |= conv(f"Conv_{layer}", f"model.{3 * layer + 1}")
    for block in range(blocks):
        for layer, place in enumerate((1, 5)):
            rows |= conv(f"Conv_{3 + 2 * block + layer}", f"model.{10 + block}.conv_block.{place}")
    for layer in range(2):
        rows |= conv_transpose(f"ConvTranspose_{layer}", f"model.{10 + blocks + 3 * layer}", mirrored=True)
    rows |= conv(f"Conv_{3 + 2 * blocks}", f"model.{17 + blocks}")
    ignored = r".*(num_batches_tracked|running_mean|running_var)"
    return Translator(Published(network, rows, 0, ignored=ignored), _forward, 4, 8)


def of_maps(labels: Labels, doublings: int = 5, *, width: int = 64, hidden: int = 128) -> Translator:
    """Return SPADE's generator without an encoder, of label maps; edges are those of the map, without instances."""
    side = 2**doublings
    return Translator(maps.generator(width, doublings, hidden), _forward, side, side, labels)


def _forward(network: Any, variables: Any, images: jax.Array, key: jax.Array) -> Any:
    return network.apply(variables, images)


NETWORKS: dict[str, Translator] = {
    "pix2pix-256": unet(8),
    "pix2pix-128": unet(7),
    "cyclegan-9": resnet(9),
    "cyclegan-6": resnet(6),
    **{name: of_maps(labels, 6 if name == "spade-cityscapes" else 5) for name, labels in maps.LABELS.items()},
}
"""Networks by name: a U-Net for so many pixels, a generator of so many residual blocks, SPADE of a data set's maps."""


def load(path: Path | str, name: str) -> Found:
    """Return the translator of that name with the weights of a `.pth`, `.pt`, `.bin`, `.npz` or `.safetensors` file.

    Raises ValueError for another name, a file that cannot be read, or one whose tensors are not this network's.
    """
    if name not in NETWORKS:
        raise ValueError(f"there is no published translator {name!r}; known are {', '.join(NETWORKS)}")
    try:
        arrays = tensors.read(path)
    except (FileNotFoundError, ModuleNotFoundError) as error:
        raise ValueError(str(error)) from None
    return restore(NETWORKS[name], arrays)


def restore(translator: Translator, arrays: Arrays) -> Found:
    """Return the translator with the weights that `arrays` hold; ValueError lists tensors that are not its own."""
    network = translator.network.generator
    image = jax.ShapeDtypeStruct((1, translator.smallest, translator.smallest, translator.channels), jnp.float32)
    shapes = flatten_dict(jax.eval_shape(network.init, jax.eval_shape(lambda: jax.random.key(0)), image), sep="/")
    made = filled(translator.network, shapes, arrays)
    variables = {path: jnp.asarray(made[path], leaf.dtype) for path, leaf in shapes.items()}
    return Found(translator, unflatten_dict(variables, sep="/"))
