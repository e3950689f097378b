import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eval.comparison import padded, probing, training
from genjax import data, rng
from genjax.data import pipeline
from genjax.engine import init_state

KEY = jax.random.key(0)


def train_alone(kind, latent, options, dataset, seed):
    """The parameters of one member, trained without padding and without the others."""
    game = training.make_game(kind, training.build(kind, latent, options, dataset), options)
    state = init_state(game, jax.random.key(seed))
    split = dataset.train
    if kind == "cvae":
        split = training.labelled_share(split, options.labelled, 0)
    run = training.compile_run(game)
    states = jax.tree.map(lambda x: x[None], state)
    keys = rng.named(jax.random.key(seed), "train")[None]
    steps = pipeline.units_per_epoch(len(split), options.batch_size)
    indices = pipeline.order(len(split), options.batch_size, 0, 0, options.epochs * steps)[:, None]
    states, _ = run(states, {name: jnp.asarray(x) for name, x in split.arrays.items()}, indices, keys)
    return jax.tree.map(lambda x: np.asarray(x[0]), states.params[kind])


def assert_equal_trees(a, b, tolerance):
    jax.tree.map(partial(np.testing.assert_allclose, rtol=0, atol=tolerance), a, b)


@pytest.mark.parametrize("kind", training.KINDS)
def test_padded_and_alone_train_to_the_same_weights(kind, options, monkeypatch):
    normal = jax.random.normal

    def same_noise(key, shape=(), *rest):
        # Of the padded model's noise, the small one gets the part that its latents would see.
        return normal(key, (*shape[:-1], 4))[..., : shape[-1]] if len(shape) == 3 else normal(key, shape, *rest)

    monkeypatch.setattr(jax.random, "normal", same_noise)
    dataset = data.load("digits")
    params, _ = training._train(kind, options, dataset)
    alone = train_alone(kind, 2, options, dataset, seed=1)
    whole = jax.tree.map(lambda x: x[1], params)[kind]  # the second seed of the first size
    small = jax.tree.map(partial(padded.unpad, latent=2), whole, alone)
    assert_equal_trees(small, alone, 1e-5)
    assert_equal_trees(jax.tree.map(lambda s, w: padded.pad(jnp.asarray(s), w, 2), small, whole), whole, 0)
    assert not np.allclose(alone["decoder"]["head"]["bias"], 0, atol=1e-3)  # it did train


def test_padding_stays_zero_with_late_labels(options):
    dataset = data.load("digits")
    options = dataclasses.replace(options, late=True, epochs=1)
    params, history = training._train("cvae", options, dataset)
    like = jax.eval_shape(
        partial(init_state, training.make_game("cvae", training.build("cvae", 2, options, dataset), options)), KEY
    ).params
    whole = jax.tree.map(lambda x: x[0], params)
    small = jax.tree.map(partial(padded.unpad, latent=2), whole, like)
    assert jax.tree.map(np.shape, small) == jax.tree.map(lambda x: x.shape, like)
    back = jax.tree.map(lambda s, w: padded.pad(jnp.asarray(s), w, 2), small, whole)
    assert_equal_trees(back, whole, 0)
    assert np.isfinite(history["kl"]).all()


def test_seeds_and_sizes_differ_and_learn(family):
    first, second = family.of("vae", 2)
    assert (first.seed, second.seed) == (0, 1)
    assert not np.allclose(
        first.variables["params"]["decoder"]["head"]["kernel"], second.variables["params"]["decoder"]["head"]["kernel"]
    )
    for kind in training.KINDS:
        nll = family.history[kind]["nll"]
        assert nll.shape == (3, 2, 2)
        assert (nll[-1] < nll[0]).all()


def test_models_are_read_again_only_where_options_are_equal(family, options, monkeypatch):
    def refuse(kind, *_):
        raise AssertionError(f"{kind} was trained again")

    monkeypatch.setattr(training, "_train", refuse)
    again = training.family(options)
    assert set(again.seconds.values()) == {0.0}
    for old, new in zip(family.members, again.members, strict=True):
        assert_equal_trees(old.variables, new.variables, 0)
    for change, kind in (({"hidden": 8}, "ae"), ({"beta": 0.2}, "vae"), ({"late": True}, "cvae")):
        with pytest.raises(AssertionError, match=f"^{kind} was trained again"):
            training.family(dataclasses.replace(options, **change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "at least 1"),
        ({"latents": ()}, "one or more sizes"),
        ({"latents": (2, 2)}, "names a size twice"),
        ({"batch_size": 10_000}, "batch size 10000"),
    ],
)
def test_unusable_options_are_refused(change, message, options, tmp_path):
    with pytest.raises(ValueError, match=message):
        training.family(dataclasses.replace(options, out=tmp_path, **change))


def test_images_without_labels_are_refused(options, tmp_path):
    path = tmp_path / "plain.npz"
    np.savez(path, x_train=np.zeros((200, 8, 8), np.uint8), x_test=np.zeros((20, 8, 8), np.uint8))
    with pytest.raises(ValueError, match="needs labelled images"):
        training.family(dataclasses.replace(options, out=tmp_path, data=str(path)))


def test_divergence_is_an_error(options, tmp_path):
    broken = dataclasses.replace(options, out=tmp_path, learning_rate=1e38, epochs=1)
    with pytest.raises(ValueError, match="diverged"):
        training.family(broken)
    assert not list(tmp_path.rglob("*.npz"))


def test_wrong_labels_are_never_right():
    labels = np.arange(1000, dtype=np.int32) % 10
    wrong = probing.given_labels(probing.CVAE_WRONG, labels, 10)
    assert (wrong != labels).all() and wrong.min() >= 0 and wrong.max() <= 9
    assert (probing.given_labels(probing.CVAE_NONE, labels, 10) == -1).all()
