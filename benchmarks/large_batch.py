"""In how many epochs, and how long, does a network reach a fixed accuracy at batch 128, 1k and 8k, by optimizer?

    python -m benchmarks.large_batch [--data mnist.npz] [--seeds 2] [--full]

Every optimizer is treated alike: its rate is the one of a grid (each about three times the one before) that scores best
within an epoch at batch 128; for larger batches the same rule scales that rate, which rises over half an
epoch. All rates fall to 0 along a line over the same number of epochs. No optimizer decays weights. By
default images are 14 pixels wide and channels few, so that all takes minutes; --full has 28 pixels, 16 and 32 channels.
The square-root rule is the default: at 64 times the rate of batch 128 (--rules linear) neither Adam nor LAMB learns.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from benchmarks import _result
from benchmarks._convnet import ConvNet, digits
from genjax import optim, parallel, rng
from genjax.classifiers import classify
from genjax.data import transforms
from genjax.data.pipeline import order
from genjax.engine import init_state, make_run, make_step

IMAGES, BASE, BATCHES = 60_000, 128, (1024, 8192)
WARM_UP = 30_000  # images
EVERY = 2048  # images between two looks at the test set, or one batch
OPTIMIZERS: dict[str, tuple[Callable[..., Any], tuple[float, ...]]] = {
    "SGD": (optim.sgd, (0.01, 0.03, 0.1, 0.3)),
    "Adam": (optim.adamw, (0.001, 0.003, 0.01, 0.03)),
    "LARS": (partial(optim.lars, trust=1.0), (0.003, 0.01, 0.03, 0.1)),
    "LAMB": (optim.lamb, (0.003, 0.01, 0.03, 0.1)),
    "NVLAMB": (optim.nvlamb, (0.003, 0.01, 0.03, 0.1)),
}
RULES = {"sqrt": optim.square_root, "linear": optim.linear}


class Problem(NamedTuple):
    """The network and its data, what to reach, and the epochs after which a run is given up."""

    network: ConvNet
    source: dict[str, jax.Array]
    test: dict[str, jax.Array]
    target: float
    limit: float


class Outcome(NamedTuple):
    """epochs, seconds: until the target, infinite if it was not reached.  best: the highest accuracy on the way."""

    epochs: float
    seconds: float
    best: float


def train(
    problem: Problem, make: Callable[..., Any], rate: float, batch: int, seed: int, rule: Any, stop: float = math.inf
) -> Outcome:
    """Train until the target, or `stop` or the limit in epochs; compiling and looking at the test set cost no time."""
    steps = int(problem.limit * IMAGES / batch)
    warm_up = min(round(WARM_UP / batch), steps - 1) if batch > BASE else 0
    tx = optim.large_batch(
        make, rate, batch, steps, base_batch=BASE, scaling=rule, warm_up=warm_up, decay=optim.linear_decay
    )
    steps = int(min(problem.limit, stop) * IMAGES / batch)
    game = classify.game(problem.network, tx, image_shape=problem.test["images"].shape[1:])
    plan, key = parallel.jit_plan(jax.devices()[:1]), jax.random.key(seed)
    state = plan.put_state(jax.jit(partial(init_state, game))(rng.named(key, "init")))

    def indices(step: int) -> jax.Array:
        return plan.put_batches(order(IMAGES, batch, seed, step, 1)[:, None])

    compiled: Any = plan.compile(make_run(make_step(game), transforms.scale))
    run = compiled.lower(state, problem.source, indices(0), key).compile()
    seconds, best, start = 0.0, 0.0, time.perf_counter()
    for step in range(1, steps + 1):
        state, metrics = run(state, problem.source, indices(step - 1), key)
        if step % max(1, EVERY // batch) and step < steps:
            continue
        finite = math.isfinite(float(metrics["classifier/loss"][0]))  # waits for the device
        seconds += time.perf_counter() - start
        reached = float(accuracy(problem.network, state.variables_of("classifier"), problem.test))
        best = max(best, reached)
        if reached >= problem.target:
            return Outcome(step * batch / IMAGES, seconds, best)
        if not finite:
            break
        start = time.perf_counter()
    return Outcome(math.inf, math.inf, best)


@partial(jax.jit, static_argnums=0)
def accuracy(network: ConvNet, variables: Any, test: dict[str, jax.Array]) -> jax.Array:
    """Return the share of test images that are classified right."""
    logits: Any = network.apply(variables, test["images"])
    return jnp.mean(logits.argmax(-1) == test["labels"])


def tune(problem: Problem, make: Callable[..., Any], rates: tuple[float, ...]) -> float:
    """Return the rate that scores best within an epoch at the base batch."""
    endless = problem._replace(target=math.inf)
    best = {rate: train(endless, make, rate, BASE, 0, optim.unscaled, stop=1.0).best for rate in rates}
    return max(rates, key=lambda rate: best[rate])


def row(name: str, batch: int, rule: str, rate: float, outcomes: list[Outcome], limit: float) -> dict[str, str]:
    """Return a line of the table; a median over seeds is infinite where most of them do not reach the target."""
    epochs, seconds = (statistics.median(values) for values in list(zip(*outcomes, strict=True))[:2])
    reached = sum(math.isfinite(outcome.epochs) for outcome in outcomes)
    best = statistics.median(outcome.best for outcome in outcomes)
    return {
        "optimizer": name,
        "batch": str(batch),
        "rule": rule,
        "rate": f"{rate:.3g}",
        "epochs: median": f"{epochs:.2f}" if math.isfinite(epochs) else f"not in {limit:g}",
        "seconds: median": f"{seconds:.1f}" if math.isfinite(seconds) else "-",
        "seeds that reach it": f"{reached} of {len(outcomes)}",
        "best accuracy: median": f"{best:.3f}",
    }


def main() -> None:
    """Tune at the small batch, scale to the larger ones, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits", help="digits (default), or a copy of MNIST as PATH.npz or idx:DIR")
    parser.add_argument("--target", type=float, help="accuracy to reach; 0.9 if not given, 0.97 with --full")
    parser.add_argument("--limit", type=float, default=6.0, help="epochs after which a run is given up")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--rules", nargs="+", choices=RULES, default=["sqrt"], help="how rates grow with the batch")
    parser.add_argument("--only", nargs="+", choices=OPTIMIZERS, default=list(OPTIMIZERS))
    parser.add_argument("--full", action="store_true", help="28 pixels, 16 and 32 channels, all test images")
    arguments = parser.parse_args()
    size, features, looked_at = (28, (16, 32), 10_000) if arguments.full else (14, (8, 16), 2000)
    target = arguments.target or (0.97 if arguments.full else 0.9)
    images, held_out, data = digits(arguments.data, size, IMAGES)
    test = {
        "images": jnp.asarray(held_out["images"][:looked_at], jnp.float32) / 255,
        "labels": jnp.asarray(held_out["labels"][:looked_at]),
    }
    source = parallel.jit_plan(jax.devices()[:1]).put_source(images)
    problem = Problem(ConvNet(features), dict(source), test, target, arguments.limit)
    rows = []
    for name in arguments.only:
        make, rates = OPTIMIZERS[name]
        rate = tune(problem, make, rates)
        runs = [train(problem, make, rate, BASE, seed, optim.unscaled) for seed in range(1, arguments.seeds + 1)]
        rows.append(row(name, BASE, "-", rate, runs, arguments.limit))
        print(rows[-1], flush=True)
        for batch in BATCHES:
            for rule in arguments.rules:
                scale = RULES[rule]
                runs = [train(problem, make, rate, batch, seed, scale) for seed in range(1, arguments.seeds + 1)]
                rows.append(row(name, batch, rule, scale(rate, batch, BASE), runs, arguments.limit))
                print(rows[-1], flush=True)
    protocol = (
        f"{data}; two 5x5 convolutions ({features[0]}, {features[1]}) with batch norm; until {target:.0%} of "
        f"{len(test['labels']):,} test images are right, looked at every {EVERY:,} images or batch; at batch {BASE} "
        f"the rate of each optimizer's grid that scores best within an epoch (one seed), for larger batches scaled by "
        f"the rule, {arguments.seeds} seeds, from 1 on since the protocol was chosen with seed 0; rates fall to 0 "
        f"along a line in {arguments.limit:g} epochs, scaled ones after rising over {WARM_UP:,} images; momentum "
        f"0.9, no weight decay; LARS with trust coefficient 1; time without compiling and testing"
    )
    _result.report("large_batch", "Epochs and time to a fixed accuracy by optimizer and batch", protocol, rows)


if __name__ == "__main__":
    main()
