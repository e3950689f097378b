"""Cut a network at a layer: `features(image) -> A` and `head(A, image) -> logits`, for one image without a batch axis.

Flax Linen and Flax NNX networks are cut at any named layer, without touching their code. `head` runs the network again
with the layer's output replaced, so skip connections around the layer keep working: they see the image as before. For
any other network write the two functions down:

    Split(features=lambda image: ..., head=lambda activations, image: ...)

    # Equinox: modules are callables, channels first (move the axis)
    Split(lambda x: jnp.moveaxis(model.trunk(x), 0, -1), lambda a, x: model.classifier(jnp.moveaxis(a, -1, 0)))
    # Haiku: transform the two halves under the same names
    Split(lambda x: trunk.apply(params, None, x[None])[0], lambda a, x: classifier.apply(params, None, a[None])[0])
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name

from genjax.saliency.cut import MARK, count_marks, run_to_mark, run_with
from genjax.saliency.layers import Call, at, call_of, replaced_at, sketch


class Split(NamedTuple):
    """`features(image: float[height, width, channels]) -> A`; `head(A, image) -> logits float[classes]`."""

    features: Callable[[jax.Array], jax.Array]
    head: Callable[[jax.Array, jax.Array], jax.Array]


def split(
    module: Any,
    variables: Any,
    layer: str,
    image: Any,
    *arguments: Any,
    call: int = 0,
    logits: int | str | None = None,
    activation: int | str | None = None,
    **keywords: Any,
) -> Split:
    """Cut a Flax Linen or NNX `module` at the output of `layer`.

    `layer` is the path of a submodule, `"fire9"` or `"stage3/block2/conv1"` (`layer_names` lists them); `variables` are
    None for an NNX module, which has its own; `image` is an example float[height, width, channels], or its
    `jax.ShapeDtypeStruct`; `arguments` and `keywords` go to the network after the image batch (`train=False`). `call`
    picks one of several calls of a shared layer, or an iteration of one inside `nn.scan`; `nn.remat` is cut through.
    `logits` and `activation` say where the array is in what the network, and the layer, return: a position, key or
    field (`logits="logits"`, `activation=0`). Raises ValueError for an unknown layer (listing the layers), and where
    there is no single array with a batch axis.
    """
    network = call_of(module, variables, arguments, keywords)
    outputs, result = _outline(network, image)
    if layer not in outputs:
        raise ValueError(f"no layer {layer!r} in {type(module).__name__}; its layers are: {', '.join(outputs)}")
    found = at(outputs[layer][0], activation)
    if not hasattr(found, "shape") or len(found.shape) < 2 or found.shape[0] != 1:
        raise ValueError(
            f"layer {layer!r} returns {sketch(found)}, expected one array float[batch, ..., channels]: where it "
            "returns several, pick one as activation=0 or activation='its name'"
        )
    found = at(result, logits)
    if not hasattr(found, "shape") or len(found.shape) != 2 or found.shape[0] != 1:
        raise ValueError(
            f"the network returns {sketch(found)}, expected logits float[batch, classes]: where it returns several "
            "things, pick them as logits='logits' or logits=0"
        )

    def program(image: Any) -> Any:
        def mark(path: str, output: Any) -> Any:
            if path != layer:
                return output
            return replaced_at(output, activation, checkpoint_name(at(output, activation), MARK))

        return jax.make_jaxpr(lambda image: at(network(image[None], mark), logits)[0])(image)

    calls = count_marks(program(image).jaxpr, layer)
    if not 0 <= call < calls:
        raise ValueError(f"layer {layer!r} is called {calls} times, so call={call} does not exist")
    return Split(
        lambda image: run_to_mark(program(image), image, call)[0],
        lambda activations, image: run_with(program(image), image, call, activations[None]),
    )


def split_tokens(
    module: Any,
    variables: Any,
    layer: str,
    image: Any,
    *arguments: Any,
    grid: tuple[int, int],
    skip: int = 1,
    **keywords: Any,
) -> Split:
    """`split` at a layer that returns tokens float[batch, skip + height * width, channels]: they become a grid.

    `grid` = (height, width) of the tokens; `skip` tokens before them (a class token, registers) stay as they are.
    Raises ValueError where the numbers do not fit.
    """
    tokens = split(module, variables, layer, image, *arguments, **keywords)
    shape = jax.eval_shape(tokens.features, image).shape
    height, width = grid
    if len(shape) != 2 or shape[0] != skip + height * width:
        raise ValueError(
            f"layer {layer!r} returns {list(shape)} for an image, expected {skip} + {height} x {width} tokens: "
            "give the grid as (image height / patch, image width / patch), and skip the tokens that are no patches"
        )

    def features(image: jax.Array) -> jax.Array:
        return tokens.features(image)[skip:].reshape(height, width, -1)

    def head(activations: jax.Array, image: jax.Array) -> jax.Array:
        others = tokens.features(image)[:skip]
        patches = activations.reshape(height * width, -1)
        return tokens.head(jnp.concatenate([others, patches]) if skip else patches, image)

    return Split(features, head)


def _outline(network: Call, image: Any) -> tuple[dict[str, list[Any]], Any]:
    """What each call of each layer returns for a batch of one, and what the network does. Nothing is computed."""
    outputs: dict[str, list[Any]] = {}

    def described(output: Any) -> Any:
        return jax.tree.map(lambda v: jax.ShapeDtypeStruct(v.shape, v.dtype) if hasattr(v, "shape") else v, output)

    def note(path: str, output: Any) -> Any:
        outputs.setdefault(path, []).append(described(output))
        return output

    results = []

    def run(image: jax.Array) -> None:
        results.append(described(network(image[None], note)))

    jax.eval_shape(run, image)
    return outputs, results[0]


def layer_names(module: Any, variables: Any, image: Any, *arguments: Any, **keywords: Any) -> list[str]:
    """The layers at which a Flax Linen or NNX `module` can be cut, in calling order."""
    return list(_outline(call_of(module, variables, arguments, keywords), image)[0])
