"""CAGAN learns in seconds to swap garments that it never saw swapped: plain ones, on persons of 8 pixels."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from genjax.engine import init_state, make_run, make_step
from genjax.gans import cagan
from genjax.nn.initializers import GLOROT

TORSO = np.zeros((1, 8, 8, 1), np.float32)
TORSO[:, 2:6, 2:6] = 1


def triplets(count, seed):
    """Return grey persons with a torso of one colour, the article in that colour, and another article."""
    draw = np.random.default_rng(seed)
    worn, wanted = draw.uniform(-0.9, 0.9, (2, count, 1, 1, 3))
    ground, page = draw.uniform(-0.9, 0.9, (count, 1, 1, 1)), np.ones((1, 8, 8, 1))
    persons = TORSO * worn + (1 - TORSO) * ground
    given = {"images": persons, "articles": worn * page, "others": wanted * page}
    return {name: jnp.asarray(x, jnp.float32) for name, x in given.items()}


def test_garments_are_swapped_and_nothing_else_changes():
    options = {"initializer": GLOROT, "injection": False}
    generator, discriminator = cagan.Generator(8, 2, **options), cagan.Discriminator(16, 1, **options)
    rates = {"generator_tx": optax.adam(2e-3, 0.5), "discriminator_tx": optax.adam(4e-3, 0.5)}
    game = cagan.game(generator, discriminator, **rates, image_shape=(8, 8, 3))
    run, start = jax.jit(make_run(make_step(game))), jax.jit(lambda key: init_state(game, key))(jax.random.key(0))
    rows = np.random.default_rng(0).integers(0, 1024, (500, 1, 16))
    state = run(start, triplets(1024, 0), rows, jax.random.key(0))[0]
    test = triplets(200, 9)

    def dressed(persons, worn, wanted):
        drawn = generator.apply(state.variables_of("generator"), persons, worn, wanted)
        return (np.asarray(x) for x in cagan.composite(drawn, persons))

    persons, worn, wanted = (test[name] for name in ("images", "articles", "others"))
    swapped, mask = dressed(persons, worn, wanted)

    def error(images, colours):
        """Return the error of the torso's mean colour."""
        return float(np.abs((images * TORSO).sum((1, 2)) / TORSO.sum() - colours[:, 0, 0]).mean())

    found, copied = error(swapped, wanted), error(np.asarray(persons), wanted)
    assert found < 0.3 * copied
    inside, outside = (float((mask * where).sum() / where.sum() / len(mask)) for where in (TORSO, 1 - TORSO))
    assert inside - outside > 0.5
    assert outside < 0.1, "the mask's price"
    changed = float((np.abs(swapped - persons) * (1 - TORSO)).mean())
    assert changed < 0.08
    back, _ = dressed(jnp.asarray(swapped), wanted, worn)
    found, copied = error(back, worn), error(swapped, worn)
    assert found < 0.3 * copied
