"""What a saliency method returns, how maps are scaled, and how whole batches and several layers are explained."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from genjax.saliency.calculus import directions
from genjax.saliency.calculus.forward import Route
from genjax.saliency.checks import is_concrete, require_class, require_finite
from genjax.saliency.compiled import each
from genjax.saliency.split import Split


class AlphaStatistics(NamedTuple):
    """Summary of Grad-CAM++'s alpha where it is used; zeros where there is none.

    It is used at `positions` positions: those with a positive first derivative, in channels that are not all zero.
    """

    minimum: jax.Array
    maximum: jax.Array
    mean: jax.Array
    negative_share: jax.Array
    above_half_share: jax.Array
    positions: jax.Array


class Explanation(NamedTuple):
    """One map and how it came about.

    `map` float[height, width] in [0, 1]; `raw` float[height, width] the weighted channel sum, before ReLU and scaling;
    `weights` float[channels] (float[height, width, channels] for LayerCAM and HiResCAM). `alpha`, `guarded` (how many
    of the used denominators cancelled, and were taken as zero: poles) and `dead` (how many were zero in every term:
    units that the score does not see, or sees with a slope alone) are Grad-CAM++'s and zero elsewhere. `route` says
    how the derivatives were computed (`route.name`, `route.reason`). `remarks` says what is wrong with a map, if
    anything is.
    """

    map: jax.Array
    raw: jax.Array
    weights: jax.Array
    alpha: AlphaStatistics
    guarded: jax.Array
    dead: jax.Array
    route: Route


def scale_by_max(values: jax.Array) -> jax.Array:
    """relu(values) / max, in [0, 1]; a map that is zero everywhere stays zero, and NaN stays NaN."""
    values = jax.nn.relu(values)
    peak = jnp.max(values)
    return jnp.where(peak == 0, 0, values / jnp.where(peak == 0, 1, peak))


def scale_by_range(values: jax.Array) -> jax.Array:
    """(relu(values) - min) / (max - min), in [0, 1]; a constant map becomes zero, and NaN stays NaN."""
    values = jax.nn.relu(values)
    low, span = jnp.min(values), jnp.max(values) - jnp.min(values)
    return jnp.where(span == 0, 0, (values - low) / jnp.where(span == 0, 1, span))


def scale_like_pytorch(values: jax.Array) -> jax.Array:
    """pytorch-grad-cam 1.5.7: v = relu(values) - min(relu(values)); v / (1e-7 + max(v))."""
    values = jax.nn.relu(values)
    values = values - jnp.min(values)
    return values / (1e-7 + jnp.max(values))


def no_alpha(dtype: Any) -> AlphaStatistics:
    """The statistics of a method without alpha: zeros."""
    return AlphaStatistics(*(jnp.zeros((), dtype) for _ in AlphaStatistics._fields))


def resize_map(values: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """Bilinear enlargement, float[height, width] -> float[shape], aligned as OpenCV does (half-pixel centres)."""
    return jax.image.resize(values, shape, "linear")


def pytorch_final_map(raw: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """The picture that pytorch-grad-cam returns for one layer: scale, enlarge to `shape`, scale again."""
    return scale_like_pytorch(resize_map(scale_like_pytorch(raw), shape))


def remarks(explanation: Explanation) -> list[str]:
    """Sentences on what a map does not show: NaN, a map of zeros, denominators that cancelled. Not under `jit`.

    For one image, or a batch of them (float[batch, height, width]).
    """
    maps, raw = (np.asarray(v).reshape(-1, *np.shape(v)[-2:]) for v in (explanation.map, explanation.raw))
    counts = (explanation.guarded, explanation.dead, explanation.alpha.positions)
    poles, dead, used = (np.asarray(v).reshape(-1) for v in counts)
    found = []
    for n in range(len(maps)):
        where = f"map {n}: " if len(maps) > 1 else ""
        share = poles[n] / max(1, used[n])
        if not np.all(np.isfinite(maps[n])):
            found.append(
                f"{where}NaN or infinity, so nothing can be said: look for overflow in the network's logits, a class "
                "that the network does not have, or weights that are not finite"
            )
            continue
        if not np.any(maps[n]):
            if used[n] and dead[n] >= used[n] and not poles[n]:
                reason = "second and third derivative vanish at every activation: the score is linear there"
            elif np.any(raw[n]):
                reason = "every weighted sum of the channels is negative, and a map keeps what speaks for the class"
            else:
                reason = "no channel has a positive weight: the class falls wherever an activation rises, or is certain"
            found.append(f"{where}zero everywhere; {reason}")
        if share > 0.5:
            found.append(
                f"{where}{share:.0%} of the denominators cancelled and were taken as zero: the map rests on the "
                "others; use a smaller guard, or the exponential score"
            )
    return found


def explain(
    method: Callable[..., Explanation],
    layers: Split | Sequence[Split],
    images: jax.Array,
    class_indices: Any = None,
) -> Any:
    """`method(head, activations, class_index)` for every image, at one layer or at several.

    `layers` is a `Split` (or a tuple of them: a tuple of results comes back), `images` float[batch, height, width,
    channels] or one image without the batch axis. `class_indices`: int[batch], one integer for all, or None for each
    image's most probable class; one image may have a list of classes, and gets a map for each. Options are bound
    beforehand: `functools.partial(grad_cam_pp, score=SOFTMAX)`. To be jitted by the caller:
    `jax.jit(functools.partial(explain, grad_cam, layer))`. Raises ValueError or TypeError for bad input.

    >>> from genjax.classifiers.convnet import ConvNet
    >>> from genjax.saliency import grad_cam_pp, split
    >>> network, images = ConvNet(features=(4, 8)), jnp.ones((2, 8, 8, 1))
    >>> layer = split(network, network.init(jax.random.key(0), images), "stage1", images[0], train=False)
    >>> explain(grad_cam_pp, layer, images, 3).map.shape
    (2, 8, 8)
    """
    if not isinstance(layers, Split):
        return tuple(explain(method, layer, images, class_indices) for layer in layers)
    if jnp.ndim(images) < 2 or not jnp.issubdtype(jnp.result_type(images), jnp.floating):
        raise ValueError(
            f"images are {jnp.result_type(images)}{list(jnp.shape(images))}, expected float[batch, height, width, "
            "channels]: convert 0..255 pixels with the network's own preprocessing first"
        )
    require_finite("images", images)
    features, head = layers
    images = jnp.asarray(images)
    single = images.ndim == 3
    batch = images[None] if single else images

    def logits(image: jax.Array) -> jax.Array:
        return head(features(image), image)

    if class_indices is None:
        class_indices = jnp.argmax(jax.vmap(logits)(batch), -1).astype(jnp.int32)
        class_indices = class_indices[0] if single else class_indices
    classes = jnp.asarray(class_indices)
    given = list(classes.shape)
    if single and classes.ndim == 1:
        single, batch = False, jnp.broadcast_to(images, (classes.size, *images.shape))
    elif not single and classes.ndim == 0:
        classes = jnp.broadcast_to(classes, batch.shape[:1])
    classes = classes[None] if single else classes
    if classes.shape != batch.shape[:1]:
        raise ValueError(f"class_indices has shape {given}, expected one class per image: [{len(batch)}]")
    if is_concrete(classes):
        number = jax.eval_shape(logits, batch[0]).shape[-1]
        for class_index in np.asarray(classes):
            require_class(class_index, number)

    def one(activations: jax.Array, image: jax.Array, class_index: jax.Array) -> Explanation:
        return method(lambda a: head(a, image), activations, class_index)

    arguments = (jax.vmap(features)(batch), batch, classes)
    # Streamed directions fill the machine one image at a time, and leave out what each image does not need.
    streamed = jax.eval_shape(one, *(v[0] for v in arguments)).route.name == directions.NAME
    result = each(lambda v: one(*v), arguments) if streamed else jax.vmap(one)(*arguments)
    return jax.tree.map(lambda v: v[0], result) if single else result
