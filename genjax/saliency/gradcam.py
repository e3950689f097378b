"""CAM, Grad-CAM, Grad-CAM+, LayerCAM and HiResCAM: maps from the first derivative of a logit.

Every method is `method(head, activations: float[height, width, channels], class_index) -> Explanation` for one image:
batch it with `jax.vmap` or `explain`, compile it with `jax.jit`, differentiate it with `jax.grad`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from genjax.saliency.calculus.derivatives import require_head
from genjax.saliency.calculus.forward import Head, Route
from genjax.saliency.calculus.proof import prove_piecewise_linear
from genjax.saliency.calculus.structure import flatten, read_structure
from genjax.saliency.checks import nan_for_unknown_class, require_class, require_spatial
from genjax.saliency.explanation import Explanation, no_alpha, scale_by_max

Scale = Callable[[jax.Array], jax.Array]
GRADIENT = Route("gradient", "the method needs the first derivative only")


def cam_from_weights(
    weights: jax.Array, activations: jax.Array, class_index: jax.Array, *, scale: Scale = scale_by_max
) -> Explanation:
    """CAM, L = sum_k W[k, c] A_k, with the classifier's own `weights` float[channels, classes].

    Zhou et al. 2016, arXiv:1512.04150, equation 2; the bias plays no part. Raises ValueError for other shapes.
    """
    require_spatial(activations)
    if jnp.ndim(weights) != 2 or weights.shape[0] != activations.shape[-1]:
        raise ValueError(
            f"weights have shape {list(jnp.shape(weights))}, expected [{activations.shape[-1]} channels, classes]"
        )
    require_class(class_index, weights.shape[1])
    own = nan_for_unknown_class(jnp.asarray(weights)[:, class_index], class_index, weights.shape[1])
    return _weighted(activations, own, scale, Route("weights", "given by the caller"))


def cam(head: Head, activations: jax.Array, class_index: jax.Array, *, scale: Scale = scale_by_max) -> Explanation:
    """CAM for a head that is a spatial mean and one dense layer: L = sum_k W[k, c] A_k, W = Z dS_c/dA_k.

    Zhou et al. 2016, arXiv:1512.04150, equation 2; the bias plays no part. Raises ValueError when the head is not of
    this form.
    """
    gradient = _gradient(head, activations, class_index)
    structure = read_structure(flatten(head, activations), activations)
    if structure is None or not structure.uniform or not prove_piecewise_linear(head, activations).affine:
        raise ValueError(
            "CAM needs a head that is a spatial mean and a dense layer, and this one is not: "
            "give the classifier's weights to cam_from_weights, or use grad_cam"
        )
    weights = jnp.sum(gradient, (0, 1))
    return _weighted(
        activations, weights, scale, Route("weights", "gradient of a head that is affine after a spatial mean")
    )


def grad_cam(head: Head, activations: jax.Array, class_index: jax.Array, *, scale: Scale = scale_by_max) -> Explanation:
    """Grad-CAM: w_k = mean_ij dS_c/dA_ijk, L = relu(sum_k w_k A_k).

    Selvaraju et al. 2017, arXiv:1610.02391, equations 1 and 2.
    """
    weights = jnp.mean(_gradient(head, activations, class_index), (0, 1))
    return _weighted(activations, weights, scale, GRADIENT)


def grad_cam_plus(
    head: Head, activations: jax.Array, class_index: jax.Array, *, scale: Scale = scale_by_max
) -> Explanation:
    """Grad-CAM+: w_k = mean_ij relu(dS_c/dA_ijk) (Lerma and Lucas 2022, arXiv:2205.10838)."""
    weights = jnp.mean(jax.nn.relu(_gradient(head, activations, class_index)), (0, 1))
    return _weighted(activations, weights, scale, GRADIENT)


def layer_cam(
    head: Head, activations: jax.Array, class_index: jax.Array, *, scale: Scale = scale_by_max
) -> Explanation:
    """LayerCAM: L = relu(sum_k relu(dS_c/dA_ijk) A_ijk).

    Jiang et al. 2021, doi:10.1109/TIP.2021.3089943, equations 6 to 8.
    """
    weights = jax.nn.relu(_gradient(head, activations, class_index))
    return _weighted(activations, weights, scale, GRADIENT)


def hires_cam(
    head: Head, activations: jax.Array, class_index: jax.Array, *, scale: Scale = scale_by_max
) -> Explanation:
    """HiResCAM: L = relu(sum_k dS_c/dA_ijk A_ijk) (Draelos and Carin 2020, arXiv:2011.08891, equation 4)."""
    return _weighted(activations, _gradient(head, activations, class_index), scale, GRADIENT)


def _gradient(head: Head, activations: jax.Array, class_index: jax.Array) -> jax.Array:
    require_spatial(activations)
    require_head(head, activations, class_index)
    gradient = jax.grad(lambda a: head(a)[class_index])(activations)
    return nan_for_unknown_class(gradient, class_index, jax.eval_shape(head, activations).shape[0])


def _weighted(activations: jax.Array, weights: jax.Array, scale: Scale, route: Route) -> Explanation:
    raw = jnp.sum(activations * jnp.broadcast_to(weights, activations.shape), -1)
    none = jnp.zeros((), jnp.int32)
    return Explanation(scale(raw), raw, weights, no_alpha(raw.dtype), none, none, route)
