"""Orthogonal regularisation: the filters of a layer are kept from pointing the same way."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from genjax.nn.wide import wide


def off_diagonal(kernel: jax.Array) -> jax.Array:
    """Return |W^T W * (1 - I)|_F^2 of a kernel [..., outputs] as a matrix W [inputs, outputs], at least float32[].

    It is the sum over pairs of different outputs of the square of their filters' product.
    Norms are left free, unlike in |W^T W - I|^2. The authors' PyTorch code adds 2 W (W^T W * (1 - I)) to a gradient,
    half of this function's: its strength 1e-4 is 5e-5 here.
    Source: Brock et al. 2019, arXiv 1809.11096, equation 3.
    """
    matrix = wide(kernel.reshape(-1, kernel.shape[-1]))
    inputs, outputs = matrix.shape
    if outputs <= inputs:
        products = matrix.T @ matrix
        return jnp.sum(products**2) - jnp.sum(jnp.diagonal(products) ** 2)
    # |W^T W| = |W W^T|, which is smaller: the first layer of a generator has 20 inputs and 25,000 outputs.
    return jnp.sum((matrix @ matrix.T) ** 2) - jnp.sum(jnp.sum(matrix**2, 0) ** 2)


def off_diagonal_of(params: Any, exempt: Sequence[str] = ()) -> jax.Array:
    """Return the sum of `off_diagonal` over all kernels and tables, arrays of two axes and more, of a network.

    exempt: names of layers, at the top of `params`, that are left out.
    """
    kept = {name: layer for name, layer in params.items() if name not in exempt}
    return sum((off_diagonal(leaf) for leaf in jax.tree.leaves(kept) if leaf.ndim >= 2), jnp.float32(0))
