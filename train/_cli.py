"""What every recipe shares: common options, what it builds, and its command line."""

import contextlib
import dataclasses
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
import optax

from genjax import data, files, parallel, precision, processes
from genjax.data import Dataset, pipeline
from genjax.engine.phases import Phase
from genjax.engine.state import State
from genjax.engine.step import rematerialized
from genjax.environment import environment
from train._describe import KNOWN, card, describe, placeholder
from train._folder import open_folder


@dataclass(frozen=True)
class Common:
    """Options that every recipe has."""

    data: str = "digits"
    """digits, photos, mixture:ring, mixture:grid, PATH.npz, folder:DIR, idx:DIR or tfds:NAME."""
    image_size: int | None = None
    """Resize the shorter side to this and keep the centre square; images stay as they are if not given."""
    steps: int = 2000
    """Training steps."""
    epochs: float | None = None
    """Passes over the training images; if given, it decides the steps."""
    batch_size: int = 100
    """Images in a batch, over all devices."""
    seed: int = 0
    """Everything random follows from it."""
    out: Path | None = None
    """The run's folder; runs/<recipe>-<data> if not given, with a number where that is taken."""
    resume: bool = False
    """Continue the newest run of this recipe and data, or the one in --out."""
    force: bool = False
    """Resume although hyperparameters differ from the run's."""
    parallel: Literal["jit", "pmap"] = "jit"
    """How the step is compiled for several devices."""
    devices: int | None = None
    """Use this many devices, over all processes (on a CPU: make that many virtual ones); all if not given."""
    processes: int = 1
    """Start this many processes on this machine's CPU; leave it out under a scheduler (SLURM, Open MPI, Kubernetes,
    TPU pods), whose processes are joined."""
    shard: bool = False
    """Split large parameters and optimizer states over the devices too, for networks that outgrow one."""
    remat: bool = False
    """Keep only products and convolutions for the gradient and compute the rest again: less memory, more time."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """What layers compute in; fp16 scales its losses."""
    accumulate: int = 1
    """Compute a batch's gradient in this many slices."""
    clip: float | None = None
    """Clip gradients to this global norm."""
    optimizer: Literal["own", "sgd", "adam", "adamw", "lars", "lamb", "nvlamb"] = "own"
    """own is the recipe's. Others take the recipe's rates too: sgd and lars (share 0.001 of a layer's norm) want far
    higher ones than adam, lamb and nvlamb about ten times."""
    weight_decay: float = 0.0
    """Of kernels and tables, not of biases, norms and positions."""
    scaling: Literal["none", "linear", "sqrt"] = "none"
    """How learning rates grow with --batch-size over --base-batch."""
    base_batch: int | None = None
    """The batch that learning rates were chosen for; the preset's if not given."""
    rate_warm_up: float = 0.0
    """Share of the steps in which learning rates rise from zero."""
    fuse: int = 50
    """Steps in one compiled call; 1 for convolutional networks on CPUs, where XLA computes them slowly inside loops."""
    checkpoint_every: int = 1000
    """Steps between checkpoints."""
    evaluate_every: int = 1000
    """Steps between scores on test images, with pictures."""
    keep: int = 3
    """Checkpoints kept."""
    on_nonfinite: Literal["stop", "rollback"] = "stop"
    """What to do when a loss is not finite."""
    stream: bool = False
    """Decode a folder's images while training instead of once before."""
    tensorboard: bool = False
    """Write TensorBoard event files too."""
    cache: bool = True
    """Keep compiled programs in the user's cache folder for the next start."""
    describe: bool = False
    """Print parameters, optimizers, batch and FLOPs as JSON, and do nothing else."""


class Sampler(NamedTuple):
    """How to draw from a trained generator: what the programs of `eval` need to know of it.

    prior: (key, count) -> latents [count, ...].
    generate: (state, latents, labels or None) -> float[count, height, width, channels] in [low, high].
    classes: of a conditional generator, whose labels are int[count]; 0 for others.
    real: images of the data set, bytes -> what the generator imitates of them, in [low, high]; None: all of them.
    """

    prior: Callable[[jax.Array, int], jax.Array]
    generate: Callable[[State, Any, Any], np.ndarray]
    low: float
    high: float
    classes: int = 0
    real: Callable[[np.ndarray], Any] | None = None


class Run(NamedTuple):
    """What a recipe builds from its hyperparameters and data.

    optimizers: `{player: text}` for `--describe` and the card.
    evaluate: state -> scores on the test split.  pictures: (state, folder, step) writes PNG files.
    sampler: of the generator, where there is one.
    """

    phases: tuple[Phase, ...]
    optimizers: Mapping[str, str]
    evaluate: Callable[[State], Mapping[str, float]] | None = None
    pictures: Callable[[State, Path, int], None] | None = None
    sampler: Sampler | None = None


def steps_of(hyper: Common, images: int) -> int:
    """Return the training steps: `--epochs` over `images` in whole batches if given, else `--steps`."""
    if hyper.epochs is None:
        return hyper.steps
    return max(1, round(hyper.epochs * (images // hyper.batch_size)))


def finish_optimizer(tx: optax.GradientTransformation, hyper: Common) -> optax.GradientTransformation:
    """Add what `--clip` and `--precision` ask for around `tx`."""
    if hyper.clip is not None:
        tx = optax.chain(optax.clip_by_global_norm(hyper.clip), tx)
    if precision.POLICIES[hyper.precision].scale_loss:
        tx = precision.dynamic_loss_scale(tx)
    return tx


def _parse(recipe: str, presets: Mapping[str, Common], arguments: Sequence[str]) -> tuple[str, Any]:
    import tyro

    arguments = list(arguments)
    preset = next(iter(presets))
    if arguments and not arguments[0].startswith("-"):
        preset = arguments.pop(0)
        if preset not in presets:
            raise ValueError(f"'{preset}' is no preset of {recipe}; choose one of: {', '.join(presets)}")
    hyper = tyro.cli(
        type(presets[preset]),
        default=presets[preset],
        args=arguments,
        prog=f"python -m train.{recipe} {preset}",
        description=f"Train {recipe}. Presets, named before the options: {', '.join(presets)}.",
    )
    if hyper.base_batch is None:
        hyper = dataclasses.replace(hyper, base_batch=presets[preset].batch_size)
    return preset, hyper


def configure(devices: int | None = None, cache: bool = True) -> None:
    """Set up virtual CPU devices and the persistent compilation cache; call before jax is first used."""
    if devices is not None:
        # Too late where jax has been used already; then the devices that there are have to do.
        with contextlib.suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", max(devices, 1))
    if cache and not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        jax.config.update("jax_compilation_cache_dir", str(base / "genjax" / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def _devices(count: int | None) -> list[jax.Device]:
    """Return `count` devices, as many of each process."""
    team, offered = jax.process_count(), jax.local_device_count()
    each, rest = divmod(team * offered if count is None else count, team)
    if rest or not 1 <= each <= offered:
        of_each = f" to each of {team} processes; give a multiple of {team}" if team > 1 else ""
        raise ValueError(f"--devices {count}: this machine offers {offered}{of_each}")
    return [device for index in range(team) for device in jax.local_devices(index)[:each]]


def _check_places(hyper: Common, team: int) -> None:
    if hyper.processes < 1:
        raise ValueError(f"--processes {hyper.processes}: a run needs at least 1")
    if hyper.parallel == "pmap" and (team > 1 or hyper.shard):
        raise ValueError("--parallel pmap keeps the whole state on every device of one process; leave it out here")


class _Prepared(NamedTuple):
    run: Run
    described: dict[str, Any]
    config: dict[str, Any]
    devices: list[jax.Device]


def _prepare(recipe: str, preset: str, hyper: Any, build: Callable[[Any, Dataset], Run]) -> _Prepared:
    """Load the data, build the run and check everything that can be checked before anything is written."""
    devices = _devices(hyper.devices)
    try:
        dataset = data.load(hyper.data, image_size=hyper.image_size, stream=hyper.stream)
    except data.DataError:
        if not (hyper.describe and hyper.data in KNOWN):
            raise
        dataset = placeholder(hyper.data, hyper.image_size)
    hyper = dataclasses.replace(hyper, steps=steps_of(hyper, len(dataset.train)))  # schedules need them
    run = build(hyper, dataset)
    if hyper.remat:
        run = run._replace(phases=tuple(phase._replace(game=rematerialized(phase.game)) for phase in run.phases))
    config = {
        "recipe": recipe,
        "preset": preset,
        "hyper": json.loads(json.dumps(dataclasses.asdict(hyper), default=str)),
        "images": {"train": len(dataset.train), "test": len(dataset.test), "shape": list(dataset.train.shape)},
        "environment": environment(),
    }
    if not hyper.describe:
        for phase in run.phases:
            parallel.check_batch(phase.feed.batch_size, devices, hyper.accumulate)
            pipeline.units_per_epoch(len(phase.feed.split), phase.feed.batch_size)
    return _Prepared(run, describe(recipe, preset, hyper, run), config, devices)


def main(
    recipe: str,
    presets: Mapping[str, Common],
    build: Callable[[Any, Dataset], Run],
    arguments: Sequence[str] | None = None,
) -> int:
    """Run a recipe from the command line and return the exit status.

    0; 2 where the input cannot be used; 3 where a loss was not finite; 130 after an interrupt.
    build: (hyperparameters, data set) -> Run.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        preset, hyper = _parse(recipe, presets, given)
        _check_places(hyper, hyper.processes)
        configure(hyper.devices and hyper.devices // hyper.processes, hyper.cache)
        if processes.scheduler(os.environ) is not None:
            with processes.member():
                return _main(recipe, preset, hyper, build)
        if hyper.processes > 1 and not hyper.describe:
            return processes.lead(hyper.processes, [sys.executable, "-m", f"train.{recipe}", *given])
        return _main(recipe, preset, hyper, build)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _main(recipe: str, preset: str, hyper: Any, build: Callable[[Any, Dataset], Run]) -> int:
    from genjax.engine.loop import DivergedError, Settings, train

    def tell(text: str) -> None:
        if processes.is_first():
            print(text, file=sys.stderr)

    _check_places(hyper, jax.process_count())
    run, described, config, devices = _prepare(recipe, preset, hyper, build)
    if hyper.describe:
        print(json.dumps(described, indent=2))
        return 0
    folder = Path(processes.from_first(lambda: open_folder(recipe, hyper, config)))
    tell(f"{recipe} ({preset}) on {hyper.data}: writing to {folder}")
    plan = parallel.jit_plan(devices, hyper.shard) if hyper.parallel == "jit" else parallel.pmap_plan(devices)
    convolves = any(phase["convolutions"] for phase in described["phases"])
    settings = Settings(
        fuse=1 if convolves and jax.default_backend() == "cpu" else hyper.fuse,
        accumulate=hyper.accumulate,
        checkpoint_every=hyper.checkpoint_every,
        evaluate_every=hyper.evaluate_every,
        keep=hyper.keep,
        rollback=hyper.on_nonfinite == "rollback",
        tensorboard=hyper.tensorboard,
    )
    try:
        result = train(
            run.phases,
            plan,
            seed=hyper.seed,
            folder=folder,
            settings=settings,
            meta={"recipe": recipe, "preset": preset},
            resume=hyper.resume,
            evaluate=run.evaluate,
            pictures=run.pictures,
        )
    except DivergedError as error:
        tell(f"error: {error}")
        return 3
    if result.signal is not None:
        tell(f"stopped at step {int(result.state.step)}; continue with --resume --out {folder}")
        return 0 if result.signal == signal.SIGTERM else 130
    if not processes.is_first():
        return 0
    from genjax.viz.curves import save_curves

    save_curves(folder / "metrics.jsonl", folder / "curves.png")
    files.write_text(folder / "card.md", card(recipe, preset, config, described, result, folder))
    for name, value in result.scores.items():
        print(f"{name}: {value:.4f}")
    print(f"{result.seconds:.1f} s; see {folder / 'card.md'}")
    return 0
