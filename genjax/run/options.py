"""The options that every recipe has, in groups, and the ranges that numbers must lie in.

A recipe's own options are the fields of a frozen dataclass that inherits from `Options`. The class that declares a
field is the group in which `--help` shows it, the text below the field is its help, and a `Limits` in its annotation is
checked before any work begins:

    width: Annotated[int, at_least(1)]
    '''Channels of the first layer.'''
"""

import dataclasses
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from genjax.data import SPECS

N = TypeVar("N")
LARGEST = 2**63 - 1
"""Largest whole number that any option takes."""


class Limits(NamedTuple):
    """The interval in which a number must lie; `above` and `below` exclude their end, `least` and `most` include it.

    infinite: whether infinity is allowed too.
    """

    least: float = -math.inf
    most: float = math.inf
    above: float = -math.inf
    below: float = math.inf
    infinite: bool = False

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, (int, float)):
            return False
        if isinstance(value, int) and abs(value) > LARGEST:  # no array holds it
            return False
        if not math.isfinite(value):
            return self.infinite and value == math.inf
        return self.least <= value <= self.most and self.above < value < self.below

    def __str__(self) -> str:
        ends = {"at least": self.least, "above": self.above, "at most": self.most, "below": self.below}
        return " and ".join(f"{word} {end:.10g}" for word, end in ends.items() if math.isfinite(end)) or "finite"


def at_least(low: float) -> Limits:
    """Return the limits [low, infinity)."""
    return Limits(least=low)


def above(low: float) -> Limits:
    """Return the limits (low, infinity)."""
    return Limits(above=low)


SHARE = Limits(least=0, most=1)
SEED = Limits(least=0, most=2**32 - 1)
"""Seeds, of which keys of random numbers tell no more apart."""
MOST_STEPS = 2**31 - 1
"""Steps that a state can count."""
PART = Limits(least=0, below=1)


@dataclass(frozen=True, kw_only=True)
class OptimizerOptions:
    """How the optimizers of all networks are changed."""

    optimizer: Literal["own", "sgd", "momentum", "adagrad", "adam", "adamw", "lars", "lamb", "nvlamb"] = "own"
    """Optimizer of every network; "own" is the recipe's; sgd has Nesterov's momentum of 0.9, momentum the classical
    one. The learning rates stay the preset's: sgd and lars want far higher ones than adam, lamb and nvlamb about ten
    times as high."""
    weight_decay: Annotated[float, at_least(0)] = 0.0
    """Weight decay of kernels and tables; biases, norms and positions are never decayed."""
    l2: Annotated[float, at_least(0)] = 0.0
    """Weight of half the squared parameters, all of them, in every loss."""
    scaling: Literal["none", "linear", "sqrt"] = "none"
    """How learning rates grow with --batch-size over --base-batch."""
    base_batch: Annotated[int | None, at_least(1)] = None
    """Batch size that the learning rates were chosen for; the preset's own if not given."""
    rate_warm_up: Annotated[float, PART] = 0.0
    """Share of the steps in which learning rates rise from zero."""
    clip: Annotated[float | None, above(0)] = None
    """Largest global norm of a gradient; longer ones are scaled down to it. No limit if not given."""


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """What is trained on."""

    data: Annotated[str, f"({SPECS})"] = "digits"
    """Data set."""
    image_size: Annotated[int | None, at_least(1)] = None
    """Side in pixels to which images are brought (the shorter side is resized, the centre square kept); as stored if
    not given."""
    train_images: Annotated[int | None, at_least(1)] = None
    """Number of training images to use, the first ones; all if not given."""
    channels: Annotated[int | None, at_least(1)] = None
    """Channels to which images are brought, 1 (grey) or 3 (colour); as stored if not given."""
    hold_out: Annotated[float | None, PART] = None
    """Share of the images that test, where a data set has no test part of its own; a fifth if not given."""
    skip_unreadable: bool = False
    """Leave out image files that cannot be read instead of listing them in an error."""
    stream: bool = False
    """Decode a folder's images while training instead of once before."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How long the run is, and what it writes."""

    steps: Annotated[int | None, Limits(least=1, most=MOST_STEPS)] = None
    """Length of the training in steps; instead of --epochs."""
    epochs: Annotated[float | None, Limits(above=0, most=MOST_STEPS)] = None
    """Length of the training in passes over the training images; instead of --steps."""
    batch_size: Annotated[int, at_least(1)] = 100
    """Images in a batch, over all devices."""
    seed: Annotated[int, SEED] = 0
    """Number from which everything random follows."""
    seeds: Annotated[int, at_least(1)] = 1
    """Seeds to train in one program, --seed and those that follow: a folder for each, and a summary of their scores."""
    out: Path | None = None
    """Folder of the run; runs/RECIPE-DATA if not given, with a number where that is taken."""
    resume: bool = False
    """Continue the newest run of this recipe and data, or the one in --out, with its options; more --steps may be
    given."""
    init_from: Path | None = None
    """Folder of a run whose newest weights the new run starts from, as far as they fit."""
    force: bool = False
    """Resume although hyperparameters differ from the run's."""
    checkpoint_every: Annotated[int, at_least(1)] = 1000
    """Steps between checkpoints."""
    evaluate_every: Annotated[int, at_least(1)] = 1000
    """Steps between scores on test images, with pictures."""
    keep: Annotated[int, at_least(1)] = 3
    """Checkpoints kept, the newest ones."""
    on_nonfinite: Literal["stop", "rollback"] = "stop"
    """Stop when a loss is not finite, or go back to the last checkpoint and draw other random numbers."""
    keep_best: bool = False
    """Keep the state with the best score on test images too, as a run of its own in the folder best."""
    log: tuple[Literal["csv", "tensorboard", "wandb", "mlflow"], ...] = ()
    """Where metrics go beside metrics.jsonl: metrics.csv, TensorBoard, Weights & Biases or MLflow."""
    describe: bool = False
    """Print parameters, optimizers and batches as JSON, and do nothing else."""
    flops: bool = False
    """Add the floating-point operations of a step to --describe; takes minutes for large networks."""


@dataclass(frozen=True, kw_only=True)
class MachineOptions:
    """What it runs on; none of these changes what is computed, but for rounding."""

    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Number format that layers compute in; fp16 scales its losses."""
    devices: Annotated[int | None, at_least(1)] = None
    """Devices to use, over all processes (on a CPU: virtual ones are made); all if not given."""
    parallel: Literal["jit", "pmap"] = "jit"
    """How the step is compiled for several devices."""
    processes: Annotated[int, Limits(least=1, most=64)] = 1
    """Processes to start on this machine's CPU. Under a scheduler (SLURM, Open MPI, Kubernetes, TPU pods) leave it out:
    the scheduler's processes are joined."""
    accumulate: Annotated[int, at_least(1)] = 1
    """Slices of a batch whose gradients are computed one after the other and averaged, for less memory."""
    fuse: Annotated[int | None, Limits(least=1, most=10_000)] = None
    """Steps in one compiled call; if not given 50, or 1 for convolutional networks on CPUs, where a step outlasts a
    call."""
    remat: bool = False
    """Keep only products and convolutions for the gradient and compute the rest again: less memory, more time."""
    shard: bool = False
    """Split large parameters and optimizer states over the devices too, for networks that outgrow one."""
    cache: bool = True
    """Keep compiled programs in the user's cache folder for the next start."""


@dataclass(frozen=True, kw_only=True)
class Options(MachineOptions, RunOptions, DataOptions, OptimizerOptions):
    """Options of a recipe; its own come first."""


COMMON = (OptimizerOptions, DataOptions, RunOptions, MachineOptions)
"""The groups that every recipe has, in the order in which `--help` shows them."""

OPERATIONAL = frozenset(
    {
        *("seeds", "out", "resume", "force", "checkpoint_every", "evaluate_every", "keep", "keep_best", "on_nonfinite"),
        "log",
        *("describe", "flops", "devices", "parallel", "processes", "fuse", "remat", "shard", "cache", "stream"),
    }
)
"""Options that change where and how a run happens, not what it computes."""


LENGTH = frozenset({"steps", "epochs"})
"""Options that a run may be continued with other values of, as long as it is not to end before it stopped."""

OF_ONE_START = frozenset({"seeds", "out", "resume", "force", "describe", "flops", "devices", "processes"})
"""Options that a run does not keep for when it is continued."""


def flag(name: str) -> str:
    """Return how the option of field `name` is written on the command line."""
    return f"--{name.replace('_', '-')}"


def limits(options: type) -> Mapping[str, Limits]:
    """Return the limits of every numeric field of an options class that declares some."""
    return notes(options, Limits)


def notes(options: type, kind: type[N]) -> dict[str, N]:
    """Return what the annotations of an options class hold of one kind, by field: `{"seed": at_least(0), ...}`."""
    hints = typing.get_type_hints(options, include_extras=True)
    said = {name: getattr(hint, "__metadata__", ()) for name, hint in hints.items()}
    return {name: x for name, all_of in said.items() for x in all_of if isinstance(x, kind)}


def check(options: Any) -> None:
    """Raise ValueError for the first option whose number, or one of whose numbers, is out of its limits.

    Numbers without declared limits must be finite.
    """
    declared = limits(type(options))
    for field in dataclasses.fields(options):
        value, allowed = getattr(options, field.name), declared.get(field.name, Limits())
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, (int, float)) and not isinstance(number, bool) and number not in allowed:
                if isinstance(number, int) and abs(number) > LARGEST:
                    raise ValueError(f"{flag(field.name)} is a number beyond {LARGEST:,}; give a number {allowed}")
                raise ValueError(f"{flag(field.name)} {number:g}: give a number {allowed}")


def check_uses(options: Any, choice: str, uses: Mapping[Any, tuple[str, ...]], optional: tuple[str, ...] = ()) -> Any:
    """Return the options; ValueError for one that does nothing beside what is chosen, or is needed and not given.

    choice: the field that chooses.  uses: `{its value: names of the fields that matter then}`; a field that is in one
    of them is given where it is neither None nor False.  optional: those that may be missing.
    """
    chosen = getattr(options, choice)
    for name in dict.fromkeys(name for names in uses.values() for name in names):
        value, where = getattr(options, name), [str(kind) for kind, names in uses.items() if name in names]
        if name not in uses[chosen] and value is not None and value is not False:
            given = flag(name) if isinstance(value, bool) else f"{flag(name)} {value}"
            cure = "" if isinstance(value, bool) else f", or give {flag(name)} None where the preset has it"
            raise ValueError(
                f"{given} does nothing with {flag(choice)} {chosen}, only with {flag(choice)} {' or '.join(where)}; "
                f"leave it out{cure}"
            )
        if name in uses[chosen] and value is None and name not in optional:
            raise ValueError(f"{flag(choice)} {chosen} needs {flag(name)}; give it")
    return options


def check_partners(options: Any) -> None:
    """Raise ValueError for a common option that is given and does nothing without another one."""
    partners = (("base_batch", None, "scaling", "none"), ("force", False, "resume", False))
    for name, unset, partner, without in partners:
        if getattr(options, name, unset) != unset and getattr(options, partner) == without:
            raise ValueError(f"{flag(name)} does nothing without {flag(partner)}; add it, or leave out {flag(name)}")


def check_alone(options: Any) -> None:
    """Raise ValueError for an option that works with one seed at a time beside --seeds."""
    alone: dict[str, Any] = {
        "resume": False,
        "stream": False,
        "shard": False,
        "on_nonfinite": "stop",
        "parallel": "jit",
    }
    for name, unset in ({**alone, "processes": 1, "log": ()} if options.seeds > 1 else {}).items():
        if (given := getattr(options, name)) != unset:
            value = " ".join(given) if isinstance(given, tuple) else given
            text = flag(name) if given is True else f"{flag(name)} {value}"
            cure = "continue the folder of each seed by --resume --out" if name == "resume" else f"leave out {text}"
            raise ValueError(f"{text} works with one seed at a time, not with --seeds {options.seeds}; {cure}")


def steps_of(options: RunOptions, images: int, batches: int = 1) -> int:
    """Return the training steps: --steps if given, else --epochs over `images`, of which a step reads whole batches.

    batches: that a step reads. Raises ValueError where both or neither are set.
    """
    if (options.steps is None) == (options.epochs is None):
        given = "both are" if options.steps is not None else "neither is"
        raise ValueError(f"the length of a run is --steps or --epochs, and {given} set; set one of them")
    if options.steps is not None:
        return options.steps
    assert options.epochs is not None
    return max(1, round(options.epochs * (images // options.batch_size) / batches))
