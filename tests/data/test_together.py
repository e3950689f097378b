"""Images that belong together: drawn, and in folders of pairs, label maps, triplets and captions."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from genjax import data
from genjax.data import pipeline
from genjax.data.drawn import scenes, together
from genjax.data.readers import captions

GENERATOR = np.random.default_rng(0)
STREAM = pytest.mark.parametrize("stream", [False, True])


def colours(*shape):
    return GENERATOR.integers(0, 256, shape, np.uint8)


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return array


def get(spec, root, **options):
    return data.load(f"{spec}:{root}", cache_dir=root.parent / "cache", **options)


def everything(split):
    return split.take(np.arange(len(split)))


# ---- drawn ----


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(together, "COUNTS", {"train": 24, "test": 6})


@pytest.mark.parametrize("spec", ["pairs:scenes", "maps:scenes", "captions:scenes", "triplets:garments"])
def test_drawn_sets_tell_what_they_hold(few, spec):
    dataset = data.load(spec, image_size=16)
    facts = data.Facts.from_json(json.loads(json.dumps(dataset.facts.to_json())))
    stand_in = data.placeholder(facts)
    assert stand_in.facts.to_json() == dataset.facts.to_json()
    ours, theirs = (split.take([0, 1]) for split in (dataset.train, stand_in.train))
    assert {name: (x.shape, x.dtype) for name, x in ours.items()} == {n: (x.shape, x.dtype) for n, x in theirs.items()}
    assert (dataset.train.take([0])["images"] != dataset.test.take([0])["images"]).any()
    for options in ({"image_size": 8}, {"image_size": 256}, {"channels": 1}, {"hold_out": 0.5}):
        with pytest.raises(data.DataError, match=spec):
            data.load(spec, **options)


def test_the_colour_of_a_drawn_pair_follows_from_its_shape(few):
    batch = everything(data.load("pairs:scenes").train)
    palette = 255 * np.array(list(scenes.COLOURS.values()))[: len(scenes.SHAPES)]
    for target, outline, label in zip(batch["targets"], batch["images"], batch["labels"], strict=True):
        inside = target[np.abs(target.astype(int).max(-1) - target.astype(int).min(-1)) > 90].astype(float)
        hues = inside / inside.max(-1, keepdims=True)
        distances = np.abs(hues[:, None] - palette / palette.max(-1, keepdims=True)).sum(-1)
        assert np.bincount(distances.argmin(-1), minlength=5).argmax() == label
        assert outline.min() < 100 < outline.max()


def test_the_maps_of_drawn_scenes_lie_where_the_objects_are(few):
    dataset = data.load("maps:scenes")
    batch = everything(dataset.train)
    assert dataset.map_names == ("ground", *scenes.SHAPES) and set(np.unique(batch["maps"])) <= set(range(6))
    assert set(np.unique(batch["instances"])) <= {0, 1, 2}
    np.testing.assert_array_equal(batch["instances"] > 0, batch["maps"] > 0)
    saturation = np.ptp(batch["images"].astype(int), axis=-1)[..., None]
    assert saturation[batch["maps"] > 0].mean() > 2 * saturation[batch["maps"] == 0].mean()


def test_drawn_captions_are_those_of_the_scenes(few):
    dataset = data.load("captions:scenes")
    row = dataset.train.take([3])["captions"][0, 0]
    said = " ".join(dataset.words[number] for number in row if number)
    assert [said] == scenes.captions(scenes.draw_factors([3], objects=2))


# ---- pairs ----


LAYOUTS = ("{split}/{folder}", "{folder}/{split}", "{split}{folder}")


@STREAM
@pytest.mark.parametrize("layout", LAYOUTS)
def test_pairs_in_two_folders(tmp_path, layout, stream):
    root, arrays = tmp_path / "set", {}
    for split, count in (("train", 5), ("val", 2)):
        for number in range(count):
            for folder, suffix in (("A", "png"), ("B", "bmp")):  # names count without their suffix
                path = root / layout.format(split=split, folder=folder) / "street" / f"{number}.{suffix}"
                arrays[split, folder, number] = write(path, colours(6, 8, 3))
    dataset = get("pairs", root, stream=stream)
    assert (len(dataset.train), len(dataset.test), dataset.shape) == (5, 2, (6, 8, 3)) and dataset.facts.paired
    assert isinstance(dataset.train, data.Files if stream else data.Arrays)
    for split, name in ((dataset.train, "train"), (dataset.test, "val")):
        batch = everything(split)
        for number in range(len(split)):
            np.testing.assert_array_equal(batch["images"][number], arrays[name, "A", number])
            np.testing.assert_array_equal(batch["targets"][number], arrays[name, "B", number])
    [(_, _, batch)] = pipeline.chunks(dataset.train, batch_size=5, seed=0, stop=1, put=lambda batch: batch)
    assert batch["targets"].shape == (1, 1, 5, 6, 8, 3)


@STREAM
def test_pairs_side_by_side(tmp_path, stream):
    wide = [write(tmp_path / "set" / f"{number}.png", colours(6, 16, 3)) for number in range(10)]
    dataset = get("pairs", tmp_path / "set", stream=stream, hold_out=0)
    batch = everything(dataset.train)
    np.testing.assert_array_equal(np.concatenate([batch["images"], batch["targets"]], 2), wide)
    small = everything(get("pairs", tmp_path / "set", stream=stream, hold_out=0, image_size=4).train)
    assert small["images"].shape == small["targets"].shape == (10, 4, 4, 3)
    dataset = get("pairs", tmp_path / "set", stream=stream)
    assert (len(dataset.train), len(dataset.test)) == (8, 2)
    write(tmp_path / "set" / "odd.png", colours(6, 15, 3))
    with pytest.raises(data.DataError, match=r"odd.png is 15 pixels wide, which is no pair of halves"):
        get("pairs", tmp_path / "set", stream=stream, image_size=4)


def test_pairs_stay_pairs_where_one_cannot_be_read(tmp_path):
    root, arrays = tmp_path / "set", {}
    for number in range(6):
        for folder in "AB":
            arrays[folder, number] = write(root / folder / f"{number}.png", colours(4, 4, 3))
    (root / "A" / "1.png").write_text("no")
    (root / "B" / "4.png").write_text("no")
    with pytest.raises(data.DataError, match="A/1.png is not a readable image"):
        get("pairs", root)
    batch = everything(get("pairs", root, skip_unreadable=True, hold_out=0).train)
    for row, number in enumerate((0, 2, 3, 5)):
        np.testing.assert_array_equal(batch["images"][row], arrays["A", number])
        np.testing.assert_array_equal(batch["targets"][row], arrays["B", number])


def test_pairs_of_which_none_is_whole(tmp_path):
    for number, folder in enumerate("AB"):
        for other in range(2):
            write(tmp_path / "set" / folder / f"{other}.png", colours(4, 4, 3))
        (tmp_path / "set" / folder / f"{number}.png").write_text("no")
    with pytest.raises(data.DataError, match="of no row of .* can all images be read"):
        get("pairs", tmp_path / "set", skip_unreadable=True)


def test_pairs_that_are_none(tmp_path):
    root = tmp_path / "set"
    for number in range(3):
        write(root / "A" / f"{number}.png", colours(4, 4, 3))
    with pytest.raises(data.DataError, match="set/B is missing; every image needs a partner"):
        get("pairs", root)
    for number in range(2):
        write(root / "B" / f"{number}.png", colours(4, 4, 3))
    with pytest.raises(data.DataError, match=r"set/B lacks 1 of 3 images that its siblings have: 2; add"):
        get("pairs", root)
    write(root / "B" / "2.png", colours(4, 5, 3))
    with pytest.raises(data.DataError, match=r"A/2.png is 4 x 4 .* its partner .*B/2.png is 4 x 5 \(1 differ so\)"):
        get("pairs", root, image_size=4)
    write(root / "B" / "2.bmp", colours(4, 4, 3))
    with pytest.raises(data.DataError, match="2.bmp and .*2.png have one name"):
        get("pairs", root)
    for spec in ("pairs", "maps", "triplets", "captions"):
        with pytest.raises(data.DataError, match="nowhere is not a directory"):
            get(spec, tmp_path / "nowhere")


# ---- label maps ----


def maps(root, numbers, size=(6, 6)):
    for number, values in enumerate(numbers):
        write(root / "images" / f"{number}.jpg", colours(*size, 3))
        write(root / "maps" / f"{number}.png", np.resize(np.array(values, np.uint8), size))


@STREAM
def test_label_maps(tmp_path, stream):
    root = tmp_path / "set"
    maps(root, [[0, 1], [1, 2, 255], [0]])
    dataset = get("maps", root, stream=stream, hold_out=0)
    batch = everything(dataset.train)
    assert dataset.map_names == ("0", "1", "2") and batch["maps"].shape == (3, 6, 6, 1)
    assert [np.unique(one).tolist() for one in batch["maps"]] == [[0, 1], [1, 2, 255], [0]]
    small = everything(get("maps", root, stream=stream, hold_out=0, image_size=3).train)
    assert small["maps"].shape == (3, 3, 3, 1) and set(np.unique(small["maps"])) <= {0, 1, 2, 255}
    (root / "classes.txt").write_text("ground\n tree \ncar\nsky\n")
    dataset = get("maps", root, stream=stream)
    assert dataset.map_names == ("ground", "tree", "car", "sky") == dataset.facts.map_names
    palette = Image.fromarray(np.resize(np.array([0, 3], np.uint8), (6, 6)), "L").convert("P")
    palette.putpalette([200, 0, 0] * 256)  # the numbers count, not the colours
    palette.save(root / "maps" / "0.png")
    assert np.unique(everything(get("maps", root, hold_out=0).train)["maps"][0]).tolist() == [0, 3]


@STREAM
def test_instances_beside_label_maps(tmp_path, stream):
    root = tmp_path / "set"
    maps(root, [[0, 1], [1, 2], [0]])
    for number in range(3):
        folder = root / "instances"
        folder.mkdir(exist_ok=True)
        numbers = np.resize(np.array([7, 26_000, 26_001 + number], np.uint16), (6, 6))
        Image.fromarray(numbers).save(folder / f"{number}.png")
    batch = everything(get("maps", root, stream=stream, hold_out=0).train)
    assert batch["instances"].shape == batch["maps"].shape and batch["instances"].dtype == np.uint8
    assert [np.unique(one).tolist() for one in batch["instances"]] == [
        sorted({7, 26_000 % 251, (26_001 + number) % 251}) for number in range(3)
    ]
    (root / "instances" / "2.png").unlink()
    with pytest.raises(data.DataError, match=r"instances lacks 1 of 3"):
        get("maps", root, stream=stream)


def test_a_label_map_that_was_read_as_an_image_before(tmp_path):
    root = tmp_path / "set"
    maps(root, [[0, 1], [1]])
    for number in range(2):
        map_ = Image.open(root / "maps" / f"{number}.png").convert("P")
        map_.putpalette([200, 0, 0] * 256)
        map_.save(root / "maps" / f"{number}.png")
    assert get("folder", root / "maps", hold_out=0).shape == (6, 6, 3)
    os.rename(tmp_path / "set" / "cache", tmp_path / "cache")
    assert get("maps", root, hold_out=0).map_names == ("0", "1")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 4], r"1.png holds class 4, but .*classes.txt names 3: 0 .. 2 \(255 is no class\)"),
        (None, r"1.png cannot be used: it is in colour \(RGB\); a label map is grey"),
        ("jpeg", "1.jpg cannot be used: it is a JPEG, whose losses change the numbers"),
        ("deep", "1.png cannot be used: its numbers go from 0 to 300"),
    ],
)
def test_label_maps_that_are_none(tmp_path, values, message):
    root = tmp_path / "set"
    maps(root, [[0, 1], [2]])
    (root / "classes.txt").write_text("a\nb\nc")
    path = root / "maps" / "1.png"
    path.unlink()
    if values is None:
        write(path, colours(6, 6, 3))
    elif values == "jpeg":
        write(path.with_suffix(".jpg"), np.zeros((6, 6), np.uint8))
    elif values == "deep":
        write(path, np.resize(np.array([0, 300], np.uint16), (6, 6)))
    else:
        write(path, np.resize(np.array(values, np.uint8), (6, 6)))
    with pytest.raises(data.DataError, match=message):
        get("maps", root)


def test_more_label_maps_that_are_none(tmp_path):
    maps(tmp_path / "set", [[0, 255], [255]])
    with pytest.raises(data.DataError, match="hold 0 and 255 only, and 255 is no class; use 0 and 1"):
        get("maps", tmp_path / "set")
    (tmp_path / "set" / "classes.txt").write_bytes(b"\xff\xfe\xfa")
    maps(tmp_path / "set", [[0, 1], [1]])
    with pytest.raises(data.DataError, match=r"classes.txt cannot be read .*in UTF-8"):
        get("maps", tmp_path / "set")
    write(tmp_path / "flat" / "1.png", colours(4, 4, 3))
    with pytest.raises(data.DataError, match="needs folders images and maps"):
        get("maps", tmp_path / "flat")


# ---- triplets ----


def test_triplets(tmp_path):
    root = tmp_path / "set"
    for number in range(5):
        write(root / "persons" / f"{number}.png", colours(12, 8, 3))
        write(root / "articles" / f"{number}.png", colours(8, 8, 3))
    with pytest.raises(data.DataError, match="needs folders persons and articles"):
        get("triplets", root / "persons")
    dataset = get("triplets", root)
    batch = everything(dataset.train)
    assert (
        batch["images"].shape[1:] == (12, 8, 3) and batch["articles"].shape[1:] == (8, 8, 3) and "others" not in batch
    )
    for number in range(5):
        write(root / "others" / f"{number}.png", colours(8, 8, 3))
    assert everything(get("triplets", root, image_size=4).test)["others"].shape == (1, 4, 4, 3)
    os.remove(root / "others" / "2.png")
    with pytest.raises(data.DataError, match="others lacks 1 of 5 images"):
        get("triplets", root)


# ---- captions ----


@pytest.fixture
def birds(tmp_path):
    root = tmp_path / "birds"
    for name in ("jay", "owl"):
        for number in range(3):
            write(root / name / f"{number}.png", colours(6, 6, 3))
    return root


def read(dataset, split, row):
    return [" ".join(dataset.words[n] for n in text if n) for text in split.take([row])["captions"][0]]


@STREAM
@pytest.mark.parametrize("kind", ["beside", "json", "coco"])
def test_captions(birds, kind, stream):
    said = {f"{name}/{n}.png": [f"A {name}, {n}.", "It flies!"][: n + 1] for name in ("jay", "owl") for n in range(3)}
    if kind == "beside":
        for name, text in said.items():
            (birds / name).with_suffix(".txt").write_text("\n".join(text) + "\n\n")
    elif kind == "json":
        (birds / "captions.json").write_text(json.dumps({**said, "jay/0.png": said["jay/0.png"][0], "gone.png": "x"}))
    else:
        images = [{"id": i, "file_name": name} for i, name in enumerate(said)]
        notes = [{"image_id": i, "caption": text} for i, name in enumerate(said) for text in said[name]]
        (birds / "captions.json").write_text(json.dumps({"images": images, "annotations": notes}))
    dataset = get("captions", birds, stream=stream, hold_out=0.34)
    assert dataset.class_names == ("jay", "owl") and dataset.words[:2] == ("", captions.UNKNOWN)
    assert dataset.train.columns["captions"] == ((2, 5), "int32") == dataset.facts.columns["captions"]
    assert (len(dataset.train), len(dataset.test)) == (4, 2)
    found = {text for row in range(4) for text in read(dataset, dataset.train, row)}
    assert {"it flies !"} < found < {f"a {name} , {n} ." for name in ("jay", "owl") for n in range(3)} | {"it flies !"}
    batch = everything(dataset.train)
    for label, text in zip(batch["labels"], batch["captions"], strict=True):
        assert dataset.class_names[label] in [dataset.words[n] for n in text[0]]
    before = dataset.fingerprint
    path = birds / "captions.json" if kind != "beside" else birds / "jay" / "0.txt"
    path.write_text(path.read_text().replace("jay, 0", "jay, zero"))
    assert get("captions", birds, stream=stream, hold_out=0.34).fingerprint != before


def test_words_of_test_captions_only_are_unknown():
    words = captions.vocabulary(["a red bird", "a bird"])
    assert words == ("", captions.UNKNOWN, "a", "bird", "red")
    assert captions.encode([["A blue bird"], ["a", "red red red red"]], words, 2, 3).tolist() == [
        [[2, 1, 3], [2, 1, 3]],
        [[2, 0, 0], [4, 4, 4]],
    ]
    assert captions.encode([["a", "bird"]], words, 4, 1).ravel().tolist() == [2, 3, 2, 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "captions.json cannot be read as JSON"),
        ("[" * 100_000, "captions.json cannot be read as JSON"),
        ("[]", "holds no captions; expected"),
        ('{"jay/0.png": 3}', "captions of 'jay/0.png' must be a text or a list of texts"),
        ('{"jay/0.png": "a", "owl/1.png": " "}', "5 images of .* have no caption: .*owl/1.png"),
        ('{"images": [{"id": 1}], "annotations": []}', "not as COCO has them .*file_name"),
        ('{"images": [], "annotations": [{"image_id": 3, "caption": "a"}]}', "not as COCO has them"),
    ],
)
def test_captions_that_are_none(birds, content, message):
    (birds / "captions.json").write_text(content)
    with pytest.raises(data.DataError, match=message):
        get("captions", birds)


def test_text_files_that_are_none(birds):
    with pytest.raises(data.DataError, match="6 images of .* have no caption: jay/"):
        get("captions", birds)
    for path in birds.glob("*/*.png"):
        path.with_suffix(".txt").write_bytes(b"\xff\xfe")
    with pytest.raises(data.DataError, match=r"txt cannot be read .*one caption a line, in UTF-8"):
        get("captions", birds)
