"""Several seeds in one program train as each does alone, and leave the folders of runs by themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax import parallel
from genjax.data import Files
from genjax.engine import Aux, Game, Player
from genjax.engine.log import read_rows
from genjax.engine.loop import DivergedError, train
from genjax.engine.phases import Feed, Phase
from genjax.engine.records import Settings
from genjax.engine.seeds import Member, train_seeds
from tests.engine import toy

SETTINGS = Settings(fuse=5, checkpoint_every=10, evaluate_every=10)
PLAN = parallel.jit_plan(jax.devices()[:1])


def phases(steps=20):
    """Two phases of one game on the same images, the second of which goes on where the first stopped."""
    game, feed = toy.regression(optax.sgd(0.1)), toy.feed()
    return Phase(game, 12, feed), Phase(game, steps - 12, feed)


def score(state):
    return {"size": float(jnp.abs(jax.tree.leaves(state.params)[0]).sum())}


@pytest.mark.parametrize(("batched", "devices"), [(True, 2), (False, 2), pytest.param(True, 1, marks=pytest.mark.slow)])
def test_every_seed_trains_as_it_would_alone_but_for_rounding(batched, devices):
    members = [Member(seed) for seed in (3, 4)]
    together = train_seeds(
        phases(), jax.devices()[:devices], members, settings=SETTINGS, evaluate=score, progress=False, batched=batched
    )
    for member, found in zip(members, together, strict=True):
        alone = train(phases(), PLAN, seed=member.seed, settings=SETTINGS, evaluate=score, progress=False)
        assert toy.worst(alone.state, found.state) < 1e-6
        assert found.scores == pytest.approx(alone.scores, rel=1e-5)
        assert [row["step"] for row in found.rows] == [row["step"] for row in alone.rows]
        losses = [[row["net/loss"] for row in rows if "net/loss" in row] for rows in (alone.rows, found.rows)]
        np.testing.assert_allclose(*losses, rtol=1e-4)
    assert len({found.scores["size"] for found in together}) == 2


def test_the_folder_of_a_seed_is_that_of_a_run_which_goes_on_alone(tmp_path):
    members = [Member(seed, tmp_path / str(seed)) for seed in (3, 4)]
    for member in members:
        member.folder.mkdir()
    reported = []
    members[1] = members[1]._replace(report=lambda result: reported.append(int(result.state.step)))
    train_seeds(phases(), jax.devices()[:2], members, settings=SETTINGS, evaluate=score, progress=False)
    assert reported == [10, 20]
    longer, whole = tmp_path / "4", train(phases(30), PLAN, seed=4, settings=SETTINGS, progress=False)
    found = train(phases(30), PLAN, seed=4, folder=longer, settings=SETTINGS, resume=True, progress=False)
    assert toy.worst(whole.state, found.state) < 1e-6
    assert [row["step"] for row in read_rows(longer / "metrics.jsonl")] == [5, 10, 10, 12, 17, 20, 20, 25, 30]


def test_a_seed_that_diverges_stops_alone(tmp_path):
    def loss(state, batch, key):
        value = state.params["net"]["value"]
        return jnp.where((state.step == 7) & (value > 0), jnp.inf, value**2), Aux()

    game = Game(
        (Player("net", loss, optax.sgd(0.01), ("net",)),),
        {"net": lambda key: {"params": {"value": jax.random.normal(key)}}},
    )
    members = [Member(seed) for seed in range(6)]
    found = train_seeds(
        (Phase(game, 20, toy.feed()),), jax.devices()[:3], members, settings=SETTINGS, evaluate=None, progress=False
    )
    diverged = [isinstance(result, DivergedError) for result in found]
    assert True in diverged and False in diverged
    assert all(int(result.state.step) == 20 for result in found if not isinstance(result, DivergedError))
    assert {str(result) for result in found if isinstance(result, DivergedError)} == {
        "the loss of player 'net' was inf at step 8"
    }


def test_what_seeds_cannot_share_is_one_sentence(tmp_path):
    members = [Member(0), Member(1), Member(2)]
    with pytest.raises(ValueError, match="3 seeds cannot be shared evenly by 2 devices; give a multiple of 2"):
        train_seeds(phases(), jax.devices()[:2], members)
    files = Feed(Files(lambda index: np.zeros((1, 1, 3), np.uint8), 20, (1, 1, 3)), 4)
    with pytest.raises(ValueError, match="read one set of images on the device"):
        train_seeds((Phase(toy.regression(), 5, files),), jax.devices()[:1], members)
