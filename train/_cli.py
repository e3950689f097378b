"""What every recipe shares: common options, the command line, the run's folder, and `--describe`."""

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
from genjax.engine.state import State, init_state
from genjax.engine.step import make_step, rematerialized
from genjax.environment import environment


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
    """Steps in one compiled call."""
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


# Options that change where and how a run happens, not what it computes.
OPERATIONAL = {
    *("out", "resume", "force", "parallel", "devices", "processes", "shard", "remat", "fuse", "checkpoint_every"),
    *("evaluate_every", "keep", "on_nonfinite", "stream", "tensorboard", "cache", "describe"),
}


class Sampler(NamedTuple):
    """How to draw from a trained generator: what the programs of `eval` need to know of it.

    prior: (key, count) -> latents [count, ...].
    generate: (state, latents, labels or None) -> float[count, height, width, channels] in [low, high].
    classes: of a conditional generator, whose labels are int[count]; 0 for others.
    """

    prior: Callable[[jax.Array, int], jax.Array]
    generate: Callable[[State, Any, Any], np.ndarray]
    low: float
    high: float
    classes: int = 0


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


# Shapes of data sets that a preset names and a machine may not have, so that --describe works without them:
# image shape, classes, training images, test images.
KNOWN = {
    "tfds:mnist": ((28, 28, 1), 10, 60_000, 10_000),
    "tfds:cifar10": ((32, 32, 3), 10, 50_000, 10_000),
    "tfds:celeb_a": ((218, 178, 3), 0, 162_770, 19_962),
    "tfds:lsun/bedroom": ((256, 256, 3), 0, 3_033_042, 300),
    "tfds:imagenet2012": ((256, 256, 3), 1000, 1_281_167, 50_000),
}


def _placeholder(spec: str, image_size: int | None) -> Dataset:
    (height, width, channels), classes, *counts = KNOWN[spec]
    shape = (height, width, channels) if image_size is None else (image_size, image_size, channels)

    def split(count: int) -> data.Arrays:  # broadcasting a zero allocates nothing
        labels = {"labels": np.broadcast_to(np.int32(0), count)} if classes else {}
        return data.Arrays({"images": np.broadcast_to(np.uint8(0), (count, *shape)), **labels})

    return Dataset(spec, split(counts[0]), split(counts[1]), tuple(map(str, range(classes))))


def describe(recipe: str, preset: str, hyper: Common, run: Run) -> dict[str, Any]:
    """Return, without allocating, each network's trainable parameters, the optimizers, the batch and FLOPs per step."""
    phases = []
    for phase in run.phases:
        key = jax.eval_shape(lambda: jax.random.key(0))
        state = jax.eval_shape(lambda key, game=phase.game: init_state(game, key), key)
        lead = (phase.game.batches_per_step, phase.feed.batch_size)
        example = {name: jax.ShapeDtypeStruct(x.shape, x.dtype) for name, x in phase.feed.split.take([0]).items()}
        batch = {name: jax.ShapeDtypeStruct((lead[1], *x.shape[1:]), x.dtype) for name, x in example.items()}
        if phase.feed.prepare is not None:
            batch = jax.eval_shape(phase.feed.prepare, batch, key)
        batch = {name: jax.ShapeDtypeStruct((lead[0], *x.shape), x.dtype) for name, x in batch.items()}
        cost = jax.jit(make_step(phase.game, None, hyper.accumulate)).lower(state, batch, key).cost_analysis() or {}
        phases.append(
            {
                "steps": phase.steps,
                "batch": {name: list(x.shape) for name, x in batch.items()},
                "parameters": {
                    net: sum(int(np.prod(x.shape)) for x in jax.tree.leaves(params))
                    for net, params in state.params.items()
                },
                "flops_per_step": int(cost.get("flops", 0)),
            }
        )
    return {"recipe": recipe, "preset": preset, "optimizers": dict(run.optimizers), "phases": phases}


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


def _folder(recipe: str, hyper: Common) -> Path:
    if hyper.out is not None:
        taken = (hyper.out / "config.json").exists()
        if taken and not hyper.resume:
            raise ValueError(f"{hyper.out} holds a run already; add --resume to continue it, or choose another --out")
        return hyper.out
    stem = Path(hyper.data.rstrip("/")).stem if hyper.data.endswith(".npz") else hyper.data.split("/")[-1]
    base = Path("runs") / f"{recipe}-{stem.replace(':', '-')}"
    numbered = [base, *(base.with_name(f"{base.name}-{n}") for n in range(2, 10_000))]
    free = next(index for index, folder in enumerate(numbered) if not (folder / "config.json").exists())
    if hyper.resume and free == 0:
        raise ValueError(f"--resume found no run in {base}; start one without it, or name its folder with --out")
    return numbered[free - 1] if hyper.resume else numbered[free]


def _check_config(folder: Path, config: Mapping[str, Any], force: bool) -> None:
    """Refuse to continue a run whose hyperparameters or data are not the ones given, and say what differs."""
    saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))

    def relevant(c):
        flat = {name: value for name, value in c["hyper"].items() if name not in OPERATIONAL}
        return {**flat, "recipe": c["recipe"], "images": c["images"]}

    old, new = relevant(saved), relevant(config)
    lines = [f"  {k}: {old.get(k)!r} -> {new.get(k)!r}" for k in sorted(old | new) if old.get(k) != new.get(k)]
    if lines and not force:
        raise ValueError(
            "this is not the run that was started; it differs in (saved -> given)\n"
            + "\n".join(lines)
            + f"\ngive the values of {folder / 'config.json'}, or add --force to continue all the same"
        )
    if lines:
        print("continuing with other values, as forced:\n" + "\n".join(lines), file=sys.stderr)


def _card(recipe: str, preset: str, config: dict[str, Any], described: dict[str, Any], result, folder: Path) -> str:
    phases = described["phases"]
    parameters = "\n".join(f"| {net} | {count:,} |" for net, count in phases[-1]["parameters"].items())
    scores = "\n".join(f"| {name} | {value:.4f} |" for name, value in result.scores.items())
    where = config["environment"]
    return f"""# {recipe}, preset {preset}

- data: {config["hyper"]["data"]}, {config["images"]["train"]} training and {config["images"]["test"]} test images of shape {config["images"]["shape"]}
- steps: {int(result.state.step)}, batch {phases[-1]["batch"]}, seed {config["hyper"]["seed"]}
- optimizers: {"; ".join(f"{name}: {text}" for name, text in described["optimizers"].items())}
- device: {where["device"]}, {where["processor"]}
- time of this start: {result.seconds:.1f} s, of which {result.compile_seconds:.1f} s to compile the first call; FLOPs per step: {phases[-1]["flops_per_step"]:,}
- date: {where["date"]}; versions: {", ".join(f"{k} {v}" for k, v in where["versions"].items())}

| network | trainable parameters |
|---|---|
{parameters}

| score on test images | value |
|---|---|
{scores}

All hyperparameters: `config.json`. Training curves: `metrics.jsonl`, `curves.png`.
"""  # noqa: E501 (lines of a table)


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
        dataset = _placeholder(hyper.data, hyper.image_size)
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


def _open_folder(recipe: str, hyper: Common, config: Mapping[str, Any]) -> str:
    """Return the run's folder with its configuration written."""
    folder = _folder(recipe, hyper)
    if hyper.resume and (folder / "config.json").exists():
        _check_config(folder, config, hyper.force)
    files.write_text(folder / "config.json", json.dumps(config, indent=2) + "\n")
    return str(folder)


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
    folder = Path(processes.from_first(lambda: _open_folder(recipe, hyper, config)))
    tell(f"{recipe} ({preset}) on {hyper.data}: writing to {folder}")
    plan = parallel.jit_plan(devices, hyper.shard) if hyper.parallel == "jit" else parallel.pmap_plan(devices)
    settings = Settings(
        fuse=hyper.fuse,
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
    files.write_text(folder / "card.md", _card(recipe, preset, config, described, result, folder))
    for name, value in result.scores.items():
        print(f"{name}: {value:.4f}")
    print(f"{result.seconds:.1f} s; see {folder / 'card.md'}")
    return 0
