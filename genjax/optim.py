"""Large batches, and the links of an optax chain that the models here need and optax does not have.

A batch that is k times larger gives k times fewer steps an epoch. `large_batch` puts together what is known to help:
a learning rate scaled with the batch, a warm-up, a decay, weight decay on weights alone, and an optimizer whose steps
are a fixed share of each layer's norm (LARS, LAMB, NVLAMB).
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

Schedule = Callable[[Any], Any]
Rate = float | Schedule
Scaling = Callable[[float, int, int], float]
Decay = Callable[[float, int], Schedule]


def unscaled(rate: float, batch_size: int, base_batch: int) -> float:
    """Return the rate as it is, whatever the batch."""
    return rate


def linear(rate: float, batch_size: int, base_batch: int) -> float:
    """Return rate * batch_size / base_batch: k small steps are one large step, while gradients change little.

    Source: Goyal et al. 2017, Accurate, Large Minibatch SGD, arXiv 1706.02677, section 2.1.
    """
    return rate * batch_size / base_batch


def square_root(rate: float, batch_size: int, base_batch: int) -> float:
    """Return rate * sqrt(batch_size / base_batch): the variance of a step's noise stays what it was.

    Source: Krizhevsky 2014, One weird trick, arXiv 1404.5997, section 5; for LAMB You et al. 2020, arXiv 1904.00962,
    section 4.
    """
    return rate * math.sqrt(batch_size / base_batch)


def linear_decay(peak: float, steps: int) -> Schedule:
    """Return peak (1 - t / steps), 0 from `steps` on: what LAMB's authors use (arXiv 1904.00962, section 4)."""
    return optax.linear_schedule(peak, 0.0, steps)


def linear_decay_from(share: float) -> Decay:
    """Return the decay that keeps the peak for `share` of the steps, then falls linearly to 0 at their end."""

    def decay(peak: float, steps: int) -> Schedule:
        first = round(share * steps)
        fall = linear_decay(peak, steps - first)
        return fall if not first else optax.join_schedules([optax.constant_schedule(peak), fall], [first])

    return decay


def constant(peak: float, steps: int) -> Schedule:
    """Return `peak` for ever."""
    return optax.constant_schedule(peak)


def schedule(peak: float, steps: int, warm_up: int = 0, decay: Decay = constant, start: float = 0.0) -> Schedule:
    """Return the learning rate at step t = 0, 1, ...: a linear warm-up, then a decay over the rest of `steps`.

        t < warm_up:  start + (peak - start) t / warm_up
        else:         decay(peak, steps - warm_up)(t - warm_up)

    decay: `constant`, `linear_decay`, `optax.cosine_decay_schedule`, or any (peak, steps) -> schedule.
    start: 0, or the rate of the small batch (arXiv 1706.02677, section 2.2).
    Raises ValueError unless 0 <= warm_up < steps.
    """
    if not 0 <= warm_up < steps:
        raise ValueError(f"a warm-up of {warm_up} steps does not leave any of the {steps} steps; shorten it")
    after = decay(peak, steps - warm_up)
    if warm_up == 0:
        return after
    return optax.join_schedules([optax.linear_schedule(start, peak, warm_up), after], [warm_up])


# What shifts, scales or places, whatever its number of axes.
NOT_DECAYED = frozenset({"bias", "scale", "gamma", "beta", "positions", "constant", "template", "raw"})


def weights(params: Any) -> Any:
    """Return which parameters are weights, as a tree of bools: True for kernels and tables, False for the rest.

    Biases, scales and shifts of norms, positions and layer scales are told by name or by having one axis. Decaying them
    regularises nothing, and their norms say nothing about a layer's. Source: arXiv 1706.02677, section 5.1 ("BN").
    """

    def is_weight(path, leaf):
        return jnp.ndim(leaf) > 1 and path[-1].key not in NOT_DECAYED

    return jax.tree_util.tree_map_with_path(is_weight, params)


def sgd(rate: Rate, weight_decay: float = 0.0, momentum: float = 0.9, mask: Any = weights) -> Any:
    """SGD with Nesterov momentum mu and weight decay beta within the gradient.

        g <- g + beta w;    v <- mu v + g;    w <- w - rate (g + mu v)

    Source: arXiv 1706.02677, section 5.1; Sutskever et al. 2013.
    """
    return optax.chain(optax.add_decayed_weights(weight_decay, mask), optax.sgd(rate, momentum, nesterov=True))


def adamw(rate: Rate, weight_decay: float = 0.0, b1: float = 0.9, b2: float = 0.999, mask: Any = weights) -> Any:
    """AdamW: Adam's step with weight decay beside it, rate (r + weight_decay w).

    Source: Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2; without decay it is Adam, arXiv 1412.6980.
    """
    return optax.adamw(rate, b1, b2, weight_decay=weight_decay, mask=mask)


def lars(
    rate: Rate,
    weight_decay: float = 0.0,
    momentum: float = 0.9,
    trust: float = 1e-3,
    mask: Any = weights,
    trust_mask: Any = weights,
) -> optax.GradientTransformation:
    """LARS: SGD with momentum m whose steps are, layer by layer, a fixed share of the layer's norm.

        g <- g + weight_decay w
        v <- m v + rate * trust ||w|| / ||g|| * g;    w <- w - v

    The ratio is 1 where either norm is 0, and for parameters outside `trust_mask` (biases and norms, as in the
    published runs). optax's form: the paper divides by ||g|| + weight_decay ||w||, which is never less than the norm of
    their sum, so that its steps are a little shorter when weights decay; without decay both are the same.
    Source: You et al. 2017, Large Batch Training of Convolutional Networks, arXiv 1708.03888, algorithm 1.
    """
    return optax.lars(rate, weight_decay, mask, trust, trust_ratio_mask=trust_mask, momentum=momentum)


def lamb(
    rate: Rate, weight_decay: float = 0.0, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-6, mask: Any = weights
) -> optax.GradientTransformation:
    """LAMB: Adam whose steps are, layer by layer, a fixed share of the layer's norm.

        m <- b1 m + (1 - b1) g;    v <- b2 v + (1 - b2) g^2
        r = m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps) + weight_decay w
        w <- w - rate * phi(||w||) / ||r|| * r

    optax's form: phi is the identity (the paper leaves it open and names min(max(z, low), high)), and the ratio is 1
    where either norm is 0, where the paper's would be 0 or undefined and a zero bias could never move.
    Source: You et al. 2020, Training BERT in 76 minutes, arXiv 1904.00962, algorithm 2; eps of its section 4.
    """
    return optax.lamb(rate, b1, b2, eps, weight_decay=weight_decay, mask=mask)


def unit_norm() -> optax.GradientTransformation:
    """Divide by the global norm: g <- g / ||g||, one norm for all parameters; a gradient of zero stays zero."""

    def update(updates, state, params=None):
        norm = optax.tree.norm(updates)
        return jax.tree.map(lambda g: g / jnp.where(norm > 0, norm, 1.0), updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def nvlamb(
    rate: Rate,
    weight_decay: float = 0.0,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-6,
    mask: Any = weights,
    before: optax.GradientTransformation | None = None,
) -> optax.GradientTransformation:
    """NVLAMB: LAMB on the gradient divided by its global norm, so that no single batch moves the moments far.

        g <- g / ||g||   (one norm for all parameters)
        then LAMB: bias-corrected moments, decay within the ratio, no clipping of the ratio (phi is the identity)

    before: instead of `unit_norm()`; NVIDIA's fused kernel clips there, `optax.clip_by_global_norm(1.0)`.
    Source: NVIDIA 2019, Pretraining BERT with Layer-wise Adaptive Learning Rates, algorithm "NVLAMB".
    """
    return optax.chain(unit_norm() if before is None else before, lamb(rate, weight_decay, b1, b2, eps, mask))


def large_batch(
    optimizer: Callable[..., optax.GradientTransformation],
    rate: float,
    batch_size: int,
    steps: int,
    *,
    base_batch: int = 256,
    scaling: Scaling = linear,
    warm_up: int = 0,
    decay: Decay = optax.cosine_decay_schedule,
    start: float = 0.0,
    weight_decay: float = 0.0,
) -> optax.GradientTransformation:
    """Return `optimizer` with a rate that was chosen at `base_batch`, scaled, warmed up and decayed over `steps`.

        optimizer(schedule(scaling(rate, batch_size, base_batch), steps, warm_up, decay, start), weight_decay)

    optimizer: `sgd`, `adamw`, `lars`, `lamb`, `nvlamb`, or any (rate, weight_decay) -> transformation.
    scaling: `linear`, `square_root` or `unscaled`.  warm_up: steps of the large batch.
    Raises ValueError unless batches are positive and 0 <= warm_up < steps.
    """
    if min(batch_size, base_batch) < 1:
        raise ValueError(f"batches of {batch_size} and {base_batch} images: both must be positive")
    return optimizer(schedule(scaling(rate, batch_size, base_batch), steps, warm_up, decay, start), weight_decay)


def clip_weights(limit: float) -> optax.GradientTransformation:
    """Keep every parameter in [-limit, limit], as `clip_between`.

    Source: Arjovsky et al. 2017, Wasserstein GAN, arXiv 1701.07875, algorithm 1. Raises ValueError unless limit > 0.
    """
    if not limit > 0:
        raise ValueError(f"weights cannot be clipped to +-{limit}; give a limit above 0, such as 0.01")
    return clip_between(-limit, limit)


def clip_between(low: float, high: float) -> optax.GradientTransformation:
    """Keep every parameter in [low, high]: as last link of a chain, turn update u into clip(p + u) - p."""

    def update(updates, state, params=None):
        if params is None:
            raise ValueError("clipped parameters must be known: call tx.update(gradient, state, params)")
        return jax.tree.map(lambda p, u: jnp.clip(p + u, low, high) - p, params, updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)
