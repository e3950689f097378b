"""How the steps of a run are cut into calls, and which images they see."""

import jax
import numpy as np
import optax

from genjax import parallel
from genjax.data import Arrays
from genjax.data.pipeline import calls, chunks, permutation
from genjax.engine import Aux, Game, Player
from genjax.engine.loop import Settings, train
from genjax.engine.phases import Feed, Phase


def test_calls_end_where_something_is_to_be_saved_or_scored():
    assert list(calls(range(100), 40)) == [(0, 40), (40, 40), (80, 20)]
    assert list(calls(range(100), 50, (30, 1000))) == [(0, 30), (30, 30), (60, 30), (90, 10)]
    assert list(calls(range(10), 50, (30,), first=25)) == [(0, 5), (5, 5)]
    assert list(calls(range(7, 7), 50, (30,))) == []


def test_chunks_are_cut_as_calls_are_and_skip_what_was_used():
    split = Arrays({"images": np.arange(12, dtype=np.uint8).reshape(12, 1, 1, 1)})
    found = [(step, k) for step, k, _ in chunks(split, batch_size=2, seed=0, stop=10, fuse=4, ends=(3,), skip=5)]
    assert found == [(0, 3), (3, 3), (6, 3), (9, 1)]
    _, _, batch = next(chunks(split, batch_size=2, seed=0, stop=1, skip=5))
    assert batch["images"].ravel().tolist() == permutation(12, 0, 0)[10:].tolist()


def _game(repeats):
    def loss(state, batch, key):
        return state.params["net"]["w"] * 0.0 + 0.0, Aux(metrics={"image": batch["images"].mean()})

    player = Player("only", loss, optax.sgd(0.1), ("net",), repeats)
    return Game((player,), {"net": lambda key: {"params": {"w": np.float32(0)}}})


def test_a_later_phase_goes_on_with_the_images_where_the_one_before_stopped():
    images = np.arange(12, dtype=np.uint8).reshape(12, 1, 1, 1)
    split = Arrays({"images": images})
    phases = [Phase(_game(repeats), steps, Feed(split, 1)) for repeats, steps in ((1, 5), (2, 2), (1, 3))]
    plan = parallel.jit_plan(jax.devices()[:1])
    result = train(phases, plan, seed=3, settings=Settings(fuse=1), progress=False)
    order = permutation(12, 3, 0)
    pairs = [order[5:7].mean(), order[7:9].mean()]
    expected = [*order[:5], *pairs, *order[9:12]]
    assert [row["only/image"] for row in result.rows] == [float(x) for x in expected]


def test_a_checkpoint_is_written_at_its_step_although_calls_are_longer(tmp_path):
    split = Arrays({"images": np.zeros((8, 1, 1, 1), np.uint8)})
    plan = parallel.jit_plan(jax.devices()[:1])
    settings = Settings(fuse=50, checkpoint_every=4, evaluate_every=6, keep=10)
    seen = []
    train(
        [Phase(_game(1), 13, Feed(split, 1))], plan, seed=0, folder=tmp_path, settings=settings,
        evaluate=lambda state: seen.append(int(state.step)) or {}, progress=False,
    )  # fmt: skip
    saved = sorted(int(path.name) for path in (tmp_path / "checkpoints").iterdir())
    assert saved == [4, 8, 12, 13]
    assert seen == [6, 12, 13]
