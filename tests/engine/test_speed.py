"""What keeps the device busy: buffers are handed over, logs are read late, compiled programs are kept."""

import jax
import pytest

from genjax import parallel
from genjax.data import pipeline
from genjax.engine import init_state, make_run, make_step
from genjax.engine.loop import Settings, train
from genjax.engine.phases import Phase
from genjax.run import devices
from tests.engine import toy

KEY = jax.random.key(0)
PLANS = {"jit": parallel.jit_plan(jax.devices()[:2]), "pmap": parallel.pmap_plan(jax.devices()[:2])}


@pytest.mark.parametrize("name", PLANS)
def test_a_step_takes_over_the_buffers_of_the_state_it_is_given(name):
    plan, game = PLANS[name], toy.regression()
    before = plan.put_state(init_state(game, KEY))
    indices = plan.put_batches(pipeline.order(64, 16, 0, 0, 3)[:, None])
    run = plan.compile(make_run(make_step(game, plan.axis)))
    after, _ = run(before, plan.put_source(toy.split().arrays), indices, KEY)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves((before.params, before.opt_state, before.ema)))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(after))


def test_metrics_of_a_call_are_read_while_the_next_one_runs(tmp_path):
    started, read = [], []
    plan = PLANS["jit"]

    def compile(run):
        compiled = plan.compile(run)

        def call(*arguments):
            started.append(1)
            return compiled(*arguments)

        return call

    def get_metrics(metrics):
        read.append(len(started))
        return plan.get_metrics(metrics)

    watched = plan._replace(compile=compile, get_metrics=get_metrics)
    settings = Settings(fuse=1, checkpoint_every=100, evaluate_every=100)
    train((Phase(toy.regression(), 6, toy.feed()),), watched, seed=0, folder=tmp_path, settings=settings)
    assert read == [2, 3, 4, 5, 6, 6]  # the last step is saved, so it is read with nothing behind it


def test_compiled_programs_are_kept_where_the_user_keeps_caches(monkeypatch, tmp_path):
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    try:
        devices.configure()
        assert jax.config.jax_compilation_cache_dir == before[names[0]]  # the environment's own choice is kept
        monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
        devices.configure(cache=False)
        assert jax.config.jax_compilation_cache_dir == before[names[0]]
        devices.configure()
        assert jax.config.jax_compilation_cache_dir == str(tmp_path / "genjax" / "xla")
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
