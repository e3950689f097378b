"""Published translators read from files: forward parity at random weights, refusals, and from file to picture."""

import jax
import numpy as np
import pytest
from PIL import Image

from eval import translate
from genjax.gans.published import translators
from tests.gans import golden
from tests.gans.golden import images, images_agree, under


def of_pix2pix():
    values = golden.read("pix2pix")
    return values, translators.unet(5, 2), "G/state/", "in/real_A", "out/G_eval"


def of_cyclegan():
    values = golden.read("cyclegan")
    return values, translators.resnet(2, 4), "G_A/state/", "in/real_A", "out/fake_B"


CASES = {"pix2pix": of_pix2pix, "CycleGAN": of_cyclegan}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_published_generators_make_what_they_make_there(case):
    with jax.enable_x64(True):
        values, translator, state, given, made = case()
        found = translators.restore(translator, under(values, state))
        network = translator.network.generator
        images_agree(network.apply(found.variables, images(values[given])), values[made])
        if case is of_pix2pix:  # its test program leaves it in training mode
            out, _ = network.apply(found.variables, images(values[given]), train=True, mutable=["batch_stats"])
            images_agree(out, values["out/G_train"])


@pytest.mark.parametrize("name", translators.NETWORKS)
def test_every_network_has_a_row_for_every_variable(name):
    with pytest.raises(ValueError, match="another network: .* tensors are missing"):
        translators.restore(translators.NETWORKS[name], {})


def test_old_statistics_of_instance_norm_are_passed_over_and_foreign_tensors_listed():
    values, translator, state, _, _ = of_cyclegan()
    arrays = under(values, state) | {f"model.2.{name}": np.zeros(4) for name in ("running_mean", "running_var")}
    translators.restore(translator, arrays)
    with pytest.raises(ValueError, match=r"not expected \(model.99.weight\)"):
        translators.restore(translator, arrays | {"model.99.weight": np.zeros(1)})
    with pytest.raises(ValueError, match="no published translator 'pix2pix'; known are pix2pix-256"):
        translators.load("nowhere.pth", "pix2pix")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_from_a_file_to_a_picture_in_one_command(case, tmp_path, monkeypatch, capsys):
    values, translator, state, _, _ = case()
    monkeypatch.setitem(translators.NETWORKS, "tiny", translator)
    weights, photo, out = tmp_path / "latest_net_G.npz", tmp_path / "photo.jpg", tmp_path / "out.png"
    np.savez(weights, **{name: x.astype(np.float32) for name, x in under(values, state).items()})
    pixels = np.random.default_rng(0).integers(0, 256, (37, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(photo)
    arguments = ["--weights", str(weights), "--network", "tiny", "--input", str(photo), "--out", str(out)]
    assert translate.main(arguments) == 0
    with Image.open(out) as image:
        assert (image.size, image.mode) == ((50, 37), "RGB")
        assert np.asarray(image).std() > 0
    assert translate.main([*arguments, "--backward"]) == 2
    assert translate.main(arguments[2:]) == 2
    said = capsys.readouterr().err
    assert "leave out --backward" in said and "--weights and --network go together" in said
