"""Place, extent and colours that are read off pixels, against the factors that scenes were drawn from."""

import numpy as np
import pytest

from genjax.data.drawn import scenes
from genjax.metrics.appearance import Appearance, appearance, inherited

FACTORS = scenes.draw_factors(range(400))


def looks(factors):
    return appearance(scenes.render(factors, 16).images / 255)


def agreement(a, b):
    return np.corrcoef(a, b)[0, 1]


def test_they_are_those_of_drawn_scenes():
    found = looks(FACTORS)
    assert agreement(found.place[:, 0], scenes.seen(FACTORS)[:, 0, 0]) > 0.95
    assert agreement(found.extent.sum(1), FACTORS.size[:, 0]) > 0.75
    colours = np.array(list(scenes.COLOURS.values()))[FACTORS.colour[:, 0]]
    for channel in range(3):
        assert agreement(found.colour[:, channel], colours[:, channel]) > 0.9
        hue = (FACTORS.background + channel / 3) * 2 * np.pi
        assert agreement(found.ground[:, channel], np.cos(hue)) > 0.99


def test_repainted_scenes_follow_the_one_in_place_and_the_other_in_colours():
    other = np.roll(np.arange(400), 1)
    painted = FACTORS._replace(colour=FACTORS.colour[other], background=FACTORS.background[other])
    first, mixed = looks(FACTORS), looks(painted)
    second = Appearance(*(values[other] for values in first))
    follows = {name: inherited(*(getattr(each, name) for each in (mixed, first, second))) for name in first._fields}
    assert min(follows["place"], follows["extent"]) > 0.9
    assert max(follows["colour"], follows["ground"]) < 0.1


def test_a_grey_image_has_its_object_where_it_departs_from_the_border():
    images = np.zeros((2, 8, 8, 1))
    images[0, 2, 6] = 1.0
    images[1, 1:3, 1:3] = 0.5
    found = appearance(images)
    np.testing.assert_allclose(found.place, [[6.5 / 8 - 0.5, 2.5 / 8 - 0.5], [0.25 - 0.5, 0.25 - 0.5]], atol=1e-6)
    np.testing.assert_allclose(found.extent, [[0, 0], [1 / 16, 1 / 16]], atol=1e-3)
    np.testing.assert_allclose(found.colour[:, 0], [1.0, 0.5], atol=1e-6)


def test_what_is_mixed_follows_the_source_that_it_equals():
    a, b = np.zeros((5, 2)), np.ones((5, 2))
    assert [inherited(x, a, b) for x in (a, b, (a + b) / 2)] == [1.0, 0.0, 0.5]
    assert inherited(0.75 * a + 0.25 * b, a, b) == pytest.approx(0.9)
    assert np.isnan(inherited(a, a, a))
