"""What makes compiled programs fast on CPUs: convolutions on all cores, and memory that is kept between calls."""

import ctypes
import functools
import sys
from collections.abc import Callable
from typing import Any

import jax

_LIBRARY = {
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE",
}
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # as malloc.h of glibc numbers them


@functools.cache
def compiler_options(platform: str) -> dict[str, str]:
    """Return options for `jax.jit(..., compiler_options=...)` that let convolutions use all cores of a "cpu".

    By default XLA hands them to YNNPACK, which splits them by output channels: to 64 channels they run on one core,
    whatever the batch. XLA's own routine splits them by pixels. Products and sums stay with YNNPACK, faster at these.
    Empty for other platforms, and where this XLA does not know the option.
    """
    if platform != "cpu":
        return {}
    try:
        jax.jit(lambda: 0, compiler_options=_LIBRARY).lower().compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return _LIBRARY


def program(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Return `jax.jit(function, **options)` with `compiler_options`; part of another program, plainly `jax.jit`.

    draw = program(generator.apply)
    images = draw(variables, latents)
    """

    @functools.cache
    def compiled(inside: bool) -> Callable[..., Any]:  # in the first call, since this asks jax for its devices
        chosen = {} if inside else compiler_options(jax.default_backend())
        return jax.jit(function, compiler_options=chosen, **options)

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        inside = any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves((arguments, named)))
        return compiled(inside)(*arguments, **named)

    return call


def keep_memory(alone: bool) -> None:
    """Keep what this process frees for its next allocations; call before jax is first used. Of no effect without glibc.

    A compiled program allocates its temporary arrays in every call. By default glibc returns large ones to the system,
    which clears them page by page when they are touched again: up to a third of the time of a step. Arrays up to 2 GiB
    each are kept.
    alone: no other device takes part in programs. They run in the thread that calls them then, since to all others
        glibc gives what is large anew; several devices would wait for each other in one thread.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, -1)
        mallopt(_MMAP_THRESHOLD, 2**31 - 1)
        if alone:
            jax.config.update("jax_cpu_enable_async_dispatch", False)
