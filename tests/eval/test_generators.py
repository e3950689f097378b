"""The programs for trained generators: samples, walks, arithmetic, scores, and the ring over training."""

import json
import re
import signal

import jax
import numpy as np
import pytest
from PIL import Image, ImageSequence

from eval import arithmetic, attention, interpolate, modes, sample, scores, truncation
from genjax.gans import published
from genjax.gans.published import mimicry
from genjax.run import extractors
from genjax.run.cli import main as train_main
from genjax.run.load import Trained, load
from tests.gans import golden

pytestmark = pytest.mark.usefixtures("unreported")


def trained(recipe, folder, *options):
    assert train_main(recipe, ["--out", str(folder), "--no-cache", "--devices", "1", *options]) == 0
    return folder


@pytest.fixture(scope="module")
def dcgan_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generators") / "dcgan"
    return trained(
        "dcgan", folder, "--steps", "2", "--image-size", "16", "--width", "4", "--latent", "6", "--batch-size", "8"
    )


@pytest.fixture(scope="module")
def cgan_run(tmp_path_factory):
    return trained("cgan", tmp_path_factory.mktemp("generators") / "cgan", "--steps", "2")


@pytest.fixture(scope="module")
def sagan_run(tmp_path_factory):
    tiny = ("--steps", "2", "--batch-size", "8", "--first", "8", "--generator-widths", "8", "8", "--no-judge")
    widths = ("--discriminator-widths", "8", "8")
    return trained("sagan", tmp_path_factory.mktemp("generators") / "sagan", *tiny, *widths)


@pytest.fixture(scope="module")
def uniform_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generators") / "uniform"
    return trained("cgan", folder, "--steps", "2", "--prior", "uniform")


@pytest.fixture(scope="module")
def ring_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generators") / "gan"
    return trained("gan", folder, "--data", "mixture:ring", "--steps", "2")


def test_samples_have_a_row_for_each_class_and_can_be_had_as_arrays(cgan_run, tmp_path):
    arguments = [str(cgan_run), "--count", "12", "--labels", "3", "5", "8", "--out", str(tmp_path / "grid.png")]
    assert sample.main([*arguments, "--npz", str(tmp_path / "arrays.npz")]) == 0
    with Image.open(tmp_path / "grid.png") as picture:
        assert np.asarray(picture).std() > 5
    with np.load(tmp_path / "arrays.npz") as arrays:
        assert arrays["labels"].tolist() == [3] * 4 + [5] * 4 + [8] * 4
        assert arrays["images"].shape == (12, 8, 8, 1)
        assert arrays["images"].dtype == np.uint8
        # The generator draws the same from the latents that the file holds.
        again = load(cgan_run).from_latents(arrays["latents"], arrays["labels"])
        assert np.array_equal(again, arrays["images"])


def test_samples_of_a_published_generators_file(monkeypatch, tmp_path, capsys):
    tiny = mimicry.generator(32, (16,) * 3, 16, latent=6, attention=16, conditional=True, spectral=True)
    monkeypatch.setitem(published.NETWORKS, "sagan-32", tiny)
    values, weights = golden.read("sagan"), tmp_path / "netG.npz"
    np.savez(weights, **golden.under(values, "G/state/"))
    arguments = ["--weights", str(weights), "--network", "sagan-32", "--count", "4", "--npz", str(tmp_path / "a.npz")]
    assert sample.main([*arguments, "--labels", "3,1"]) == 0
    assert (tmp_path / "netG.png").exists()
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["labels"].tolist() == [3, 3, 1, 1] and arrays["images"].shape == (4, 32, 32, 3)
        again = published.load(weights, "sagan-32").draw(arrays["latents"], arrays["labels"])
        assert np.abs(arrays["images"] - 127.5 * (again + 1)).max() < 0.51
    for wrong, message in (
        (["--labels", "4"], "--labels 4: the classes of sagan-32 in .* are 0 to 3"),
        (["--network", "sngan-32"], "another network: .*missing"),
        (["--network", "sagan"], "no published network 'sagan'"),
        ([str(tmp_path)], "give one of them"),
    ):
        assert sample.main([*arguments, *wrong]) == 2
        assert re.search(message, capsys.readouterr().err)
    assert sample.main(["--weights", str(weights)]) == 2
    assert "--weights and --network go together" in capsys.readouterr().err


def test_where_attention_looks(sagan_run):
    assert attention.main([str(sagan_run), "--count", "3"]) == 0
    with Image.open(sagan_run / "attention.png") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape[0] > 6 * 96 and pixels.std() > 5  # a row for each sample, and for each real image
    told = json.loads((sagan_run / "attention.json").read_text())
    model = load(sagan_run)
    for net in ("generator", "discriminator"):
        averaged = net == "generator"
        gamma = float(model.state.variables_of(net, ema=averaged)["params"]["attention"]["gamma"])
        assert told[net]["gamma"] == pytest.approx(gamma, rel=1e-5)
        assert 0 < told[net]["entropy"] <= 1 and 1 / 16 <= told[net]["largest_weight"] <= 1
    assert attention.main([str(sagan_run), "--count", "3", "--no-real", "--out", str(sagan_run / "g.png")]) == 0
    assert list(json.loads((sagan_run / "g.json").read_text())) == ["generator"]


def test_maps_are_of_the_features_that_attend(sagan_run):
    model = load(sagan_run)
    seen = attention.of_generator(model, attention.Options(run=sagan_run, count=2))
    assert seen.maps.shape == (2, 8, 8, 4, 4) and seen.images.shape == (2, 16, 16, 1)
    np.testing.assert_allclose(seen.maps.sum((3, 4)), 1, rtol=1e-5)
    uniform = np.full((2, 16), 1 / 16)
    np.testing.assert_allclose(attention.entropy(uniform), 1, rtol=1e-6)
    np.testing.assert_allclose(attention.entropy(np.eye(16)[:2]), 0, atol=1e-6)


def test_truncated_latents_stay_within_and_the_rest_is_as_before(dcgan_run):
    task, key = load(dcgan_run).task, jax.random.key(3)
    free, within = (np.asarray(task.latents(key, 200, truncation)) for truncation in (None, 0.7))
    assert np.abs(within).max() <= 0.7
    untouched = np.abs(free) <= 0.7
    assert np.array_equal(within[untouched], free[untouched])
    assert 0.3 < within.std() < 0.5  # a truncated normal's deviation is 0.39; clipping would give 0.6


def test_samples_by_standing_statistics_of_truncated_latents(dcgan_run, tmp_path):
    drawn = {}
    for name, more in {"running": [], "standing": ["--standing", "2"]}.items():
        arguments = [
            str(dcgan_run),
            "--count",
            "20",
            "--truncation",
            "0.5",
            "--scaled",
            "--out",
            str(tmp_path / "a.png"),
        ]
        assert sample.main([*arguments, "--npz", str(tmp_path / f"{name}.npz"), *more]) == 0
        with np.load(tmp_path / f"{name}.npz") as arrays:
            drawn[name] = dict(arrays)
    assert np.array_equal(drawn["running"]["latents"], drawn["standing"]["latents"])
    assert np.abs(drawn["running"]["latents"]).max() <= 1  # half of a normal within 2
    assert not np.array_equal(drawn["running"]["images"], drawn["standing"]["images"])
    # They are the average's, which is what draws, and those of training stay.
    model = load(dcgan_run)
    settled = model.task.settled(model.state, jax.random.key(1), 50, passes=1, truncation=0.5)
    assert settled.variables["generator"] is model.state.variables["generator"]
    before, after = (state.variables_of("generator", ema=True)["batch_stats"] for state in (model.state, settled))
    pairs = zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    assert all(not np.allclose(old, new) for old, new in pairs)


def test_fidelity_against_variety(dcgan_run, monkeypatch):
    def apply(images):  # features of sixteen pixels, and one of ten classes
        features = images[:, ::4, ::4].reshape(len(images), -1)
        return features, np.eye(10)[np.arange(len(images)) % 10]

    monkeypatch.setattr(truncation.scores, "extractor_of", lambda *_: extractors.Extractor("pixels", "0", apply))
    options = ["--truncations", "0.3", "1.0", "--count", "100", "--standing", "2"]
    assert truncation.main([str(dcgan_run), *options]) == 0
    found = json.loads((dcgan_run / "truncation.json").read_text())
    assert (found["extractor"], found["truncated by"], found["samples"]) == ("pixels", "resampling", 100)
    places = [(row["truncation"], row["statistics"]) for row in found["rows"]]
    assert places == [(cut, kind) for cut in (0.3, 1.0, None) for kind in ("standing", "running")]
    spreads = {(row["truncation"], row["statistics"]): row["spread"] for row in found["rows"]}
    # A generator that has hardly learnt: its running statistics are those of before the first step.
    assert spreads[None, "standing"] > 3 * spreads[None, "running"] > 0
    assert all(0 <= row[name] <= 1 for row in found["rows"] for name in ("precision", "recall", "coverage"))
    assert not any("class accuracy" in row for row in found["rows"])
    with Image.open(dcgan_run / "truncation.png") as picture:
        assert np.asarray(picture).std() > 5


def test_of_a_uniform_prior_only_the_straight_walk_is_drawn(uniform_run, tmp_path):
    assert load(uniform_run).task.prior.bound == 1
    assert interpolate.main(["--run", str(uniform_run), "--steps", "3", "--out", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"interpolate-linear.png", "interpolate.gif"}


def test_a_walk_between_latents_reaches_both_ends(cgan_run, tmp_path):
    assert interpolate.main(["--run", str(cgan_run), "--steps", "4", "--out", str(tmp_path)]) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"interpolate-linear.png", "interpolate-spherical.png", "interpolate.gif"}
    with Image.open(tmp_path / "interpolate.gif") as gif:
        frames = [np.asarray(frame.convert("L"), float) for frame in ImageSequence.Iterator(gif)]
        lasting = sum(frame.info["duration"] for frame in ImageSequence.Iterator(gif))
    assert lasting == 40 * 100  # there and back, the ends once; equal frames are stored as one
    assert np.abs(frames[1] - frames[-1]).max() <= 2
    assert np.abs(frames[0] - frames[len(frames) // 2]).max() > 2


def test_the_arithmetic_is_that_of_mean_latents(dcgan_run, tmp_path, monkeypatch):
    drawn, calls, real = [], [], Trained.from_latents

    def recorded(model, latents, labels=None):
        calls.append((latents, real(model, latents, labels)))
        return calls[-1][1]

    monkeypatch.setattr(Trained, "from_latents", recorded)
    monkeypatch.setattr(
        arithmetic, "image_table", lambda images, *a: drawn.append(images) or images[0, 0].repeat(3, -1)
    )
    numbers = ["--indices", "0", "1", "2", "--minus", "3", "4", "5", "--plus", "6", "7", "8"]
    assert arithmetic.main([str(dcgan_run), *numbers]) == 0
    pool = np.asarray(load(dcgan_run).task.latents(jax.random.key(0), arithmetic.POOL))
    result = pool[:3].mean(0) - pool[3:6].mean(0) + pool[6:9].mean(0)
    latents, images = calls[-1]
    assert len(calls) == 2 * 3 + 1
    np.testing.assert_allclose(latents[4], result, atol=1e-6)
    assert np.abs(latents[[0, 1, 2, 3, 5, 6, 7, 8]] - result).max(1).min() > 0.01  # its neighbours
    table = drawn[0]
    assert table.shape == (4, 5, 16, 16, 1)
    assert np.array_equal(table[3, 0], images[4]) and np.array_equal(table[3, 2:], images[:3])
    assert np.array_equal(table[0, 0], calls[0][1][0]) and np.array_equal(table[0, 2:], calls[1][1])


def test_scores_stand_beside_those_of_real_images_with_the_extractors_name(cgan_run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    train = extractors.cli.main
    monkeypatch.setattr(extractors.cli, "main", lambda name, options: train(name, [*options, "--steps", "60"]))
    assert scores.main([str(cgan_run), "--count", "200"]) == 0
    result = json.loads((cgan_run / "scores.json").read_text())
    assert result["extractor"] == "convnet trained on digits"
    assert len(result["extractor_hash"]) == 12
    assert (result["samples"], result["real"], result["step"]) == (200, 200, 2)
    table = result["scores"]
    assert not any("FID" in name for name in table)
    assert table["Frechet distance of features"]["samples"] > 10 * table["Frechet distance of features"]["real"] > 0
    assert table["precision"]["real"] > 0.8
    assert table["classes of 10"] == {"samples": table["classes of 10"]["samples"], "real": 10}
    assert 0 <= table["samples of the asked class"]["samples"] <= 0.3
    assert table["samples of the asked class"]["real"] is None
    assert "| score | samples | real against real |" in capsys.readouterr().out
    # A second run finds the classifier that the first one trained.
    monkeypatch.setattr(extractors.cli, "main", lambda *arguments: pytest.fail("trained again"))
    assert scores.main([str(cgan_run), "--count", "100"]) == 0


def test_scores_of_points_are_the_modes_they_cover(ring_run):
    assert scores.main([str(ring_run), "--count", "500"]) == 0
    table = json.loads((ring_run / "scores.json").read_text())["scores"]
    assert table["modes"]["real"] == 8
    assert table["near"]["real"] == pytest.approx(0.989, abs=0.02)  # within three deviations
    assert table["modes"]["samples"] < 8


def test_stacked_digits_are_read_channel_by_channel():
    def apply(images):  # the class is ten times the first pixel
        number = np.round(10 * images[:, 0, 0, 0]).astype(int)
        return number[:, None], np.eye(10)[number]

    images = np.zeros((3, 4, 4, 3), np.float32)
    images[:, 0, 0] = [[0.1, 0.2, 0.3], [0.9, 0.0, 0.4], [0.0, 0.0, 0.7]]
    assert scores.stacked_labels(extractors.Extractor("", "", apply), images).tolist() == [123, 904, 7]


def test_the_ring_is_drawn_over_training_with_and_without_look_ahead(tmp_path):
    options = ["--steps", "20", "--columns", "3", "--seeds", "1", "--look-aheads", "0", "1", "--out", str(tmp_path)]
    assert modes.main(options) == 0
    runs = json.loads((tmp_path / "modes.json").read_text())["runs"]
    assert [(run["look_ahead"], run["steps"]) for run in runs] == [(0, [0, 10, 20]), (1, [0, 10, 20])]
    with Image.open(tmp_path / "modes.png") as picture:
        assert picture.size[0] > 300


@pytest.mark.parametrize("failure", ["signal", "divergence"])
def test_half_a_run_is_not_reported_as_a_whole_one(failure, tmp_path, monkeypatch, capsys):
    real = modes.train

    def train(*arguments, **options):
        if failure == "divergence":
            raise modes.DivergedError("the loss of player 'generator' was nan at step 3")
        return real(*arguments, **options)._replace(signal=signal.SIGINT)

    monkeypatch.setattr(modes, "train", train)
    options = ["--steps", "2", "--columns", "2", "--look-aheads", "0", "--out", str(tmp_path / "modes")]
    if failure == "signal":
        with pytest.raises(SystemExit) as stopped:
            modes.main(options)
        assert stopped.value.code == 130
    else:
        assert modes.main(options) == 2
        assert "0 steps ahead, seed 0: training diverged" in capsys.readouterr().err
    assert not (tmp_path / "modes").exists()


@pytest.mark.parametrize(
    ("program", "arguments", "sentence"),
    [
        (sample, ["{dcgan}", "--labels", "3"], "draws without labels"),
        (sample, ["{cgan}", "--labels", "12"], "this run of cgan are 0 to 9"),
        (sample, ["{dcgan}", "--truncation", "-1"], "give a number at least 0"),
        (sample, ["{uniform}", "--truncation", "0.7"], "bounded already; only latents of N(0, 1) are truncated"),
        (sample, ["{dcgan}", "--count", "0"], "at least 1"),
        (sample, ["{dcgan}", "--scaled"], "says how --truncation truncates"),
        (sample, ["{dcgan}", "--scaled", "--truncation", "1.5"], "give a factor in (0, 1]"),
        (sample, ["{cgan}", "--standing", "2"], "of which this network has none"),
        (truncation, ["{cgan}"], "of which this network has none"),
        (truncation, ["{ring}"], "draws no images by statistics of batches"),
        (sample, ["{nothing}"], "holds no run"),
        (sample, ["{ae}"], "an autoencoder without a prior has nothing to draw from"),
        (sample, ["{ring}"], "points, not images"),
        (interpolate, ["--run", "{ring}"], "points, not images"),
        (arithmetic, ["{dcgan}", "--indices", "1"], "all of --indices, --minus and --plus"),
        (arithmetic, ["{ring}"], "draws images from a latent"),
        (arithmetic, ["{cgan}"], "draws whichever class it is told"),
        (scores, ["{dcgan}", "--features", "inception:nowhere.npz"], "pt_inception-2015-12-05-6726825d.pth"),
        (scores, ["{dcgan}", "--features", "{cgan}"], "give one of classifier, or inception:FILE"),
        (scores, ["{dcgan}", "--resizing", "published"], "is for InceptionV3; leave it out"),
        (scores, ["{dcgan}", "--count", "20"], "too few to score"),
        (modes, ["--columns", "1"], "at least 2"),
        (attention, ["{dcgan}"], "which has no attention; give one of sagan"),
        (attention, ["{nothing}"], "holds no run"),
        (modes, ["--mixture", "torus"], "choose one of ring, ring-1.414, grid"),
    ],
)
def test_what_cannot_work_is_one_clear_sentence(
    program, arguments, sentence, dcgan_run, cgan_run, uniform_run, ring_run, tmp_path, capsys
):
    if "{ae}" in arguments:
        trained("ae", tmp_path / "ae", "--steps", "2", "--hidden", "4")
    places = {
        "dcgan": dcgan_run,
        "cgan": cgan_run,
        "uniform": uniform_run,
        "ring": ring_run,
        "nothing": tmp_path,
        "ae": tmp_path / "ae",
    }
    before = sorted(tmp_path.rglob("*"))
    assert program.main([argument.format(**places) for argument in arguments]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert "Traceback" not in said
    assert sorted(tmp_path.rglob("*")) == before, "something was written"
