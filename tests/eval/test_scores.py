"""What eval.scores calls its numbers, and which images it compares."""

import hashlib
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from eval import scores
from genjax.classifiers import inception, weights
from genjax.data import Arrays, Dataset, Unpaired
from genjax.data.ranges import TANH
from genjax.latent import NORMAL
from genjax.run import extractors
from genjax.run.extractors import Extractor
from genjax.tasks.generation import Generation
from tests.presets.built import run_of


def by_mean(images):
    """Mean colours as features, and which of two classes: bright or dark."""
    features = np.asarray(images).mean((1, 2))
    bright = np.clip(features.mean(-1), 0, 1)
    return features, np.stack([1 - bright, bright], -1)


class Turned(Generation):
    """One that imitates the negatives of the data set's images."""

    def real(self, images):
        return 255 - images


def generator(split, level=0.25, names=("dark", "bright"), kind=Generation, channels_of=None):
    """One that draws noise about a level, in [-1, 1]."""
    shape = tuple(split.shape)

    def draw(state, latents, labels=None):
        noise = np.asarray(latents).reshape(-1, *shape)
        return np.tanh(noise / 10 + np.arctanh(2 * level - 1))

    dataset = Dataset("any", split, split, names, channels_of=channels_of)
    task = kind(dataset=dataset, pixels=TANH, prior=NORMAL, latent=int(np.prod(shape)), draw=draw, prepare=TANH.prepare)
    return SimpleNamespace(options=SimpleNamespace(data="any"), dataset=dataset, state=None, task=task)


def grey(count, level, seed=0):
    noise = np.random.default_rng(seed).normal(255 * level, 20, (count, 4, 4, 3))
    return Arrays({"images": noise.clip(0, 255).astype(np.uint8), "labels": np.zeros(count, np.int32)})


def scored(monkeypatch, made, published=False, apply=by_mean):
    extractor = Extractor("judge", "abc", apply, published, "FID")
    monkeypatch.setattr(scores, "extractor_of", lambda options, generator: extractor)
    rows, about = scores.score(scores.Options(), made)
    return {name: (value, floor) for name, value, floor in rows}, about


@pytest.mark.parametrize(("published", "enough"), [(True, 200), (True, 201), (False, 200)])
def test_fid_is_what_the_published_network_gives_on_enough_images_and_nothing_else(monkeypatch, published, enough):
    monkeypatch.setattr(scores, "ENOUGH", enough)
    rows, about = scored(monkeypatch, generator(grey(400, 0.5)), published)
    assert (about["extractor"], about["extractor_hash"]) == ("judge", "abc")
    assert (about["samples"], about["real"]) == (200, 200)
    official = published and enough == 200
    assert ("FID" in rows, "inception score" in rows) == (official, official)
    assert any(name.startswith("Frechet distance of features") for name in rows) != official


def test_a_generator_of_the_data_is_as_good_as_real_images_and_another_is_not(monkeypatch):
    same, dark = scored(monkeypatch, generator(grey(2000, 0.25), 0.25))
    unknown, light = scored(monkeypatch, generator(grey(400, 0.75), 0.75))
    other, _ = scored(monkeypatch, generator(grey(2000, 0.25), 0.75))
    name = "Frechet distance of features"
    assert other[name][0] > 0.5 > 100 * same[name][0]  # three features, each 0.5 away
    assert other["precision"][0] == 0
    assert same["classes of 2"][0] == 1
    assert "classes of 2" not in unknown  # a classifier that is wrong on real images is not asked for classes
    assert [about["real_images_classified_right"] for about in (dark, light)] == [1, 0]  # all are labelled dark
    assert other["sliced Wasserstein distance of pixels"][0] > 5 * same["sliced Wasserstein distance of pixels"][0]


def test_images_are_compared_as_the_generator_imitates_them(monkeypatch):
    plain, _ = scored(monkeypatch, generator(grey(2000, 0.25), 0.75))
    rows, _ = scored(monkeypatch, generator(grey(2000, 0.25), 0.75, kind=Turned))  # dark for bright
    assert plain["precision"][0] == 0 and rows["precision"][0] > 0.5


def test_a_translator_is_compared_with_images_of_the_domain_it_draws(monkeypatch):
    domains = Unpaired(grey(900, 0.75), grey(400, 0.25, seed=1))
    rows, about = scored(monkeypatch, generator(domains, 0.25))
    assert about["samples"] == 200  # half of domain B, none of it twice
    assert rows["Frechet distance of features"][0] < 0.05


@pytest.mark.parametrize(
    ("name", "options", "sides"),
    [
        ("pix2pix", ("--crop", "24", "--halvings", "3"), (24, 24)),
        ("cagan", ("--crop", "32", "16"), (32, 16)),
        ("spade", ("--crop", "24"), (24, 24)),
        ("srgan", ("--data", "digits", "--image-size", "18", "--crop", "16"), (16, 16)),
    ],
)
def test_what_is_cropped_is_compared_with_the_middle_of_real_images(name, options, sides):
    task = run_of(name, "small", *options).task
    rows = task.dataset.test.take(np.arange(3))
    real = task.real(rows[task.imitates])
    assert real.shape[:3] == (3, *sides)
    if name != "cagan":  # which imitates its persons
        np.testing.assert_array_equal(real, task.split(rows)[1])


def test_a_network_that_knows_other_classes_does_not_count_them(monkeypatch):
    rows, _ = scored(monkeypatch, generator(grey(400, 0.5), names=("one", "two", "three")))
    assert not any(name.startswith("classes of") for name in rows)
    stacked = generator(grey(400, 0.5), channels_of="digits")
    with pytest.raises(ValueError, match=r"judge knows 2 classes; leave out --features"):
        scored(monkeypatch, stacked)


def test_bytes_and_floats_give_the_same_features():
    extractor = Extractor("", "", by_mean)
    images = grey(70, 0.5).arrays["images"]  # more than a batch
    for one, other in zip(extractor.of(images), extractor.of(images.astype(np.float32) / 255), strict=True):
        assert np.array_equal(one, other)
        assert len(one) == 70


def test_a_converted_file_is_known_by_the_hash_of_its_source(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    source, converted, again = tmp_path / "some.pth", tmp_path / "some.npz", tmp_path / "again.npz"
    torch.save({"a.weight": torch.arange(6.0).reshape(2, 3)}, source)
    assert weights.main([str(source), str(converted)]) == 0
    assert weights.main([str(converted), str(again)]) == 0
    expected = hashlib.sha256(source.read_bytes()).hexdigest()
    assert [weights.digest(path) for path in (source, converted, again)] == [expected] * 3
    assert list(weights.read(again)) == ["a.weight"]
    monkeypatch.setattr(extractors.weights, "load", lambda *arguments: {})
    assert not extractors.of_inception(converted).published
    monkeypatch.setattr(inception, "KNOWN_SHA256", expected[:8])
    found = extractors.of_inception(converted)
    assert (found.published, found.hash, found.distance) == (True, expected[:12], "FID (clean resizing)")
    assert extractors.of_inception(converted, "published").distance == "FID"


def test_class_probabilities_of_inception_leave_out_the_bias(monkeypatch):
    logits = jnp.array([[1.0, 5.0, 2.0]])
    monkeypatch.setattr(inception.InceptionV3, "apply", lambda self, variables, images: (logits[:, :1], logits))
    variables = {"params": {"fc": {"bias": jnp.array([0.0, 4.0, 0.0])}}}
    plain = inception.features_and_probabilities.__wrapped__(variables, jnp.zeros((1, 4, 4, 3)))[1]
    assert np.abs(plain - jax.nn.softmax(jnp.array([[1.0, 1.0, 2.0]]))).max() < 1e-6
