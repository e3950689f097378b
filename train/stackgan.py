"""StackGAN: images from sentences, in two stages (Zhang et al. 2017, arXiv 1612.03242).

    python -m train.stackgan [preset] [options]

Presets; --steps counts three phases: --text-steps for the text encoder, --sketch-steps for stage I, the rest stage II
    small    drawn scenes of two solids and their captions, 8 pixels, then 16; LSTM; minutes on a CPU; our own
    birds    the authors' TensorFlow code (hanzhanggit/StackGAN) on CUB: 64, then 256 pixels; 600 epochs a stage, batch
             64, Adam (2e-4, 0.5), rates halved 11 times in stage I and 5 times in stage II; means of 4 captions;
             published inception score 3.70 +- .04 (the text's; unverified here)
    flowers  the same on Oxford-102
    coco     the authors' PyTorch code (hanzhanggit/StackGAN-Pytorch): 192 channels, 96 of discriminators, 2 residual
             blocks; 120 and 100 epochs, rates halved every 20, batch 128 and 40 (there on each of its GPUs); published
             inception score 8.45
    paper    as birds
Text encoders after reedscot/icml2016 (birds, flowers: char-CNN-RNN, RMSProp at 4e-4, times 0.98 an epoch, batch 40) and
the same author's code for COCO (char-CNN-GRU on two captions of an image, Adam at 2e-4, halved every 50 epochs, batch
64). Their lengths are ours, and so is the network for images beside the first, see `genjax.gans.stackgan`.

Images are brought to 304 pixels, of which 256 are cut out at random and mirrored; sketches are a quarter of that (the
authors: 76 and 64). For CUB the authors cut the birds out first, squares of 1.5 times the longer side of the box.
`--data captions:DIR` is a folder of images with a text file each, or with captions.json.

The small preset follows words of colour, place and size, and hardly of shape. Of seed 0 a classifier of solids sees the
asked colour in 0.60 of the samples (0.13 where captions are exchanged, 0.99 of real images), the two solids in the
asked places in 0.87 (0.44), the asked size in 0.65 (0.50; 0.92), and the asked shape in 0.28 (0.19; 0.92). Colour and
place are stage I's (0.60 and 0.88); what stage II adds is realism: the Frechet distance falls from 0.77 for enlarged
sketches to 0.33 (0.07 between real images). It takes long: after 1000 of its 3000 steps colour is at 0.38. With 3000
steps of stage I and 2500 of stage II colour ends at 0.42, place at 0.73 (2026-11-27, 1 x cpu). Seeds 1 and 2 have 0.64
and 0.62 for colour, 0.86 and 0.94 for place, 0.26 and 0.28 for shape, and distances of 0.24 and 0.12; in seed 2 stage
II brings colours too (sketches: 0.42).
Controls, seeds 0 to 2, of what is asked for how much is drawn (colours, shapes and places): 0.58, 0.59, 0.61 as it is,
0.57, 0.54, 0.49 without mismatched pairs. Without conditioning augmentation it is *better*, 0.64, 0.71, 0.63, with
colours at 0.73, 0.82, 0.73 and distances of 0.22, 0.03, 0.14: augmentation does not help here (we suppose that noise
only blurs what so many different captions say). --no-augmentation draws these scenes best; the preset keeps what the
paper has (2026-11-27, 1 x cpu).
What it needs is a text encoder that is trained for long. A sentence names its solids in either order, so that the
colour at the left is a matter of three words together. A linear map of the embedding tells it for 0.69 of the captions
after 500 steps at 32 pixels, for 0.87 after 1500 and 0.99 after 5000 steps at 16. With 1500 of these, 6000 steps of
stage I drew one of the two colours asked for in 0.65 of the solids, but the sides by chance (place 0.47, colour 0.30),
although the discriminator told held-out pairs from mismatched ones in 0.97; neither z nor epsilon was to blame (without
both, 0.36 for 0.35). Rates of 6e-4 and 3e-4 for generator and discriminator were too high: samples collapsed.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import optax

from genjax.data import Dataset, transforms
from genjax.data.drawn import scenes
from genjax.data.ranges import TANH
from genjax.data.resize import bicubic
from genjax.engine.phases import Feed, Phase, carry_over_networks
from genjax.engine.state import State
from genjax.gans import stackgan
from genjax.nn import stages, text
from genjax.nn.coders import ConvEncoder
from genjax.nn.initializers import Initializer
from genjax.run.cli import main
from genjax.run.optimizers import CONSTANT, Decay, Optimizer, adam, for_run, rmsprop, stairs
from genjax.run.options import PART, Limits, Options, above, at_least, check_uses, steps_of
from genjax.run.run import Run, compute_type
from genjax.tasks.captioned import Captioned
from genjax.tasks.solids_judge import solids_judge

TRUNCATED = Initializer(jax.nn.initializers.truncated_normal(0.02), stages.NORMAL.bias)
USES = {"lstm": ("word_size",), "char-cnn-rnn": (), "char-cnn-gru": ()}


@dataclass(frozen=True, kw_only=True)
class Hyper(Options):
    """Options of StackGAN."""

    crop: Annotated[int | None, at_least(16)]
    """Side of the random crops to draw; whole images if not given."""
    mirror: bool
    """Mirror half of the training images."""
    factor: Literal[2, 4]
    """How many times as large as a sketch an image is."""
    captions: Annotated[int, at_least(1)]
    """Captions of an image, drawn at random, whose embeddings are averaged."""
    encoder: Literal["lstm", "char-cnn-rnn", "char-cnn-gru"]
    """Text encoder: word by word, or letter by letter."""
    against: Literal["images", "captions"]
    """What a caption learns to find: its image among others, or another caption of it."""
    text_size: Annotated[int, at_least(1)]
    """Numbers of a text's embedding."""
    word_size: Annotated[int | None, at_least(1)]
    """Numbers of a word's embedding; for --encoder lstm."""
    text_steps: Annotated[int, at_least(0)]
    """Steps of the first phase, in which the text encoder is trained; it is held in the others."""
    text_batch: Annotated[int, at_least(2)]
    """Images in a batch of the first phase."""
    text_optimizer: Literal["adam", "rmsprop"]
    """Optimizer of the first phase."""
    text_rate: Annotated[float, above(0)]
    """Learning rate of the first phase."""
    text_decay: Annotated[float, Limits(above=0, most=1)]
    """Factor on it after each --text-decay-epochs."""
    text_decay_epochs: Annotated[int, at_least(1)]
    """Passes over the training images after which the rate of the first phase falls."""
    sketch_steps: Annotated[int, at_least(1)]
    """Steps of stage I."""
    sketch_halvings: Annotated[int, at_least(0)]
    """How often stage I halves its learning rates, in equal intervals."""
    refine_batch: Annotated[int, at_least(2)]
    """Images in a batch of stage II."""
    refine_halvings: Annotated[int, at_least(0)]
    """How often stage II halves its learning rates."""
    networks: Literal["tensorflow", "pytorch"]
    """Which of the authors' codes networks and losses follow."""
    latent: Annotated[int, at_least(1)]
    """Size of the latent."""
    condition: Annotated[int, at_least(1)]
    """Numbers of the augmented condition."""
    width: Annotated[int, at_least(1)]
    """Channels of generators: stage I starts from 8 times as many, stage II has as many behind the sketch."""
    discriminator_width: Annotated[int, at_least(1)]
    """Channels of the discriminators' first layers."""
    blocks: Annotated[int, at_least(0)]
    """Residual blocks of stage II."""
    augmentation: bool
    """Augment conditions, with their divergence in the loss; otherwise they are mu."""
    kl: Annotated[float, at_least(0)]
    """Weight of the divergence, which is a mean over the condition's numbers."""
    mismatched: bool
    """Show the discriminator images with sentences of others too."""
    generator_rate: Annotated[float, above(0)]
    """Learning rate of the generators."""
    discriminator_rate: Annotated[float, above(0)]
    """Learning rate of the discriminators."""
    beta1: Annotated[float, PART]
    """Decay of Adam's mean gradient."""


# 8,855 training images, 138 batches of 64 an epoch, 600 epochs a stage; text: 200 epochs of 221 batches.
BIRDS = Hyper(
    data="captions:birds", image_size=304, stream=True, steps=44_200 + 2 * 82_800, batch_size=64, crop=256, mirror=True,
    factor=4, captions=4, encoder="char-cnn-rnn", against="images", text_size=1024, word_size=None, text_steps=44_200,
    text_batch=40, text_optimizer="rmsprop", text_rate=4e-4, text_decay=0.98, text_decay_epochs=1, sketch_steps=82_800,
    sketch_halvings=11, refine_batch=64, refine_halvings=5, networks="tensorflow", latent=100, condition=128, width=128,
    discriminator_width=64, blocks=4, augmentation=True, kl=2.0, mismatched=True, generator_rate=2e-4,
    discriminator_rate=2e-4, beta1=0.5, evaluate_every=5000, checkpoint_every=5000,
)  # fmt: skip
PRESETS = {
    "small": Hyper(
        data="captions:scenes", image_size=16, steps=14_000, batch_size=32, crop=None, mirror=False, factor=2,
        captions=1, encoder="lstm", against="images", text_size=64, word_size=24, text_steps=5000, text_batch=32,
        text_optimizer="adam", text_rate=2e-3, text_decay=1.0, text_decay_epochs=1, sketch_steps=6000,
        sketch_halvings=1, refine_batch=32, refine_halvings=1, networks="tensorflow", latent=8, condition=64, width=24,
        discriminator_width=48, blocks=1, augmentation=True, kl=0.2, mismatched=True, generator_rate=4e-4,
        discriminator_rate=1e-4, beta1=0.5, evaluate_every=1500,
    ),
    "birds": BIRDS,
    # 7,034 training images: 109 batches of 64, 175 of 40.
    "flowers": replace(
        BIRDS, data="captions:flowers", steps=35_000 + 2 * 65_400, text_steps=35_000, sketch_steps=65_400,
    ),
    # 82,783 training images: 646 batches of 128, 2,069 of 40, 1,293 of 64 for 100 epochs of text.
    "coco": replace(
        BIRDS, data="captions:coco", steps=129_300 + 77_520 + 206_900, batch_size=128, captions=1,
        encoder="char-cnn-gru", against="captions", text_steps=129_300, text_batch=64, text_optimizer="adam",
        text_rate=2e-4, text_decay=0.5, text_decay_epochs=50, sketch_steps=77_520, sketch_halvings=5, refine_batch=40,
        refine_halvings=4, networks="pytorch", width=192, discriminator_width=96, blocks=2,
    ),
    "paper": BIRDS,
}  # fmt: skip
SCORE = ("match", "share of colours, shapes and places that are as the caption says (by a classifier)")
CONTROLS = {
    "without conditioning augmentation": ("--no-augmentation",),
    "without mismatched pairs": ("--no-mismatched",),
}


def prepare(hyper: Hyper, count: int, size: int, batch: Any, key: jax.Array) -> dict[str, Any]:
    """Return images of a phase in [-1, 1], cropped, mirrored and reduced to `size`, and `count` of their captions."""
    cut_key, flip_key, caption_key = jax.random.split(key, 3)
    if hyper.crop is not None:
        batch = transforms.random_crop(batch, cut_key, size=hyper.crop)
    batch = transforms.flip(batch, flip_key) if hyper.mirror else batch
    images = TANH.from_bytes(batch["images"])
    if images.shape[1] != size:
        images = jnp.clip(bicubic(images, size, size), TANH.low, TANH.high)
    every = batch["captions"]
    order = jnp.argsort(jax.random.uniform(caption_key, every.shape[:2]), 1)[:, :count]
    captions = jnp.take_along_axis(every, order[..., None], 1)
    return {"images": images, "captions": captions, **({"labels": batch["labels"]} if "labels" in batch else {})}


def check(hyper: Hyper, dataset: Dataset) -> int:
    """Return the side of what stage II draws; ValueError for data or options that do not go together."""
    columns = dataset.train.columns
    if "captions" not in columns:
        raise ValueError(
            f"StackGAN learns from images with captions, and {dataset.name} has none; give --data captions:scenes, or "
            "captions:DIR, a folder of images with a text file each"
        )
    if hyper.rate_warm_up:
        raise ValueError(
            "StackGAN's optimizers start afresh in every phase, so that rates cannot rise over the run; leave out "
            "--rate-warm-up"
        )
    height, width, _ = dataset.shape
    if hyper.crop is not None and hyper.crop > min(height, width):
        raise ValueError(f"--crop {hyper.crop} does not fit into images of {height} x {width}; give a smaller one")
    if hyper.crop is None and height != width:
        raise ValueError(f"StackGAN draws squares, but images are {height} x {width}; give --image-size or --crop")
    known = columns["captions"][0][0]
    for flag, count in (("--captions", hyper.captions), ("--against captions:", 2 * (hyper.against == "captions"))):
        if count > known:
            raise ValueError(f"{flag} {count} are more captions than {dataset.name} has of an image, {known}")
    size = hyper.crop or height
    if size % hyper.factor:
        raise ValueError(f"--factor {hyper.factor} does not divide {size} pixels; give another --image-size or --crop")
    for side in (size // hyper.factor, size):
        stages.doublings_from_4(side)
    return size


def falling(factor: float, every: int) -> Decay:
    """Return the decay that multiplies the rate by `factor` after each `every` steps."""
    return Decay(
        f"times {factor:g} after each {every:,} steps",
        lambda peak, steps: optax.exponential_decay(peak, every, factor, staircase=True),
    )


def optimizers_of(hyper: Hyper, images: int) -> dict[str, Optimizer]:
    """Return each player's optimizer; images: to train on."""
    epochs = max(1, hyper.text_decay_epochs * (images // hyper.text_batch))
    own = adam(hyper.text_rate) if hyper.text_optimizer == "adam" else rmsprop(hyper.text_rate)
    found = {"embedding": own if hyper.text_decay == 1 else own._replace(decay=falling(hyper.text_decay, epochs))}
    for stage, halvings in ((1, hyper.sketch_halvings), (2, hyper.refine_halvings)):
        shares = [number / (halvings + 1) for number in range(1, halvings + 1)]
        decay = stairs(*shares, factor=0.5) if shares else CONSTANT
        for net, rate in (("discriminator", hyper.discriminator_rate), ("generator", hyper.generator_rate)):
            found[f"{net}{stage}"] = adam(rate, b1=hyper.beta1, decay=decay)
    return {player: for_run(each, hyper) for player, each in found.items()}


def modules_of(hyper: Hyper, dataset: Dataset, size: int) -> dict[str, Any]:
    """Return all networks by name; size: side of what stage II draws."""
    check_uses(hyper, "encoder", USES)
    channels, small, tensorflow = dataset.shape[-1], size // hyper.factor, hyper.networks == "tensorflow"
    dtype = compute_type(hyper)
    layers = stages.Layers(tensorflow, TRUNCATED if tensorflow else stages.NORMAL, dtype)
    shared: dict[str, Any] = {"condition": hyper.condition, "layers": layers}
    judges: dict[str, Any] = {"compressed": 128 if tensorflow else None, "layers": layers}
    if hyper.encoder == "lstm":
        assert hyper.word_size is not None
        encoder: Any = text.Words(len(dataset.words), hyper.text_size, hyper.word_size, dtype)
    else:
        kind = text.BIRDS if hyper.encoder == "char-cnn-rnn" else text.COCO
        encoder = text.Letters(dataset.words, kind, hyper.text_size, dtype=dtype)
    widths = [min(32 * 2**halving, 512) for halving in range(stages.doublings_from_4(size))]
    return {
        "text": encoder,
        **({"vision": ConvEncoder(widths, dtype=dtype)} if hyper.against == "images" else {}),
        "generator1": stages.Sketcher(small, channels, hyper.width, **shared),
        "discriminator1": stages.Discriminator(hyper.discriminator_width, **judges),
        "generator2": stages.Refiner(size, channels, hyper.width, blocks=hyper.blocks, **shared),
        "discriminator2": stages.Discriminator(hyper.discriminator_width, unconditional=not tensorflow, **judges),
    }


PLAYED = (("text", "vision"), ("text", "generator1", "discriminator1"),
          ("text", "generator1", "generator2", "discriminator2"))  # fmt: skip
"""Networks of each phase."""


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the run of all three phases on `dataset`; ValueError for data or options that do not go together."""
    size, steps = check(hyper, dataset), steps_of(hyper, len(dataset.train))
    modules, optimizers = modules_of(hyper, dataset, size), optimizers_of(hyper, len(dataset.train))
    words, tensorflow = dataset.train.columns["captions"][0][-1], hyper.networks == "tensorflow"
    rules = stackgan.Rules(
        hyper.latent, hyper.kl, hyper.augmentation, truncated=tensorflow, judged="text" if tensorflow else "mean",
        mismatched=hyper.mismatched,
    )  # fmt: skip
    lengths = [hyper.text_steps, hyper.sketch_steps, steps]
    batches = (hyper.text_batch, hyper.batch_size, hyper.refine_batch)
    sides, counts = (size, size // hyper.factor, size), (2 if hyper.against == "captions" else 1, *[hyper.captions] * 2)
    phases, left = [], steps
    for number, (length, batch, side, count) in enumerate(zip(lengths, batches, sides, counts, strict=True)):
        length = min(length, left)
        if not length:
            continue
        left -= length
        own = {net: modules[net] for net in PLAYED[number] if net in modules}
        if number == 0:
            tx = optimizers["embedding"].transformation(length)
            game = stackgan.embedding(own, tx, image_shape=(size, size, dataset.shape[-1]), words=words)
        else:
            txs = {f"{net}_tx": optimizers[f"{net}{number}"].transformation(length)
                   for net in ("discriminator", "generator")}  # fmt: skip
            game = stackgan.game(own, **txs, words=words, rules=rules)
        feed = Feed(dataset.train, batch, partial(prepare, hyper, count, side))
        phases.append(Phase(game, length, feed, carry_over_networks))

    drawn = jax.jit(partial(stackgan.draw, modules, rules))
    compared = jax.jit(partial(stackgan.compare, modules))

    def variables(state: State, nets: Any) -> dict[str, Any]:
        return {net: state.variables_of(net) for net in nets if net in state.params}

    def draw(state: State, captions: jax.Array, key: jax.Array) -> Any:
        return drawn(variables(state, ("text", "generator1", "generator2")), captions, key)

    def match(state: State, images: jax.Array, captions: jax.Array) -> jax.Array:
        return compared(variables(state, ("text", "vision")), images, captions)

    task = Captioned(
        dataset=dataset, draw=draw, match=match if "vision" in modules else None,
        sizes=(size // hyper.factor, size), prepare=partial(prepare, hyper, hyper.captions, size),
        judge=solids_judge(dataset, size) if dataset.words == scenes.WORDS else None,
    )  # fmt: skip
    return Run(tuple(phases), optimizers, task)


if __name__ == "__main__":
    raise SystemExit(main("stackgan"))
