"""Cut a network at a layer: `features(image) -> A` and `head(A, image) -> logits`, for one image without a batch axis.

Flax Linen networks are cut at any named layer by intercepting the call, without touching their code. `head` runs the
network again with the layer's output replaced, so skip connections around the layer keep working: they see the image as
before. For any other network write the two functions down:

    Split(features=lambda image: ..., head=lambda activations, image: ...)

    # Flax NNX: sub-networks are attributes, and nnx.split makes them arrays and structure
    Split(lambda x: model.trunk(x[None])[0], lambda a, x: model.classifier(a[None])[0])
    # Equinox: modules are callables, channels first (move the axis)
    Split(lambda x: jnp.moveaxis(model.trunk(x), 0, -1), lambda a, x: model.classifier(jnp.moveaxis(a, -1, 0)))
    # Haiku: transform the two halves under the same names
    Split(lambda x: trunk.apply(params, None, x[None])[0], lambda a, x: classifier.apply(params, None, a[None])[0])
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax


class Split(NamedTuple):
    """`features(image: float[height, width, channels]) -> A`; `head(A, image) -> logits float[classes]`."""

    features: Callable[[jax.Array], jax.Array]
    head: Callable[[jax.Array, jax.Array], jax.Array]


class _ReachedError(Exception):
    """Carries a layer's output out of the network, so that the rest is not run."""

    def __init__(self, value):
        super().__init__()
        self.value = value


def split(
    module: Any, variables: Any, layer: str, image: Any, *arguments: Any, call: int = 0, **keywords: Any
) -> Split:
    """Cut a Flax Linen `module` at the output of `layer`.

    `layer` is the path of a submodule, `"fire9"` or `"stage3/block2/conv1"` (`layer_names` lists them); `image` an
    example float[height, width, channels], or its `jax.ShapeDtypeStruct`; `arguments` and `keywords` go to the network
    after the image batch (`train=False`). `call` picks one of several calls of a shared layer. Raises ValueError for an
    unknown layer (listing the layers), or for a layer that does not return one array with a batch axis.
    """
    from flax import linen as nn

    def run(image, interceptor):
        with nn.intercept_methods(interceptor):
            return module.apply(variables, image[None], *arguments, **keywords)

    def at_layer(action):
        seen = 0

        def interceptor(next_function, args, kwargs, context):
            nonlocal seen
            if context.method_name != "__call__" or "/".join(context.module.path) != layer:
                return next_function(*args, **kwargs)
            seen += 1
            return action(next_function, args, kwargs) if seen == call + 1 else next_function(*args, **kwargs)

        return interceptor

    def reach(next_function, args, kwargs):
        raise _ReachedError(next_function(*args, **kwargs))

    def features(image):
        try:
            run(image, at_layer(reach))
        except _ReachedError as reached:
            return reached.value[0]
        raise ValueError(f"layer {layer!r} was not called a {call + 1}. time")

    def head(activations, image):
        return run(image, at_layer(lambda *_: activations[None]))[0]

    shapes = layer_shapes(module, variables, image, *arguments, **keywords)
    if layer not in shapes:
        raise ValueError(f"no layer {layer!r} in {type(module).__name__}; its layers are: {', '.join(shapes)}")
    if call >= len(shapes[layer]):
        raise ValueError(f"layer {layer!r} is called {len(shapes[layer])} times, so call={call} does not exist")
    value = shapes[layer][call]
    if not hasattr(value, "shape") or len(value.shape) < 2 or value.shape[0] != 1:
        raise ValueError(f"layer {layer!r} returns {value}, expected one array float[batch, ..., channels]")
    return Split(features, head)


def layer_shapes(module: Any, variables: Any, image: Any, *arguments: Any, **keywords: Any) -> dict[str, list[Any]]:
    """Path of every submodule -> output shapes of its calls (batch of one), in calling order. Nothing is computed."""
    from flax import linen as nn

    shapes: dict[str, list[Any]] = {}

    def interceptor(next_function, args, kwargs, context):
        out = next_function(*args, **kwargs)
        if context.method_name == "__call__" and context.module.path:
            described = jax.tree.map(
                lambda v: jax.ShapeDtypeStruct(v.shape, v.dtype) if hasattr(v, "shape") else v, out
            )
            shapes.setdefault("/".join(context.module.path), []).append(described)
        return out

    def run(image):
        with nn.intercept_methods(interceptor):
            return module.apply(variables, image[None], *arguments, **keywords)

    jax.eval_shape(run, image)
    return shapes


def layer_names(module: Any, variables: Any, image: Any, *arguments: Any, **keywords: Any) -> list[str]:
    """The layers at which a Flax Linen `module` can be cut, in calling order."""
    return list(layer_shapes(module, variables, image, *arguments, **keywords))
