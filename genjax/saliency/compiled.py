"""Compile functions that close over a network, without copying its weights into every program."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from genjax.nn.conv_layout import in_fast_layout
from genjax.saliency.calculus.jaxpr import program


def hoisted(function: Callable[..., Any], *examples: Any) -> tuple[Callable[..., Any], list[Any]]:
    """(f, arrays): f(arrays, *arguments) is `function(*arguments)`, and `arrays` are all those it closes over.

    For arguments (pytrees of arrays) of the shapes of `examples`; nothing is computed.
    """
    closed, shapes = jax.make_jaxpr(function, return_shape=True)(*examples)
    inner, tree = closed.jaxpr, jax.tree.structure(shapes)
    run = program(inner, [*inner.constvars, *inner.invars], inner.outvars, inner.eqns)

    def pure(arrays: list[Any], *arguments: Any) -> Any:
        return jax.tree.unflatten(tree, run(*arrays, *jax.tree.leaves(arguments)))

    return pure, [jnp.asarray(v) if isinstance(v, np.ndarray) else v for v in closed.consts]


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, compiled for each shape of its arguments; arrays that it closes over are arguments of the program.

    `jax.jit` writes such arrays, a network's weights, into the program as constants: they are held several times, and
    take time to compile. The programs are forgotten with the function that is returned.

    >>> weights = np.ones((1000, 10), np.float32)
    >>> compiled(lambda x: x @ weights)(np.ones(1000, np.float32)).shape
    (10,)
    """
    programs: dict[Any, tuple[Callable[..., Any], list[Any]]] = {}

    def run(*arguments: Any) -> Any:
        leaves, tree = jax.tree.flatten(arguments)
        wide: bool = jax.config.jax_enable_x64  # type: ignore[attr-defined]
        key = (tree, wide, jax.sharding.get_abstract_mesh(), *map(jax.typeof, leaves))
        if key not in programs:
            pure, arrays = hoisted(function, *arguments)
            # Inlined: inside another program it is no more than its operations.
            programs[key] = jax.jit(pure, inline=True), arrays
        call, arrays = programs[key]
        return call(arrays, *arguments)

    return run


def scan(step: Callable[[Any, Any], tuple[Any, Any]], start: Any, values: Any) -> tuple[Any, Any]:
    """`jax.lax.scan`, whose program is forgotten with `step`, and whose convolutions CPUs run fast.

    Outside of `jit` jax compiles a loop for each new function, and keeps all of these programs. Inside of loops the
    gradient of a convolution takes many times longer on a CPU, unless its axes are brought into order.
    """
    return compiled(lambda start, values: jax.lax.scan(in_fast_layout(step), start, values))(start, values)


def each(function: Callable[[Any], Any], values: Any, batch: int | None = None) -> Any:
    """`function` of every row of `values`, `batch` at a time: `jax.lax.map`, otherwise as `scan`."""
    return compiled(lambda values: jax.lax.map(in_fast_layout(function), values, batch_size=batch))(values)
