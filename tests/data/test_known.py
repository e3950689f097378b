"""What is known of data sets whose images are not here."""

import dataclasses
import functools
import json
import re

import numpy as np
import pytest

from genjax import data
from genjax.data.drawn import domains, garments, photos, scene_sets, scenes, together
from genjax.data.known import KNOWN
from genjax.run.run import load_data, names, recipe

load = functools.cache(data.load)
EMBEDDED = [
    source.form for source in data.SOURCES if source.form.islower() and not source.form.endswith(("scenes", "garments"))
]
"""Without the drawn scenes, which take seconds."""
DRAWN = [
    source.form
    for source in data.SOURCES
    if source.form.islower() and source.form.endswith(("scenes", "garments", "photos", "pagoda", "dahlia"))
]


@pytest.mark.parametrize("spec", EMBEDDED)
def test_facts_pass_through_json_and_stand_for_the_data_set(spec):
    dataset = load(spec)
    facts = data.Facts.from_json(json.loads(json.dumps(dataset.facts.to_json())))
    stand_in = data.placeholder(facts)
    assert stand_in.absent and not dataset.absent
    assert stand_in.facts.to_json() == facts.to_json() == dataset.facts.to_json()
    for split, other in ((dataset.train, stand_in.train), (dataset.test, stand_in.test)):
        assert type(split) is type(other) and len(split) == len(other)
        ours, theirs = split.take([0, -1]), other.take([0, -1])
        assert {name: (x.shape, x.dtype) for name, x in ours.items()} == {
            name: (x.shape, x.dtype) for name, x in theirs.items()
        }
        assert ours.keys() == split.columns.keys()


def test_a_data_set_says_what_it_is_of():
    assert {spec for spec in EMBEDDED if load(spec).mixture is not None} == {
        "mixture:ring", "mixture:ring-1.414", "mixture:grid",
    }  # fmt: skip
    assert {spec: load(spec).channels_of for spec in EMBEDDED if load(spec).channels_of} == {"stacked": "digits"}
    assert len(load("mixture:grid").mixture.centres) == 25


@pytest.mark.parametrize("options", [{}, {"image_size": 16}, {"image_size": 80}], ids=str)
@pytest.mark.parametrize("spec", DRAWN)
def test_what_is_left_undrawn_is_what_would_be_drawn(spec, options, monkeypatch):
    for module in (scene_sets, together):
        monkeypatch.setattr(module, "COUNTS", {"train": 3, "test": 2})
    monkeypatch.setattr(together, "CAPTIONED", {"train": 4, "test": 2})
    monkeypatch.setattr(photos, "TILES", {"train": 4, "test": 2})
    monkeypatch.setattr(domains, "SCENES", {"train": (4, 3), "test": (2, 1)})
    try:
        whole = data.load(spec, **options)
    except data.DataError as refused:
        with pytest.raises(data.DataError, match=re.escape(str(refused))):
            data.load(spec, **options, absent=True)
        return
    undrawn = data.load(spec, **options, absent=True)
    assert undrawn.absent and undrawn.facts == whole.facts


def test_nothing_is_drawn_to_describe_any_preset(monkeypatch):
    """The time that this takes is a clock's to tell; that no pixel is drawn needs none."""

    def drawn(*_, **__):
        raise AssertionError("drawn to be described")

    monkeypatch.setattr(scenes, "_render", drawn)
    monkeypatch.setattr(garments, "draw_triplets", drawn)
    monkeypatch.setattr(photos, "_tiles", drawn)
    described = [
        dataclasses.replace(options, describe=True) for name in names() for options in recipe(name).presets.values()
    ]
    specs = {(options.data, options.image_size) for options in described if options.data in DRAWN}
    assert len(specs) >= 8
    for options in described:
        if options.data in DRAWN:
            assert load_data(options).absent


def test_known_sets_take_no_memory():
    facts = data.known("tfds:lsun/bedroom", image_size=128)
    dataset = data.placeholder(facts)
    assert (len(dataset.train), len(dataset.test), dataset.shape) == (3_033_042, 300, (128, 128, 3))
    assert dataset.train.arrays["images"].base.nbytes <= 8
    assert data.known("tfds:mnist", channels=3).shape == (28, 28, 3)
    columns = data.known("maps:ade20k", image_size=64, channels=1).columns
    assert columns == {"images": ((64, 64, 1), "uint8"), "maps": ((64, 64, 1), "uint8")}
    assert data.known("maps:ade20k", channels=3).columns["maps"] == ((256, 256, 1), "uint8")


def test_domains_and_pairs_are_told_apart():
    horses, maps = (data.placeholder(data.known(spec)) for spec in ("folder:horse2zebra", "pairs:maps"))
    assert isinstance(horses.train, data.Unpaired) and len(horses.train) == 1334 and not horses.facts.paired
    assert isinstance(maps.train, data.Arrays) and maps.facts.paired
    for dataset in (horses, maps):
        assert dataset.train.take([0])["targets"].shape == (1, *dataset.shape)


def test_nothing_known_is_said():
    with pytest.raises(data.DataError, match="nothing is known of 'folder:cats'.*tfds:mnist"):
        data.known("folder:cats")
    for content in ({}, [], {"name": "a"}, {**KNOWN["tfds:mnist"].to_json(), "columns": {"images": 3}}):
        with pytest.raises(data.DataError, match="no facts of a data set"):
            data.Facts.from_json(content)


def test_facts_of_any_content_are_facts_or_refused():
    random = np.random.Generator(np.random.Philox(0))
    strange = [
        None,
        -1,
        3,
        1e400,
        float("nan"),
        "x",
        "",
        [],
        [1],
        [[1, 2], [3]],
        {},
        {"images": 1},
        True,
        10**30,
        "uint8",
    ]
    whole = [load(spec).facts.to_json() for spec in ("digits", "mixture:ring", "domains:digits")]
    refused = 0
    for number in range(600):
        content = json.loads(json.dumps(whole[number % 3]))
        place, key = content, random.choice(sorted(content))
        while isinstance(place[key], dict | list) and place[key] and random.random() < 0.6:
            place = place[key]
            key = random.choice(sorted(place)) if isinstance(place, dict) else int(random.integers(len(place)))
        place[key] = strange[random.integers(len(strange))]
        try:
            dataset = data.placeholder(data.Facts.from_json(content))
            assert dataset.train.take([0])["images"].shape == (1, *dataset.shape)
        except data.DataError:
            refused += 1
    assert 100 < refused < 590


def test_every_kind_of_source_is_in_the_list():
    assert ", ".join(source.form for source in data.SOURCES) == data.SPECS
    with pytest.raises(data.DataError) as error:
        data.load("nothing")
    assert data.SPECS in str(error.value)
    assert all(source.about for source in data.SOURCES)
    assert np.unique([source.form for source in data.SOURCES]).size == len(data.SOURCES)
