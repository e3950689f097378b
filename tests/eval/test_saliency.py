import dataclasses
import itertools
import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from eval import _saliency, saliency
from genjax.saliency import EXP, LOGIT, SOFTMAX, Split


@pytest.fixture(scope="module")
def photo(reference_data, tmp_path_factory):
    golden = np.load(reference_data / "gradcam_golden.npz")
    path = tmp_path_factory.mktemp("photo") / "coffee.png"
    Image.fromarray(golden["image_rgb_u8"][1]).save(path)
    return path


def of_squeezenet(photo, reference_data, out, *more):
    options = {
        "--image": str(photo),
        "--network": "squeezenet",
        "--out": str(out),
        "--weights": str(reference_data / "squeezenet1_1_imagenet.npz"),
        "--classes": str(reference_data / "imagenet_classes.txt"),
        "--layer": "fire9",
        **dict(zip(more[::2], more[1::2], strict=True)),
    }
    return list(itertools.chain.from_iterable(options.items()))


def test_a_photo_is_explained(photo, reference_data, tmp_path, capsys):
    assert saliency.main(of_squeezenet(photo, reference_data, tmp_path, "--score", "softmax")) == 0
    printed = capsys.readouterr().out
    top = [line.split("|")[1:3] for line in printed.split("| class |")[1].splitlines()[2:7]]
    assert [cell.strip() for cell in top[0]] == ["967", "espresso"]
    assert len(top) == 5
    assert "class moments" in printed
    (path,) = tmp_path.glob("*.png")
    assert re.fullmatch("coffee.png-squeezenet-fire9-967-softmax-exact-[0-9a-f]{8}", path.stem)
    with Image.open(path) as sheet:
        assert sheet.size[0] > 1000
    assert path.with_suffix(".html").read_text().count("data:image/png;base64,") == 1


@pytest.mark.slow
def test_the_comparison_of_the_two_networks(tmp_path, capsys):
    options = ["--out", str(tmp_path), "--steps", "2", "--images", "4", "--score", "exp"]
    assert saliency.main(options) == 0
    numbers = json.loads((tmp_path / "saliency.json").read_text())
    assert numbers["ReLU, exp"]["largest difference, largest"] < 1e-5
    assert numbers["ReLU, exp"]["sign changes of alpha"] == 0
    assert numbers["GELU, exp"]["largest difference, largest"] > 1e-3
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "agree: the exp-trick is exact here" in page
    assert "seed 0" in page
    capsys.readouterr()
    weights = (tmp_path / "GELU.npz").stat().st_mtime_ns
    assert saliency.main([*options[:4], "--images", "5", "--score", "exp"]) == 0
    assert "training" not in capsys.readouterr().err
    assert (tmp_path / "GELU.npz").stat().st_mtime_ns == weights


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--layer", "fire99"], "no layer 'fire99' in SqueezeNet; its layers are: conv1, fire2"),
        (["--target", "1000"], "--target 1000 is out of range: there are 1000 classes"),
        (["--network", "resnet18"], "these are weights of another network"),
        (["--weights", "nowhere.npz"], "no weights at nowhere.npz"),
        (["--classes", "nowhere.txt"], "--classes nowhere.txt: give a text file"),
        (["--image", "nowhere.png"], "no photo at nowhere.png"),
        (["--layer", "fire9", "--method", "pooled"], "do not enter this head through their spatial mean alone"),
        (["--chunk", "0"], "--chunk 0: give a number"),
    ],
)
def test_bad_input_is_one_sentence(options, message, photo, reference_data, tmp_path, capsys):
    assert saliency.main(of_squeezenet(photo, reference_data, tmp_path, *options)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_what_is_no_image_is_said_to_be_none(tmp_path, capsys):
    text = tmp_path / "photo.png"
    text.write_text("no picture")
    assert saliency.main(["--image", str(text), "--weights", "w.npz"]) == 2
    assert "is not a readable image" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--layer", "fire9"], "belong to a photo"), (["--images", "2"], "--images 2: a number from 4")],
)
def test_options_that_do_not_fit_the_comparison(options, message, tmp_path, capsys):
    assert saliency.main(["--out", str(tmp_path / "out"), *options]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_sign_changes_are_those_of_the_second_derivative():
    # S = sum of a - a^2 has s2 = -2 and s3 = 0, so that for Y = S alpha is 1/2 everywhere. The exp-trick's is
    # 1 / (2 + total g) with g = 1 - 2a.
    layer = Split(lambda image: image, lambda a, image: jnp.stack([jnp.sum(a - a**2), 0.0 * jnp.sum(a)]))
    images = jnp.array([[[0.1], [-5.0]], [[0.2], [0.3]]]).reshape(2, 1, 2, 1)
    (found,) = _saliency.compare(layer, images, jnp.zeros(2, jnp.int32), [LOGIT], _saliency.Settings())
    # The first image has total -4.9 and g = 0.8, 11: negative both; the second total 0.5 and positive g.
    np.testing.assert_allclose(found.sign_changes, [1.0, 0.0])


def test_scores_on_a_piecewise_linear_head():
    kernel = jax.random.normal(jax.random.key(0), (3, 4))
    layer = Split(lambda image: image, lambda a, image: jax.nn.relu(jnp.sum(a, (0, 1))) @ kernel)
    images = jax.random.uniform(jax.random.key(1), (2, 4, 4, 3))
    classes = jnp.array([0, 1], jnp.int32)
    found = _saliency.compare(layer, images, classes, [EXP, SOFTMAX, LOGIT], _saliency.Settings())
    exp, softmax, logit = (_saliency.agreement(comparison) for comparison in found)
    assert exp["largest difference, largest"] < 1e-6
    assert softmax["largest difference, largest"] > 1e-3
    assert exp["undefined"] == 0
    assert logit["undefined"] == 2  # its second and third derivatives are zero: 0 / 0 everywhere


def test_outputs_of_other_photos_layers_and_guards_have_other_names(tmp_path):
    pixels = np.zeros((4, 4, 3), np.uint8)
    options = saliency.Options(image=tmp_path / "a" / "cat.png")
    names = {
        saliency._name(options, "fire9", 3, pixels),
        saliency._name(options, "fire5", 3, pixels),
        saliency._name(options, "fire9", 4, pixels),
        saliency._name(options, "fire9", 3, pixels + 1),
        saliency._name(dataclasses.replace(options, guard=0.01), "fire9", 3, pixels),
        saliency._name(dataclasses.replace(options, alpha="normalised"), "fire9", 3, pixels),
    }
    assert len(names) == 6


def test_the_forecast_grows_with_the_activations():
    def seconds(side):
        layer = Split(lambda x: x, lambda a, x: jnp.tanh(jnp.tanh(a).std((0, 1)) * a.mean())[:3])
        return _saliency.forecast(layer, jnp.ones((side, side, 16)), jnp.int32(1), SOFTMAX)

    assert 0 < seconds(2) < seconds(64)


def test_a_map_that_one_grey_level_turns_blank_is_cautioned():
    # The logit falls with a where the image is brighter, and nothing that falls is shown.
    layer = Split(lambda image: image, lambda a, image: jnp.sum(a, (0, 1)) * jnp.where(jnp.mean(image) > 1, -1.0, 1.0))
    image = jnp.array([0.5, 1.5, 0.7, 1.1]).reshape(1, 2, 2, 1)
    (found,) = _saliency.compare(layer, image, jnp.array([0]), [EXP], _saliency.Settings(), image + 0.1)
    np.testing.assert_array_equal(found.stability["exact"], [0.0])
    assert "1 of 1 exact maps change with one grey level" in "\n".join(_saliency.cautions(found, "exp"))
