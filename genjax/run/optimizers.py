"""The optimizer of a player as a value: which rule, at which rate, falling how; built and told from one record.

    adam(2e-4, b1=0.5, b2=0.999, decay=LINEAR)

is what a recipe states; `for_run` changes it as the command line asks (another rule, a scaled rate, a warm-up), and
`transformation` builds it for a number of moves.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import optax

from genjax import optim
from genjax.run.options import Options


class Decay(NamedTuple):
    """schedule: (peak, steps) -> rate over steps, as in `genjax.optim`.  text: how it is told, empty for a constant."""

    text: str
    schedule: optim.Decay


CONSTANT = Decay("", optim.constant)
COSINE = Decay("falling to 0 along a cosine", optax.cosine_decay_schedule)


def falling(share: float | None) -> Decay:
    """Return the decay that falls linearly to 0 after this share of the steps; None: the constant."""
    if share is None:
        return CONSTANT
    after = f" after {share:.3g} of the steps" if share else ""
    return Decay(f"falling to 0{after}", optim.linear_decay_from(share))


def ramp(shown: int, batch_size: int, images: int) -> Decay:
    """Return the rise of the rate over the first `images` of a training that has shown `shown` of them already.

    rate exp(-5 (1 - t)^2), t = images shown / `images`, up to 1. Source: the authors' code of arXiv 1710.10196.
    """

    def schedule(peak: float, steps: int) -> optim.Schedule:
        def rate(step: Any) -> Any:
            share = jnp.minimum((shown + step * batch_size) / images, 1.0)
            return peak * jnp.exp(-5.0 * (1.0 - share) ** 2)

        return rate

    return Decay(f"rising over the first {images:,} images", schedule)


class Rise(NamedTuple):
    """A number that rises from `low` to `high` in `times` equal stairs, one every `every` steps."""

    low: float
    high: float
    times: int
    every: int

    def __call__(self, step: Any) -> Any:
        """Return the number at a step, counted from 0."""
        return self.low + (self.high - self.low) * jnp.minimum(step // self.every, self.times) / self.times

    def __format__(self, how: str) -> str:
        return f"{self.low:{how}} rising to {self.high:{how}} in {self.times * self.every:,} steps"


def divided(factor: float, least: float = 1e-6) -> Decay:
    """Return the decay that divides the rate by `factor` in every step, down to `least`."""
    return Decay(
        f"divided by {factor} a step down to {least:g}",
        lambda peak, steps: optax.exponential_decay(peak, 1, 1 / factor, end_value=least),
    )


def stairs(*shares: float, factor: float = 0.1) -> Decay:
    """Return the decay that multiplies the rate by `factor` after each of these shares of the steps after a warm-up."""

    def schedule(peak: float, steps: int) -> optim.Schedule:
        return optax.piecewise_constant_schedule(peak, {round(share * steps): factor for share in shares})

    return Decay(f"times {factor:g} after {', '.join(f'{share:.3g}' for share in shares)} of the steps", schedule)


class Rule(NamedTuple):
    """make: (rate, **arguments) -> optax transformation.  moments: it takes b1 and b2.  decays: and weight_decay.

    asked: arguments where the command line asks for it by name.
    """

    make: Callable[..., optax.GradientTransformation]
    moments: bool = False
    decays: bool = False
    asked: Mapping[str, Any] = {}


def _momentum(rate: optim.Rate, momentum: float | Rise | None = None) -> optax.GradientTransformation:
    """SGD with classical momentum m: v <- m v + g, w <- w - rate v; m a number or a function of the step."""
    if not callable(momentum):
        return optax.sgd(rate, momentum)
    return optax.inject_hyperparams(optax.sgd)(learning_rate=rate, momentum=momentum)


RULES = {
    "adam": Rule(optax.adam, moments=True),
    # PyTorch's form, g / (sqrt(v) + eps): optax's default puts epsilon inside the root.
    "rmsprop": Rule(partial(optax.rmsprop, eps_in_sqrt=False)),
    "momentum": Rule(_momentum, asked={"momentum": 0.9}),
    "adagrad": Rule(partial(optax.adagrad, initial_accumulator_value=0.0, eps=1e-8)),
    "sgd": Rule(optim.sgd, decays=True),
    "adamw": Rule(optim.adamw, moments=True, decays=True),
    "lars": Rule(optim.lars, decays=True),
    "lamb": Rule(optim.lamb, moments=True, decays=True),
    "nvlamb": Rule(optim.nvlamb, moments=True, decays=True),
}


class Optimizer(NamedTuple):
    """A rule, its learning rate, its other arguments, how the rate falls, and what the common options add.

    warm_up: share of the moves in which the rate rises from 0.  clip: largest global norm of a gradient, None for any.
    l2: weight of half the squared parameters in the loss.
    """

    rule: str
    rate: float
    arguments: Mapping[str, Any]
    decay: Decay = CONSTANT
    warm_up: float = 0.0
    clip: float | None = None
    l2: float = 0.0

    def transformation(self, moves: int) -> optax.GradientTransformation:
        """Return the optax transformation for a run in which the player moves `moves` times."""
        warm_up = min(round(self.warm_up * moves), moves - 1)
        constant = not warm_up and self.decay is CONSTANT
        rate = self.rate if constant else optim.schedule(self.rate, moves, warm_up, self.decay.schedule)
        links = [RULES[self.rule].make(rate, **self.arguments)]
        if self.clip is not None:
            links.insert(0, optax.clip_by_global_norm(self.clip))
        if self.l2:  # the penalty's gradient is a part of the gradient that is clipped and normalised
            links.insert(0, optax.add_decayed_weights(self.l2))
        return links[0] if len(links) == 1 else optax.chain(*links)

    def __str__(self) -> str:
        numbers = [f"{self.rate:g}", *(f"{name} {value:g}" for name, value in self.arguments.items())]
        parts = [f"{self.rule}({', '.join(numbers)})", self.decay.text]
        if self.warm_up:
            parts.append(f"rising over {self.warm_up:.3g} of the steps")
        if self.l2:
            parts.append(f"{self.l2:g} times the parameters added to gradients")
        if self.clip is not None:
            parts.append(f"gradients clipped to norm {self.clip:g}")
        return ", ".join(part for part in parts if part)


def adam(rate: float, *, b1: float = 0.9, b2: float = 0.999, decay: Decay = CONSTANT, **arguments: float) -> Optimizer:
    """Return Adam (Kingma & Ba 2015, arXiv 1412.6980); other arguments as in `optax.adam`, such as eps."""
    return Optimizer("adam", rate, {"b1": b1, "b2": b2, **arguments}, decay)


def rmsprop(rate: float, *, decay_rate: float = 0.99, eps: float = 1e-8) -> Optimizer:
    """Return RMSProp as in PyTorch: g / (sqrt(v) + eps), v an average of g^2 with `decay_rate`."""
    return Optimizer("rmsprop", rate, {"decay": decay_rate, "eps": eps})


def momentum(rate: float, *, momentum: float | Rise = 0.9, decay: Decay = CONSTANT) -> Optimizer:
    """Return SGD with classical momentum, which may rise."""
    return Optimizer("momentum", rate, {"momentum": momentum}, decay)


SCALINGS: dict[str, optim.Scaling] = {"none": optim.unscaled, "linear": optim.linear, "sqrt": optim.square_root}


def for_run(own: Optimizer, options: Options) -> Optimizer:
    """Return the recipe's optimizer changed as the command line asks: rule, weight decay, rate, warm-up, clipping.

    The rate stays this player's, so that two time scales stay two, and so do Adam's b1 and b2 where the asked rule has
    moments. Raises ValueError for options that do not go together.
    """
    rule = own.rule if options.optimizer == "own" else options.optimizer
    arguments = dict(own.arguments)
    if rule != own.rule:
        kept = ("b1", "b2") if RULES[rule].moments else ()
        arguments = {**RULES[rule].asked, **{name: value for name, value in arguments.items() if name in kept}}
    if options.weight_decay:
        if not RULES[rule].decays:
            raise ValueError(
                f"--weight-decay {options.weight_decay:g} does not work with {rule}; add --optimizer sgd, adamw, lars, "
                "lamb or nvlamb"
            )
        arguments["weight_decay"] = options.weight_decay
    if options.scaling != "none" and options.base_batch is None:
        raise ValueError(f"--scaling {options.scaling} needs --base-batch, the batch that the rates were chosen for")
    rate = SCALINGS[options.scaling](own.rate, options.batch_size, options.base_batch or options.batch_size)
    return own._replace(
        rule=rule, rate=rate, arguments=arguments, warm_up=options.rate_warm_up, clip=options.clip, l2=options.l2
    )
