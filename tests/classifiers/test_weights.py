"""Weights from files: formats, name mapping, layouts, errors; SqueezeNet's and PyTorch's reference outputs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.classifiers import convnet, resnet, squeezenet, vgg, vit, weights

TINY_VGG = vgg.VGG16(5, (2, 3, 4, 4, 6), (1, 2, 1, 1, 1), hidden=8)


def filled(network, image_shape, seed=0):
    """Variables of a network, every leaf random, variances positive."""
    shapes = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, *image_shape)))
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda s: jnp.asarray(rng.uniform(0.1, 0.5, s.shape), s.dtype), shapes)


def equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_saved_variables_come_back_from_npz_and_safetensors(tmp_path):
    network = convnet.ConvNet(features=(2, 3))
    variables = filled(network, (8, 8, 1))
    weights.save(tmp_path / "w.npz", variables)
    tensors = weights.read(tmp_path / "w.npz")
    assert "stage1.norm1.mean" in tensors
    equal(weights.load(network, tmp_path / "w.npz", (8, 8, 1)), variables)
    safetensors = pytest.importorskip("safetensors.numpy")
    safetensors.save_file(tensors, tmp_path / "w.safetensors")
    equal(weights.load(network, tmp_path / "w.safetensors", (8, 8, 1)), variables)


def test_torchvision_names_of_resnet():
    name = weights.torchvision_resnet_names
    assert name(("conv1", "kernel"), (7, 7, 3, 64))[:2] == ("conv1.weight", (64, 3, 7, 7))
    assert name(("bn1", "scale"), (64,)).name == "bn1.weight"
    assert name(("layer3", "block0", "downsample_conv", "kernel"), (1, 1, 2, 4)).name == "layer3.0.downsample.0.weight"
    assert name(("layer3", "block0", "downsample_bn", "var"), (4,)).name == "layer3.0.downsample.1.running_var"
    assert name(("layer4", "block2", "bn3", "mean"), (4,)).name == "layer4.2.bn3.running_mean"
    assert name(("fc", "kernel"), (512, 1000))[:2] == ("fc.weight", (1000, 512))


def test_torchvision_names_of_vgg16():
    name = weights.torchvision_vgg_names((2, 2, 3, 3, 3))
    places = [
        name((f"stage{s}", f"conv{c}", "bias"), (1,)).name
        for s, d in enumerate((2, 2, 3, 3, 3), 1)
        for c in range(1, d + 1)
    ]
    assert places == [f"features.{i}.bias" for i in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)]
    assert [name((f"fc{i}", "bias"), (1,)).name for i in (6, 7, 8)] == [
        "classifier.0.bias",
        "classifier.3.bias",
        "classifier.6.bias",
    ]


def test_layouts_by_numpy():
    rng = np.random.default_rng(0)
    conv = rng.normal(size=(4, 3, 2, 5))  # O I H W
    source = weights.torchvision_resnet_names(("conv1", "kernel"), (2, 5, 3, 4))
    assert source.shape == conv.shape
    assert source.convert(conv)[1, 4, 2, 3] == conv[3, 2, 1, 4]
    dense = rng.normal(size=(8, 6 * 49))  # the first VGG dense layer reads C H W
    source = weights.torchvision_vgg_names((1, 1, 1, 1, 1))(("fc6", "kernel"), (6 * 49, 8))
    image = rng.normal(size=(6, 7, 7))
    np.testing.assert_allclose(
        image.transpose(1, 2, 0).reshape(-1) @ source.convert(dense), dense @ image.reshape(-1), rtol=1e-12
    )


def test_weights_of_another_network_are_refused_in_one_sentence(tmp_path):
    network = convnet.ConvNet(features=(2, 3))
    weights.save(tmp_path / "w.npz", filled(network, (8, 8, 1)))
    with pytest.raises(ValueError, match=r"another network: .* missing \(.*block1.*\); .* not expected \(.*stage1"):
        weights.load(vit.ViT(), tmp_path / "w.npz", (8, 8, 1))
    with pytest.raises(ValueError, match=r"'head.kernel' has shape \(3, 10\), expected \(3, 7\)"):
        weights.load(network.clone(classes=7), tmp_path / "w.npz", (8, 8, 1))
    np.savez(tmp_path / "torch.npz", **{"conv.weight": np.zeros(3)})
    with pytest.raises(ValueError, match="names its tensors as PyTorch does.*not for ConvNet"):
        weights.load(network, tmp_path / "torch.npz", (8, 8, 1))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no weights at .*absent\.npz"):
        weights.read(tmp_path / "absent.npz")
    (tmp_path / "w.h5").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"'w.h5': expected one of the suffixes .npz"):
        weights.read(tmp_path / "w.h5")
    (tmp_path / "broken.npz").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"'broken.npz' cannot be read as .npz"):
        weights.read(tmp_path / "broken.npz")
    with pytest.raises(ValueError, match=r"saved as .npz, not as 'w.bin'"):
        weights.save(tmp_path / "w.bin", {})


@pytest.fixture(scope="module")
def golden(reference_data):
    return np.load(reference_data / "gradcam_golden.npz", allow_pickle=False)


@pytest.fixture(scope="module")
def pretrained(reference_data):
    return weights.load(squeezenet.SqueezeNet(), reference_data / "squeezenet1_1_imagenet.npz", (224, 224, 3))


def test_squeezenet_logits_and_top_1(golden, pretrained):
    network = squeezenet.SqueezeNet()
    inputs = squeezenet.preprocess(golden["image_rgb_u8"])
    np.testing.assert_array_equal(inputs, golden["input_nhwc_bgr"])
    logits = np.asarray(jax.jit(network.apply)(pretrained, inputs))
    np.testing.assert_allclose(logits, golden["logits_f64"], atol=1e-4)
    assert logits.argmax(1).tolist() == [285, 967]


def test_squeezenet_rounds_pooled_sizes_up(golden, pretrained):
    inputs = squeezenet.preprocess(golden["image227_rgb_u8"][None])
    logits = np.asarray(jax.jit(squeezenet.SqueezeNet().apply)(pretrained, inputs))[0]
    np.testing.assert_allclose(logits, golden["logits227_ceil_f64"], atol=1e-4)
    assert np.abs(logits - golden["logits227_floor_f64"]).max() > 1


def test_resnet_equals_pytorch(tmp_path):
    torch = pytest.importorskip("torch")
    nn, F = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self, before, width, stride):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
            self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
            self.downsample = None
            if stride > 1 or before != width:
                self.downsample = nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))

        def forward(self, x):
            y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
            return F.relu(y + (x if self.downsample is None else self.downsample(x)))

    class ResNet18(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
            for i, (before, width) in enumerate(((64, 64), (64, 128), (128, 256), (256, 512)), 1):
                blocks = Block(before, width, 1 if i == 1 else 2), Block(width, width, 1)
                setattr(self, f"layer{i}", nn.Sequential(*blocks))
            self.fc = nn.Linear(512, 1000)

        def forward(self, x):
            x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
            for i in range(1, 5):
                x = getattr(self, f"layer{i}")(x)
            return self.fc(x.mean((2, 3)))

    torch.manual_seed(0)
    reference = ResNet18().eval()
    assert sum(p.numel() for p in reference.parameters()) == 11_689_512
    for name, buffer in reference.named_buffers():
        if buffer.dtype.is_floating_point:
            buffer.uniform_(0.5, 1.5) if name.endswith("var") else buffer.uniform_(-0.2, 0.2)
    torch.save(reference.state_dict(), tmp_path / "resnet18.pth")
    network = resnet.ResNet18()
    variables = weights.load(network, tmp_path / "resnet18.pth", (96, 80, 3))
    images = np.random.default_rng(0).normal(size=(2, 96, 80, 3)).astype(np.float32)
    with torch.no_grad():
        expected = reference(torch.from_numpy(images.transpose(0, 3, 1, 2))).numpy()
    np.testing.assert_allclose(jax.jit(network.apply)(variables, images), expected, rtol=1e-4, atol=1e-4)
    torch.save({"model": reference.state_dict(), "step": 3}, tmp_path / "checkpoint.pth")
    with pytest.raises(ValueError, match=r"something else than a state_dict of tensors; save model.state_dict\(\)"):
        weights.read(tmp_path / "checkpoint.pth")
    # The same names in .npz, without torch at load time.
    np.savez(tmp_path / "resnet18.npz", **{k: v.numpy() for k, v in reference.state_dict().items()})
    equal(weights.load(network, tmp_path / "resnet18.npz", (96, 80, 3)), variables)


def test_vgg_equals_pytorch(tmp_path):
    torch = pytest.importorskip("torch")
    nn = torch.nn
    layers, before = [], 3
    for width, depth in zip(TINY_VGG.features, TINY_VGG.depths, strict=True):
        for _ in range(depth):
            layers += [nn.Conv2d(before, width, 3, 1, 1), nn.ReLU()]
            before = width
        layers.append(nn.MaxPool2d(2, 2))
    torch.manual_seed(0)
    features, pool = nn.Sequential(*layers), nn.AdaptiveAvgPool2d(7)
    drop, relu = nn.Dropout(), nn.ReLU()
    classifier = nn.Sequential(nn.Linear(6 * 49, 8), relu, drop, nn.Linear(8, 8), relu, drop, nn.Linear(8, 5))
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    reference = nn.ModuleDict({"features": features, "classifier": classifier}).eval()
    torch.save(reference.state_dict(), tmp_path / "vgg.pth")
    images = np.random.default_rng(0).normal(size=(2, 320, 288, 3)).astype(np.float32)  # 10 x 9 before the pooling to 7
    with torch.no_grad():
        expected = classifier(pool(features(torch.from_numpy(images.transpose(0, 3, 1, 2)))).flatten(1)).numpy()
    variables = weights.load(TINY_VGG, tmp_path / "vgg.pth", images.shape[1:])
    np.testing.assert_allclose(jax.jit(TINY_VGG.apply)(variables, images), expected, rtol=1e-4, atol=1e-5)
    assert np.abs(expected[0] - expected[1]).max() > 1e-3, "the comparison must see the image"
