"""The twelve models of the comparison, AE, VAE and CVAE at four sizes of the latent, trained together over seeds.

All members of one kind train in one compiled program, padded to the largest latent (see `padded`). Trained members
are kept on disk and read again while everything they depend on is the same.
"""

import json
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from genjax import data, rng
from genjax.autoencoders import ae, cvae, vae
from genjax.data import Arrays, Dataset, pipeline, transforms
from genjax.engine import Game, State, init_state, make_run, make_step
from genjax.files import atomic
from genjax.nn.coders import DenseDecoder, DenseEncoder
from genjax.run.autoencoder import labelled_share
from genjax.run.options import SHARE, above, at_least

from .padded import mask_gradients, pad, unpad

KINDS = ("ae", "vae", "cvae")
IRRELEVANT = {"ae": {"beta", "samples", "labelled", "late"}, "vae": {"labelled", "late"}, "cvae": set()}
TITLES = {"ae": "AE", "vae": "VAE", "cvae": "CVAE"}


@dataclass(frozen=True)
class Options:
    """What the twelve models are trained on, and how; the defaults are the comparison article's but for the epochs."""

    data: str = "digits"
    """digits, PATH.npz, idx:DIR or tfds:NAME, with labels."""
    out: Path | None = None
    """Where models, pictures and tables go; runs/article-<data> if not given, so that the programs share models."""
    epochs: Annotated[int, at_least(1)] = 200
    """Passes over the training images (the article made 1000)."""
    seeds: Annotated[int, at_least(1)] = 3
    """Models of each kind and size, from different first weights and noise."""
    latents: Annotated[tuple[int, ...], at_least(1)] = (2, 4, 16, 64)
    """Sizes of the latent."""
    hidden: Annotated[int, at_least(1)] = 128
    """Hidden units of encoder and decoder."""
    batch_size: Annotated[int, at_least(1)] = 100
    """Images in a batch."""
    learning_rate: Annotated[float, above(0)] = 1e-3
    """Adam's."""
    beta: Annotated[float, at_least(0)] = 0.1
    """Weight of the KL term per image, the article's C."""
    samples: Annotated[int, at_least(1)] = 5
    """Draws of the latent for each image, averaged outside the logarithm: the article's k."""
    labelled: Annotated[float, SHARE] = 0.5
    """Share of the training images whose label the CVAE sees."""
    late: bool = False
    """Join the CVAE's label after the hidden layers, as the article prints it, where it can only add a template."""


class Member(NamedTuple):
    """One trained model. variables: what `model.apply` takes."""

    kind: str
    latent: int
    seed: int
    model: Any
    variables: Any


class Family(NamedTuple):
    """All members, and what they were trained on. seconds: training time by kind, 0 where read from disk.

    history: `{kind: {metric: float[epochs, sizes, seeds]}}`, training metrics averaged over each epoch.
    """

    options: Options
    dataset: Dataset
    members: tuple[Member, ...]
    seconds: dict[str, float]
    history: dict[str, dict[str, np.ndarray]]

    def of(self, kind: str, latent: int) -> list[Member]:
        """Return the members of one kind and size, in the order of their seeds."""
        return [m for m in self.members if (m.kind, m.latent) == (kind, latent)]


def named_folder(program: str, spec: str) -> Path:
    """Return runs/<program>-<data>."""
    stem = Path(spec).stem if spec.endswith(".npz") else spec.strip("/").replace("/", "-")
    return Path("runs") / f"{program}-{stem.replace(':', '-')}"


def folder_of(options: Options) -> Path:
    """Return the folder that the options name."""
    return options.out or named_folder("article", options.data)


def build(kind: str, latent: int, options: Options, dataset: Dataset) -> Any:
    """Return the Linen module of one kind and size."""
    late = options.late and kind == "cvae"
    shared: dict[str, Any] = {
        "encoder": DenseEncoder((options.hidden,), late=late),
        "decoder": DenseDecoder((options.hidden,), late=late),
        "latent": latent,
        "image_shape": dataset.shape,
    }
    if kind == "cvae":
        return cvae.CVAE(**shared, classes=dataset.num_classes)
    return {"ae": ae.AE, "vae": vae.VAE}[kind](**shared)


def make_game(kind: str, model: Any, options: Options) -> Game:
    """Return the game of one model, whose optimizer masks gradients."""
    tx = optax.chain(mask_gradients(), optax.adam(options.learning_rate))
    if kind == "ae":
        return ae.game(model, tx)
    return {"vae": vae, "cvae": cvae}[kind].game(model, tx, beta=options.beta, samples=options.samples)


def start(kind: str, options: Options, dataset: Dataset) -> tuple[State, jax.Array]:
    """Return padded first states and keys of all members of a kind, with one leading axis, sizes before seeds."""
    game = make_game(kind, build(kind, max(options.latents), options, dataset), options)
    like = jax.eval_shape(partial(init_state, game), jax.random.key(0)).params
    player = game.players[0]

    def states_of(keys, latent):
        small = make_game(kind, build(kind, latent, options, dataset), options)
        state = jax.vmap(partial(init_state, small))(keys)
        fill = partial(jax.tree.map, partial(pad, latent=latent))
        mask, padded = fill(jax.tree.map(jnp.ones_like, state.params), like), fill(state.params, like)
        _, *rest = jax.vmap(player.tx.init)(padded)
        return state.replace(params=padded, opt_state={player.name: (mask, *rest)})

    @jax.jit
    def stack(seeds):
        keys = jax.vmap(jax.random.key)(seeds)
        states = [states_of(keys, latent) for latent in options.latents]
        return jax.tree.map(lambda *x: jnp.concatenate(x), *states), jnp.tile(keys, len(states))

    return stack(jnp.arange(options.seeds))


def compile_run(game: Game) -> Callable:
    """Return `run(states, source, indices, keys)` over members with one leading axis; it donates the states."""
    prepare: Any = transforms.scale
    run = jax.vmap(make_run(make_step(game), prepare), in_axes=(0, None, None, 0))
    return jax.jit(run, donate_argnums=0)


def arrays_of(split: Any) -> dict[str, np.ndarray]:
    """Return the arrays of a split that is in memory."""
    return split.arrays


def _config(kind: str, options: Options, dataset: Dataset) -> dict[str, Any]:
    """Return all that the trained members of a kind depend on, and nothing else."""
    names = {field.name for field in fields(Options)} - {"data", "out"} - IRRELEVANT[kind]
    named = {name: getattr(options, name) for name in sorted(names)}
    sums = {name: zlib.crc32(array.tobytes()) for name, array in arrays_of(dataset.train).items()}
    return json.loads(json.dumps({"kind": kind, **named, **sums}))


def _train(kind: str, options: Options, dataset: Dataset) -> tuple[Any, dict[str, np.ndarray]]:
    """Return padded parameters [members, ...] and metrics [epochs, members] of a kind, trained from the start."""
    split = labelled_share(dataset.train, options.labelled, 0) if kind == "cvae" else dataset.train
    source = {name: jnp.asarray(array) for name, array in arrays_of(split).items()}
    game = make_game(kind, build(kind, max(options.latents), options, dataset), options)
    states, keys = start(kind, options, dataset)
    run = compile_run(game)
    keys = jax.vmap(partial(rng.named, name="train"))(keys)
    steps = pipeline.units_per_epoch(len(split), options.batch_size)
    began = last = time.perf_counter()
    history = []
    for epoch in range(options.epochs):
        indices = pipeline.order(len(split), options.batch_size, 0, epoch * steps, steps)
        states, metrics = run(states, source, indices[:, None], keys)
        history.append({name.partition("/")[2]: value.mean(1) for name, value in metrics.items()})
        if time.perf_counter() - last > 10:
            last = time.perf_counter()
            nll = float(history[-1]["nll"].mean())
            text = f"{TITLES[kind]}: epoch {epoch + 1} of {options.epochs}, {nll:.2f} nats, {last - began:.0f} s"
            print(text, file=sys.stderr)
    curves = {name: np.stack([np.asarray(row[name]) for row in history]) for name in history[0]}
    bad = ~np.isfinite(curves["loss"]).all(0)
    if bad.any():
        raise ValueError(f"{bad.sum()} of {len(bad)} {TITLES[kind]} models diverged; lower --learning-rate")
    return jax.device_get(states.params), curves


def _load(path: Path, config: dict[str, Any], like: Any) -> tuple[Any, dict[str, np.ndarray]] | None:
    """Return what `_save` wrote for the same configuration, or None."""
    if not path.exists():
        return None
    with np.load(path) as file:
        if json.loads(str(file["config"])) != config:
            return None
        params = jax.tree_util.tree_map_with_path(lambda where, _: file[f"params{jax.tree_util.keystr(where)}"], like)
        return params, {name[8:]: file[name] for name in file.files if name.startswith("history/")}


def _save(path: Path, config: dict[str, Any], params: Any, history: dict[str, np.ndarray]) -> None:
    leaves = jax.tree_util.tree_leaves_with_path(params)
    arrays = {f"params{jax.tree_util.keystr(where)}": leaf for where, leaf in leaves}
    arrays |= {f"history/{name}": value for name, value in history.items()}
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, config=np.array(json.dumps(config)), **arrays)


def _check(options: Options, dataset: Dataset) -> None:
    splits = (dataset.train, dataset.test)
    if not all(isinstance(split, Arrays) and split.labelled for split in splits):
        raise ValueError(f"--data {options.data}: the comparison needs labelled images that fit in memory")
    if options.epochs < 1 or options.seeds < 1 or not options.latents or min(options.latents) < 1:
        raise ValueError("--epochs and --seeds must be at least 1, and --latents one or more sizes of at least 1")
    if len(set(options.latents)) != len(options.latents):
        raise ValueError(f"--latents {options.latents} names a size twice")
    pipeline.units_per_epoch(len(dataset.train), options.batch_size)


def family(options: Options) -> Family:
    """Return the trained family: read from the out folder where the configuration is equal, trained where not.

    Raises ValueError for data or options that cannot be used.
    """
    dataset = data.load(options.data)
    _check(options, dataset)
    members, seconds, histories = [], {}, {}
    for kind in KINDS:
        began = time.perf_counter()
        path = folder_of(options) / "family" / f"{kind}.npz"
        config = _config(kind, options, dataset)
        shapes = {
            latent: jax.eval_shape(
                partial(init_state, make_game(kind, build(kind, latent, options, dataset), options)), jax.random.key(0)
            ).params
            for latent in options.latents
        }
        found = _load(path, config, shapes[max(options.latents)])
        params, history = found or _train(kind, options, dataset)
        if found is None:
            _save(path, config, params, history)
        seconds[kind] = 0.0 if found else time.perf_counter() - began
        histories[kind] = {
            name: value.reshape(len(value), len(options.latents), options.seeds) for name, value in history.items()
        }
        for index, (latent, seed) in enumerate((z, s) for z in options.latents for s in range(options.seeds)):
            one = jax.tree.map(lambda large, i=index: large[i], params)
            one = jax.tree.map(partial(unpad, latent=latent), one, shapes[latent])
            model = build(kind, latent, options, dataset)
            members.append(Member(kind, latent, seed, model, {"params": one[kind]}))
    return Family(options, dataset, tuple(members), seconds, histories)
