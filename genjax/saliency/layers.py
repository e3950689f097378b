"""Call a Flax network while a function sees, and may replace, what each of its layers returns."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax

OnOutput = Callable[[str, Any], Any]
Call = Callable[[jax.Array, OnOutput], Any]


def call_of(module: Any, variables: Any, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Call:
    """(image batch, on_output) -> what the network returns, `on_output(path, output)` standing in for each output.

    For Flax Linen, and for Flax NNX where `variables` are None. Raises TypeError for anything else.
    """
    from flax import linen as nn
    from flax import nnx

    if isinstance(module, nn.Module):
        return lambda images, on_output: _call_linen(module, variables, images, on_output, arguments, keywords)
    if isinstance(module, nnx.Module):
        if variables is not None:
            raise TypeError(f"{type(module).__name__} is an NNX module and has its own variables: pass None for them")
        graph, state = nnx.split(module)
        return lambda images, on_output: _call_nnx(nnx.merge(graph, state), images, on_output, arguments, keywords)
    raise TypeError(
        f"{type(module).__name__} is neither a Flax Linen nor an NNX module: write its two halves down as "
        "Split(features, head)"
    )


def _call_linen(
    module: Any, variables: Any, images: jax.Array, on_output: OnOutput, arguments: Any, keywords: Any
) -> Any:
    from flax import linen as nn

    def interceptor(next_function, args, kwargs, context):
        output = next_function(*args, **kwargs)
        if context.method_name == "__call__" and context.module.path:
            return on_output("/".join(context.module.path), output)
        return output

    with nn.intercept_methods(interceptor):
        return module.apply(variables, images, *arguments, **keywords)


def _call_nnx(module: Any, images: jax.Array, on_output: OnOutput, arguments: Any, keywords: Any) -> Any:
    from flax import nnx

    paths = {id(part): "/".join(map(str, path)) for path, part in nnx.iter_modules(module) if path}
    kinds = {type(part) for path, part in nnx.iter_modules(module) if path and callable(part)}
    with contextlib.ExitStack() as stack:
        for kind in kinds:
            stack.enter_context(_watched(kind, paths, on_output))
        return module(images, *arguments, **keywords)


@contextlib.contextmanager
def _watched(kind: Any, paths: dict[int, str], on_output: OnOutput) -> Iterator[None]:
    """Within, `kind.__call__` shows the outputs of the modules whose paths are known: NNX has no interceptors."""
    own, call = "__call__" in vars(kind), kind.__call__

    def watched(self, *args, **kwargs):
        output = call(self, *args, **kwargs)
        return on_output(paths[id(self)], output) if id(self) in paths else output

    kind.__call__ = watched
    try:
        yield
    finally:
        if own:
            kind.__call__ = call
        else:
            del kind.__call__


def at(value: Any, key: int | str | None) -> Any:
    """The part of a tuple, dict or record that is called `key`; the value itself for None. Raises ValueError."""
    if key is None:
        return value
    try:
        return getattr(value, key) if isinstance(key, str) and hasattr(value, key) else value[key]
    except (KeyError, IndexError, TypeError):
        raise ValueError(f"there is no {key!r} in {sketch(value)}") from None


def replaced_at(value: Any, key: int | str | None, part: Any) -> Any:
    """A copy of `value` with `part` in the place of `at(value, key)`."""
    if key is None:
        return part
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(value, **{str(key): part})
    if hasattr(value, "_fields"):
        return value._replace(**{key if isinstance(key, str) else value._fields[key]: part})
    if isinstance(value, Mapping):
        kind: Any = type(value)
        return kind({**value, key: part})
    assert isinstance(key, int)
    return type(value)([*value[:key], part, *value[key % len(value) + 1 :]])


def sketch(value: Any) -> str:
    """A value's structure in a few words: shapes of arrays, names of fields."""
    if hasattr(value, "shape"):
        return f"{value.dtype}{list(value.shape)}"
    if isinstance(value, Mapping):
        return f"{type(value).__name__} of {', '.join(map(str, value))}"
    if dataclasses.is_dataclass(value):
        return f"{type(value).__name__} of {', '.join(f.name for f in dataclasses.fields(value))}"
    if isinstance(value, tuple | list):
        return f"{type(value).__name__} of {len(value)}"
    return type(value).__name__
