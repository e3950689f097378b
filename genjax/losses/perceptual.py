"""Perceptual losses: how far apart two images are as a classifier sees them, on the maps after its convolutions.

The classifier is a plug-in: the user's own VGG-19 file, or a small network of the same kind that was trained on the
drawn scenes and comes with the library. Whichever it is, its name and the hash of its weights go into the run's card.

    sight = open_sight("vgg19:vgg19.npz")                        # or "scenes"
    memory = {MEMORY: sight.parameters}                          # of the game: no optimizer touches it
    loss = squared(sight, ("relu5_4",), 1 / 12.75**2)            # (drawn, images, state) -> scalar
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from genjax import tensors
from genjax.classifiers import resnet, vgg, weights
from genjax.nn.wide import wide

MEMORY = "perceptual"
"""Where the classifier's weights are in a state's memory."""
SCENES = Path(__file__).with_name("scenes_vgg.npz")
DEPTHS, FEATURES = (2, 2, 2), (16, 32, 64)
"""Of the network for drawn scenes."""
Distance = Callable[[jax.Array, jax.Array, Any], jax.Array]
"""(drawn, images, state) -> scalar; images float[batch, height, width, 3] in [-1, 1]."""


class Sight(NamedTuple):
    """A classifier that images are compared by.

    name: of the network, with the hash of its weights.  parameters: as `vgg.relu_maps` takes them.
    mean, deviation: of the images in [0, 1] that it was trained on, a number a channel.
    """

    name: str
    parameters: Mapping[str, Any]
    mean: Sequence[float]
    deviation: Sequence[float]

    def layers(self) -> list[str]:
        """Return the names of all layers, from the first one on."""
        return vgg.relu_names(self.parameters)

    def check(self, layers: Sequence[str]) -> None:
        """Raise ValueError for the first layer that the network has not, or where none is named."""
        known = self.layers()
        missing = [layer for layer in layers if layer not in known]
        if missing or not layers:
            raise ValueError(f"--layers {' '.join(missing) or 'names none'}: this network has {', '.join(known)}")

    def maps(self, images: jax.Array, state: Any, layers: Sequence[str], normalised: bool) -> list[jax.Array]:
        """Return what the layers see of images in [-1, 1], by the weights in the state's memory.

        normalised: bring the images to the mean and deviation that the network knows first.
        """
        if normalised:
            images = (images + 1) / 2
        images = jnp.broadcast_to(images, (*images.shape[:3], 3))  # grey images as three equal channels
        if normalised:
            mean, deviation = (
                jnp.broadcast_to(jnp.asarray(x, images.dtype), images.shape) for x in (self.mean, self.deviation)
            )
            images = (images - mean) / deviation
        return list(vgg.relu_maps(state.memory[MEMORY], images, layers).values())


def squared(sight: Sight, layers: Sequence[str], scale: float) -> Distance:
    """Return scale times the sum over layers of E |maps(drawn) - maps(image)|^2, means over pixels and channels.

    Images are brought to what the network knows. Source: Ledig et al. 2017, arXiv 1609.04802, equation 5, whose
    features are divided by 12.75, which is a scale of 1 / 12.75^2 = 0.00615. ValueError for a layer that is not there.
    """
    sight.check(layers)

    def distance(drawn: jax.Array, images: jax.Array, state: Any) -> jax.Array:
        pairs = zip(*(sight.maps(x, state, layers, True) for x in (drawn, images)), strict=True)
        return scale * sum((jnp.mean((wide(a) - wide(b)) ** 2) for a, b in pairs), jnp.float32(0))

    return distance


def absolute(sight: Sight, shares: Mapping[str, float]) -> Distance:
    """Return the sum over layers of share E |maps(drawn) - maps(image)|, means over pixels and channels.

    Images enter in [-1, 1] as they are. Source: Wang et al. 2018, arXiv 1711.11585, as the authors of SPADE compute it,
    with `FIVE` of VGG-19. ValueError for a layer that is not there.
    """
    sight.check(list(shares))

    def distance(drawn: jax.Array, images: jax.Array, state: Any) -> jax.Array:
        pairs = zip(*(sight.maps(x, state, list(shares), False) for x in (drawn, images)), strict=True)
        weighted = zip(shares.values(), pairs, strict=True)
        return sum((share * jnp.mean(jnp.abs(wide(a) - wide(b))) for share, (a, b) in weighted), jnp.float32(0))

    return distance


FIVE = {"relu1_1": 1 / 32, "relu2_1": 1 / 16, "relu3_1": 1 / 8, "relu4_1": 1 / 4, "relu5_1": 1.0}
"""Shares of the layers of VGG-19."""


def shares_of(sight: Sight) -> dict[str, float]:
    """Return `FIVE` for the first layer of each stage, of networks with fewer stages its last shares."""
    firsts = [layer for layer in sight.layers() if layer.endswith("_1")]
    return dict(zip(firsts, list(FIVE.values())[-len(firsts) :], strict=True))


def open_sight(spec: str, *, absent: bool = False) -> Sight:
    """Return the classifier of `spec`: "scenes", or "vgg19:FILE" with torchvision's VGG-19 (`genjax.classifiers`).

    absent: of a file, only the shapes are needed, as when a finished run is loaded: the weights are in its checkpoint.
    Raises ValueError for another spec, for a file that is not there, or that holds something else.
    """
    if spec == "scenes":
        return _stored_scenes()
    kind, _, file = spec.partition(":")
    if kind != "vgg19" or not file:
        raise ValueError(
            f"--perceptual {spec}: give scenes, for the network that comes with the library, or vgg19:FILE"
        )
    if absent and not Path(file).is_file():
        return Sight("VGG-19", _conv_shapes(), resnet.MEAN_RGB, resnet.STD_RGB)
    try:
        found = tensors.read(file)
    except FileNotFoundError:
        raise ValueError(
            f"--perceptual {spec}: there is no file {file}; put torchvision's VGG-19 there (vgg19-dcbb9e9d.pth), or "
            "give --perceptual scenes"
        ) from None
    wanted = {"params": _conv_shapes()}
    own = not any(name.endswith(".weight") for name in found)
    needed = {name: x for name, x in found.items() if name.startswith("stage" if own else "features")}
    naming = weights.own_names if own else weights.torchvision_vgg_names(vgg.VGG19)
    filled = weights.restore(wanted, needed, naming)["params"]
    return Sight(f"VGG-19 of {Path(file).name} ({weights.digest(file)[:12]})", filled, resnet.MEAN_RGB, resnet.STD_RGB)


def _conv_shapes() -> dict[str, Any]:
    """Return zeros that take no memory in the shapes of VGG-19's convolutions."""
    network = vgg.VGG16(depths=vgg.VGG19, hidden=1, classes=1)
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 224, 224, 3)))["params"]
    stages = {name: tree for name, tree in shapes.items() if name.startswith("stage")}
    return jax.tree.map(lambda x: np.broadcast_to(np.zeros((), x.dtype), x.shape), stages)


def _stored_scenes() -> Sight:
    network = vgg.VGG16(features=FEATURES, depths=DEPTHS, hidden=1, classes=1)
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))["params"]
    stages = {name: tree for name, tree in shapes.items() if name.startswith("stage")}
    found = weights.restore({"params": stages}, tensors.read(SCENES))["params"]
    name = f"a VGG of {len(DEPTHS)} stages trained on drawn scenes ({weights.digest(SCENES)[:12]})"
    return Sight(name, found, (0.5,) * 3, (0.5,) * 3)
