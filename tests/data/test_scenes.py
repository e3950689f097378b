import numpy as np
import pytest

from genjax import data
from genjax.data.drawn import garments, scene_sets, scenes
from genjax.data.drawn.uniforms import uniforms


def one(shape, count=1, **fields):
    """Scenes of one centred, mid-sized object of that shape, seen from the front."""
    factors = scenes.draw_factors(range(count))
    fixed = {
        "shape": np.full((count, 1), scenes.SHAPES.index(shape)),
        "size": np.full((count, 1), 0.45),
        "position": np.zeros((count, 1, 2)),
        "azimuth": np.zeros(count),
        "elevation": np.full(count, 0.4),
    }
    return factors._replace(**{**fixed, **fields})


def centroid(mask):
    """The middle of the nonzero pixels, to the right and up, in [-1, 1]."""
    rows, columns = np.nonzero(mask)
    return 2 * (columns.mean() + 0.5) / mask.shape[1] - 1, 1 - 2 * (rows.mean() + 0.5) / mask.shape[0]


def test_random_numbers_are_uniform_and_belong_to_seed_and_index():
    u = uniforms(range(5000), 4, 7)
    np.testing.assert_array_equal(uniforms([4321, 0], 4, 7), u[[4321, 0]])
    assert not np.isin(uniforms(range(100), 4, 8), u).any()
    assert len(np.unique(u)) == u.size
    assert np.abs(np.histogram(u, 10, (0, 1))[0] / u.size - 0.1).max() < 0.006
    assert np.abs(np.corrcoef(u.T) - np.eye(4)).max() < 0.06
    assert abs(np.corrcoef(u[1:, 0], u[:-1, 0])[0, 1]) < 0.06


@pytest.mark.parametrize("objects", [1, 2])
def test_a_scene_depends_on_its_own_index_only(objects):
    together = scenes.render(scenes.draw_factors(range(40), objects=objects, seed=3), 16)
    alone = scenes.render(scenes.draw_factors([31], objects=objects, seed=3), 16)
    for whole, single in zip(together, alone, strict=True):
        np.testing.assert_array_equal(whole[31], single[0])
    assert len(np.unique(together.images.reshape(40, -1), axis=0)) == 40
    other = scenes.render(scenes.draw_factors(range(40), objects=objects, seed=4), 16)
    assert not (together.images == other.images).all(axis=(1, 2, 3)).any()


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        # Silhouettes from the front at elevation e: a disc, a box's front and top, a tube's side and two half rims.
        ("ball", lambda s, e: np.pi * s**2),
        ("cube", lambda s, e: (1.5 * s) ** 2 * (np.cos(e) + np.sin(e))),
        ("cylinder", lambda s, e: 1.4 * s * 1.8 * s * np.cos(e) + np.pi * (0.7 * s) ** 2 * np.sin(e)),
    ],
)
def test_silhouettes_have_the_area_geometry_says(shape, area):
    for elevation in (0.3, 0.6):
        factors = one(shape, size=np.array([[0.5]]), elevation=np.array([elevation]))
        mask = scenes.render(factors, 128).masks[0]
        assert set(np.unique(mask)) == {0, 1 + scenes.SHAPES.index(shape)}
        np.testing.assert_allclose(4 * (mask > 0).mean(), area(0.5, elevation), rtol=0.03)


def test_cone_and_cross_have_their_outlines():
    cone = scenes.render(one("cone"), 128).masks[0] > 0
    widths = cone.sum(1)[cone.any(1)]
    assert widths[0] <= 3 and abs(widths.max() - 0.9 * 0.45 * 128) < 3
    assert (np.diff(widths[: len(widths) // 2]) >= 0).all()
    cross = scenes.render(one("cross"), 128).masks[0] > 0
    widths = cross.sum(1)[cross.any(1)] / 64
    np.testing.assert_allclose(
        (widths[0], widths[len(widths) // 2], widths[-1]), np.array([0.6, 2, 0.6]) * 0.45, atol=0.04
    )


def test_the_camera_turns_about_the_middle():
    azimuth = np.linspace(-np.pi, np.pi, 9)
    place = np.tile([[[0.2, 0.0]]], (9, 1, 1))
    masks = scenes.render(one("ball", 9, position=place, azimuth=azimuth), 64).masks
    found = np.array([centroid(mask) for mask in masks])
    np.testing.assert_allclose(found[:, 0], 0.2 * np.cos(azimuth), atol=0.02)
    # What is nearer to the camera is seen lower.
    np.testing.assert_allclose(found[:, 1] - found[:, 1].mean(), -0.2 * np.sin(0.4) * np.sin(azimuth), atol=0.03)


def test_the_turn_of_every_shape_can_be_seen():
    for shape in scenes.SHAPES:
        front, quarter, back = scenes.render(
            one(shape, 3, azimuth=np.array([0, 0.5, 3.0]))._replace(
                colour=np.zeros((3, 1), int), background=np.zeros(3)
            ),
            32,
        ).images.astype(int)
        assert min(abs(front - quarter).max(), abs(front - back).max(), abs(quarter - back).max()) > 60


def test_objects_have_their_colour_and_edges_surround_them():
    factors = scenes.draw_factors(range(64))
    drawing = scenes.render(factors, 32)
    table = np.array(list(scenes.COLOURS.values()))
    named = 0
    for i in range(64):
        # The pale wedge and the shading keep the hue: compare directions.
        pixels = drawing.images[i][drawing.masks[i] > 0].mean(0)
        saturated = (pixels - pixels.min()) / np.ptp(pixels)
        known = (table - table.min(1, keepdims=True)) / np.ptp(table, axis=1)[:, None]
        named += abs(known - saturated).sum(1).argmin() == factors.colour[i, 0]
        lines = drawing.edges[i, ..., 0] < 128
        ys, xs = np.nonzero(drawing.masks[i])
        near = np.zeros((32, 32), bool)
        near[ys.min() - 1 : ys.max() + 2, xs.min() - 1 : xs.max() + 2] = True
        assert lines.any() and not (lines & ~near).any()
    assert named >= 62
    # Nothing of a lone object is cut off by the border.
    border = np.ones((32, 32), bool)
    border[1:-1, 1:-1] = False
    assert not drawing.masks[:, border].any()


def test_pairs_stand_as_their_captions_say():
    factors = scenes.draw_factors(range(300), objects=2)
    assert len(scenes.captions(factors)) == 300
    objects = scenes.render(factors, 24).objects
    across = np.array([[centroid(mask == o)[0] for o in (1, 2)] for mask in objects])
    left = np.array(["left of" in text for text in scenes.captions(factors)])
    np.testing.assert_array_equal(across[:, 0] < across[:, 1], left)
    assert 0.4 < left.mean() < 0.6
    assert min((objects == o).sum((1, 2)).min() for o in (1, 2)) > 5


@pytest.mark.parametrize("near", [0, 1])
def test_the_nearer_object_hides_the_other(near):
    factors = scenes.draw_factors([0], objects=2)
    place = np.array([[[0, -0.3], [0, -0.3]]])
    place[0, near, 1] = 0.3
    front = {"azimuth": np.zeros(1), "elevation": np.array([0.3]), "shape": np.zeros((1, 2), int)}
    objects = scenes.render(factors._replace(size=np.full((1, 2), 0.35), position=place, **front), 64).objects[0]
    # The near ball is a whole disc; of the far one only what rises above it is seen.
    np.testing.assert_allclose(4 * (objects == 1 + near).mean(), np.pi * 0.35**2, rtol=0.03)
    assert 0 < (objects == 2 - near).sum() < 0.5 * (objects == 1 + near).sum()


def test_captions_and_tokens_tell_the_factors():
    factors = one("cone", 2, size=np.array([[0.35], [0.5]]))._replace(colour=np.array([[0], [5]]))
    assert scenes.captions(factors) == ["a small red cone", "a large blue cone"]
    tokens = scenes.tokens(factors)
    assert (tokens.shape, tokens.dtype) == ((2, 4), np.int32)
    assert scenes.tokens(scenes.draw_factors(range(3), objects=2)).shape == (3, 10)
    assert len(set(scenes.WORDS)) == len(scenes.WORDS)


def test_the_loader_draws_labelled_splits(monkeypatch):
    monkeypatch.setattr(scene_sets, "COUNTS", {"train": 60, "test": 30})
    dataset = data.load("scenes")
    assert (dataset.shape, dataset.class_names, len(dataset.train)) == ((32, 32, 3), scenes.SHAPES, 60)
    images = dataset.train.take(range(60))["images"]
    assert not any((image == images).all() for image in dataset.test.take(range(30))["images"])
    np.testing.assert_array_equal(dataset.train.take([5])["labels"], scenes.draw_factors([5]).shape[:, 0])
    assert data.load("scenes", image_size=16, channels=1).shape == (16, 16, 1)
    large = data.load("scenes", image_size=80)
    batch = large.test.take([3, 1])
    assert (batch["images"].shape, batch["labels"].dtype) == ((2, 80, 80, 3), np.int32)
    expected = scenes.render(scenes.draw_factors([3, 1], seed=1), 80).images
    np.testing.assert_array_equal(batch["images"], expected)


def test_labels_are_balanced():
    shapes = np.bincount(scenes.draw_factors(range(8192)).shape[:, 0], minlength=5) / 8192
    assert abs(shapes - 0.2).max() < 0.02


def test_bad_sizes_and_counts_are_errors():
    for size in (8, 512):
        with pytest.raises(data.DataError, match=f"16 to 256 pixels, not {size}"):
            data.load("scenes", image_size=size)
        with pytest.raises(data.DataError, match=f"16 to 256 pixels, not {size}"):
            garments.draw_triplets([0], size)
    with pytest.raises(data.DataError, match="1 or 2 objects, not 3"):
        scenes.draw_factors([0], objects=3)


def test_triplets_differ_in_the_garment_alone():
    found = garments.draw_triplets(range(60), 32)
    again = garments.draw_triplets([41], 32)
    np.testing.assert_array_equal(found.swapped[41], again.swapped[0])
    worn = found.masks.astype(bool)
    changed = abs(found.persons.astype(int) - found.swapped).max(-1)
    # Pixels at the rim belong to both garment and ground.
    rim = worn.copy()
    for axis in (1, 2):
        rim |= np.roll(rim, 1, axis) | np.roll(rim, -1, axis)
    assert not changed[~rim].any()
    plain = (found.worn.pattern == 0) & (found.other.pattern == 0)
    assert plain.any()
    for i in np.flatnonzero(found.worn.pattern == 0):
        seen = found.persons[i][worn[i]].mean(0) / 255
        assert abs(seen - found.worn.cloth[i]).max() < 0.12
        shown = found.articles[i][12:24, 12:20].mean((0, 1)) / 255
        assert abs(shown - found.worn.cloth[i]).max() < 0.12
    assert 0.05 < worn.mean() < 0.3
    assert (found.articles[:, 0, 0] > 220).all()


def test_captions_say_what_stands_left_and_right():
    factors = scenes.draw_factors(range(50), objects=2)
    asked = scenes.sides(scenes.tokens(factors))
    order = scenes.seen(factors)[..., 0].argsort(1)
    rows = np.arange(50)[:, None]
    np.testing.assert_array_equal(asked[..., 1], factors.colour[rows, order])
    np.testing.assert_array_equal(asked[..., 2], factors.shape[rows, order])
    np.testing.assert_array_equal(asked[..., 0], factors.size[rows, order] > np.mean(scenes.SIZES[2]))
