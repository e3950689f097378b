"""Options that would do nothing are refused, and the others are obeyed."""

import itertools

import pytest

from tests.presets.built import hyper_of, run_of

pytestmark = pytest.mark.usefixtures("few_drawn_images")

REFUSED = (
    (("gan", "paper", "--beta1", "0.5"), "--optimizer adam"),
    (("cgan", "paper", "--beta2", "0.9"), "--optimizer adam"),
    (("wgan", "small", "--beta1", "0.5"), "--optimizer adam"),
    (("wgan", "small", "--width", "8"), "--networks dense"),
    (("wgan", "mlp", "--width", "8"), "--networks mlp"),
    (("wgan_gp", "paper", "--units", "8"), "--networks residual"),
    (("wgan_gp", "small", "--width", "8"), "--networks dense"),
    (("wgan_gp", "lsun", "--critic-width", "8"), "--networks normalised"),
    (("wgan_gp", "paper", "--norm", "unit"), "--networks residual"),
    (("wgan_gp", "paper", "--layer-norm"), "--networks residual"),
    (("wgan_gp", "paper", "--pixels", "sigmoid"), "--networks residual"),
    (("wgan_gp", "paper", "--deviation", "0.1"), "--networks residual"),
    (("wgan_gp", "paper", "--initializer", "he"), "--networks residual"),
    (("wgan_gp", "paper", "--networks", "dense", "--width", "None"), "needs --units"),
    (("wgan_gp", "small", "--dequantize"), "leave it out"),
    (("sngan", "small", "--dequantize"), "leave it out"),
    (("sngan", "small", "--first", "8"), "--networks dense"),
    (("sngan", "plain", "--halvings", "2"), "--networks plain"),
    (("sngan", "plain", "--generator-widths", "2"), "--networks plain"),
    (("sngan", "plain", "--last-bias"), "--networks plain"),
    (("sngan", "small", "--labels"), "only with --networks residual"),
    (("sngan", "stl10", "--labels"), "needs labels"),
    (("sngan", "paper", "--slope", "0.1"), "--networks residual"),
    (
        ("sagan", "small", "--full-attention", "--generator-attention", "None", "--discriminator-attention", "None"),
        "does nothing where no network attends",
    ),
    (("biggan", "deep128", "--hierarchical"), "BigGAN-deep gives every block all of it"),
    (("biggan", "small", "--ema", "None"), "does nothing without --ema"),
    (("dcgan", "paper", "--no-batch-norm"), "--no-flat-norm"),
    (("infogan", "paper", "--units", "8"), "--networks mnist"),
    (("infogan", "ring", "--width", "8"), "--networks dense"),
    (("infogan", "paper", "--latent", "12"), "--latent 12: the codes take 12 numbers of it"),
    (("infogan", "paper", "--continuous", "0", "--categorical"), "give --categorical 10"),
    (("unrolled", "small", "--optimizer", "adam"), "--look-ahead 0"),
    (("pggan", "small", "--ema", "0.9"), "give one of them"),
    (("pggan", "paper", "--batch-size", "8"), "change --batches"),
    (("srgan", "srresnet", "--rate-warm-up", "0.1"), "leave out --rate-warm-up"),
    (("srgan", "small", "--crop", "64"), "--crop 64 does not fit"),
    (("srgan", "small", "--layers", "relu7_1"), "--layers relu7_1"),
    (("stackgan", "small", "--data", "scenes"), "--data captions:scenes"),
    (("stackgan", "small", "--captions", "2"), "--captions 2 are more captions than captions:scenes has"),
    (("stackgan", "small", "--against", "captions"), "--against captions"),
    (("stackgan", "birds", "--word-size", "8"), "--encoder lstm"),
    (("stackgan", "small", "--rate-warm-up", "0.1"), "leave out --rate-warm-up"),
    (("stackgan", "small", "--crop", "64"), "--crop 64 does not fit"),
    (("spade", "small", "--data", "scenes"), "--data maps:scenes"),
    (("spade", "small", "--crop", "64"), "--crop 64 does not fit"),
    (("presgan", "small", "--width", "8"), "--networks dense"),
    (("presgan", "paper", "--units", "8"), "--networks convolutional"),
    (("presgan", "small", "--networks", "convolutional", "--units", "None"), "needs --width"),
    (("presgan", "small", "--weight", "0", "--prior-only"), "--weight 0"),
    (("presgan", "small", "--sigma-min", "0.5"), "exchange them"),
    (("vae", "small", "--beta-steps", "10"), "--beta-schedule constant"),
    (("cvae", "small", "--beta-steps", "10"), "--beta-schedule constant"),
    (("vae", "small", "--beta-schedule", "cyclic"), "needs --beta-steps"),
    (("vae", "small", "--deviation", "0.1"), "--initializer glorot"),
    (("ae", "small", "--initializer", "normal"), "needs --deviation"),
    (("ae", "small", "--coder", "conv", "--dropout", "0.1"), "--coder dense"),
    (("cvae", "small", "--coder", "conv", "--late"), "--coder dense"),
    (("vae", "small", "--train-images", "5000"), "ask for fewer"),
    (("vae", "small", "--force"), "--resume"),
    (("vae", "small", "--base-batch", "50"), "--scaling"),
)


@pytest.mark.parametrize(("command", "cure"), REFUSED, ids=lambda x: " ".join(x) if isinstance(x, tuple) else "")
def test_an_option_that_does_nothing_is_refused(command, cure):
    with pytest.raises(ValueError, match="--") as refusal:
        run_of(*command)
    assert cure in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "option"),
    list(itertools.product(("gan", "cgan", "wgan"), ("--decay", "--decay-from"))),
    ids=" ".join,
)
def test_an_option_that_nothing_obeys_is_gone(name, option, capsys):
    with pytest.raises(SystemExit):
        hyper_of(name, "paper", option, "0.5")
    capsys.readouterr()


def test_betas_are_obeyed_where_adam_is_asked_for():
    for name in ("gan", "cgan", "wgan"):
        run = run_of(name, "paper", "--optimizer", "adam", "--beta1", "0.3", "--beta2", "0.8")
        assert all("adam" in str(optimizer) and "b1 0.3, b2 0.8" in str(optimizer)
                   for optimizer in run.optimizers.values())  # fmt: skip


def test_m2s_classifier_obeys_the_encoders_options():
    model = run_of("m2", "small", "--coder", "conv", "--hidden", "4", "8", "--batch-norm").task.model
    assert type(model.classifier).__name__ == "ConvEncoder" and model.classifier.batch_norm
    assert run_of("m2", "small", "--batch-norm").task.model.classifier.batch_norm
