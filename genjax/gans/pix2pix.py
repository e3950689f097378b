"""pix2pix: an image from the image that belongs to it, learned from pairs by a loss that is itself learned.

Isola, Zhu, Zhou & Efros 2017, Image-to-Image Translation with Conditional Adversarial Networks, arXiv 1611.07004.
The generator G is a U-Net; the discriminator D judges patches of (x, y), input and output one over the other:
    G* = arg min max E log D(x, y) + E log(1 - D(x, G(x))) + weight E |y - G(x)|        (equation 4, weight 100)
G is trained on -log D instead, D on half of its objective, and no noise goes in but by dropout. Dropout stays on when
images are translated, and batch norm uses the statistics of what is translated, each image for itself here: with the
batches of one image that most configurations have, that is how they were trained.

images (x), targets (y): float[batch, height, width, channels] in [-1, 1]; sides divisible by 2^halvings.
Configurations: 8 halvings for 256 pixels, 7 for 128; 4x4 kernels; dropout of half behind the decoder's first three
layers (paper and code in Torch), or behind the second to fourth of eight (the authors' code in PyTorch).
Ablations of the paper: no skip connections, D that sees y alone, no adversarial loss, D of 1, 16, 70 and 286 pixels.
As in both codes D sees the generated pair first, and the layer between encoder and decoder has no norm, which in
batches of one image would leave zeros there. The code in Torch has biases before batch norm and sets them to 0 after
every step, and its G is given the gradient of D as of before D's move; there G's samples are also those that D saw,
while here each player draws its own dropout.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from genjax.engine.game import Aux, Game, Player
from genjax.engine.network import aux, with_networks
from genjax.losses import adversarial
from genjax.nn.conv import Conv, ConvTranspose
from genjax.nn.dropout import Dropout
from genjax.nn.initializers import Initializer
from genjax.nn.normalization import BatchNorm, around_one
from genjax.nn.patch import NORMAL
from genjax.nn.weights import Plain
from genjax.nn.wide import wide


def torch_dropout(halvings: int) -> tuple[int, ...]:
    """Return the decoder's layers, from 1 at the bottleneck, with dropout in the paper: the first three."""
    return tuple(range(1, min(4, halvings)))


def pytorch_dropout(halvings: int) -> tuple[int, ...]:
    """Return those of the authors' code in PyTorch: of 8 the second to the fourth, of 7 two, of 5 none."""
    return tuple(range(2, halvings - 3))


class Generator(nn.Module):
    """U-Net: `halvings` 4x4 convolutions of stride 2 from `width` to 8 `width` channels, and as many back, then tanh.

    Each layer of the decoder also sees what the encoder made at its size.
    dropped: layers of the decoder, counted from 1 behind the bottleneck, half of whose outputs are dropped.
    skips: without them it is an encoder and a decoder.
    """

    channels: int = 3
    width: int = 64
    halvings: int = 8
    dropped: tuple[int, ...] = (1, 2, 3)
    skips: bool = True
    initializer: Initializer = NORMAL
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Return float32[batch, height, width, channels] in [-1, 1]; ValueError where a side does not halve so often.

        train: statistics of the batch, and dropout, which needs the key "dropout".
        """
        check_sides(images.shape[1:3], self.halvings)
        weight, last = Plain(self.initializer), self.halvings
        made, x = [], images
        for layer in range(1, last + 1):
            features = self.width * min(2 ** (layer - 1), 8)
            x = x if layer == 1 else nn.leaky_relu(x, 0.2)
            x = Conv(features, use_bias=False, weight=weight, dtype=self.dtype, name=f"down_{layer}")(x)
            x = self._norm(f"down_norm_{layer}")(x, train) if 1 < layer < last else x
            made.append(x)
        for layer in range(1, last):
            skip = made[last - layer - 1]
            up = ConvTranspose(skip.shape[-1], use_bias=False, weight=weight, dtype=self.dtype, name=f"up_{layer}")
            x = self._norm(f"up_norm_{layer}")(up(nn.relu(x)), train)
            x = Dropout(0.5)(x, train) if layer in self.dropped else x
            x = jnp.concatenate([skip, x], -1) if self.skips else x
        out = ConvTranspose(self.channels, weight=weight, dtype=self.dtype, name=f"up_{last}")
        return nn.tanh(wide(out(nn.relu(x))))

    def _norm(self, name: str) -> BatchNorm:
        return BatchNorm(scale_init=around_one, dtype=self.dtype, name=name)


def check_sides(sides: tuple[int, ...], halvings: int) -> None:
    """Raise ValueError unless both sides halve `halvings` times."""
    multiple = 2**halvings
    if any(side % multiple for side in sides):
        height, width = sides
        raise ValueError(
            f"a U-Net that halves images {halvings} times needs sides that are multiples of {multiple}, not {height} x "
            f"{width}; give another --image-size or --crop, or fewer --halvings"
        )


def translate(generator: nn.Module, variables: Mapping[str, Any], images: jax.Array, key: jax.Array) -> jax.Array:
    """Return G(x) with dropout drawn from `key` and each image normalised by itself: float32[batch, ...] in [-1, 1].

    What becomes of an image does not depend on the others, and one key gives one answer.
    """
    rngs = {"dropout": key}

    def one(image: jax.Array) -> jax.Array:
        return generator.apply(variables, image[None], train=True, mutable=["batch_stats"], rngs=rngs)[0][0]

    return jax.vmap(one)(images)


def judged(images: jax.Array, targets: jax.Array, conditional: bool) -> jax.Array:
    """Return what the discriminator sees of a pair: both on the channels, or the target alone."""
    return jnp.concatenate([images, targets], -1) if conditional else targets


def discriminator_loss(nets, state, batch, key, *, conditional) -> tuple[jax.Array, Aux]:
    """L = -(E log D(x, y) + E log(1 - D(x, G(x)))) / 2, means over patches."""
    x, y = batch["images"], batch["targets"]
    fake = nets.generator.output(x, key=key)
    fake_logits, discriminator = nets.discriminator(judged(x, fake, conditional))
    real_logits, discriminator = discriminator(judged(x, y, conditional))
    loss = 0.5 * adversarial.discriminator(real_logits, fake_logits)
    return loss, aux(discriminator, **adversarial.probabilities(real_logits, fake_logits))


def generator_loss(nets, state, batch, key, *, conditional, l1, fooling) -> tuple[jax.Array, Aux]:
    """L = fooling (-E log D(x, G(x))) + l1 E |y - G(x)|; without D where `fooling` is 0."""
    x, y = batch["images"], batch["targets"]
    fake, generator = nets.generator(x, key=key)
    distance = jnp.mean(jnp.abs(y - fake))
    if not fooling:
        return l1 * distance, aux(generator, l1=distance)
    fooled = adversarial.non_saturating_generator(nets.discriminator.output(judged(x, fake, conditional)))
    return fooling * fooled + l1 * distance, aux(generator, l1=distance, adversarial=fooled)


def game(
    generator: nn.Module,
    discriminator: nn.Module,
    *,
    generator_tx: optax.GradientTransformation,
    discriminator_tx: optax.GradientTransformation,
    image_shape: tuple[int, int, int],
    target_channels: int = 3,
    conditional: bool = True,
    l1: float = 100.0,
    fooling: float = 1.0,
) -> Game:
    """Return the game of "discriminator" and "generator", in turn; of the generator alone where `fooling` is 0.

    image_shape: (height, width, channels) of inputs; targets have `target_channels`.
    conditional: the discriminator sees the input too.  l1, fooling: weights of the two parts of the generator's loss.
    """
    height, width, channels = image_shape
    shape = (1, height, width, channels * conditional + target_channels)
    modules = {"generator": generator, "discriminator": discriminator} if fooling else {"generator": generator}
    drawing = partial(generator_loss, conditional=conditional, l1=l1, fooling=fooling)
    judging = partial(discriminator_loss, conditional=conditional)
    sides = (("discriminator", judging, discriminator_tx), ("generator", drawing, generator_tx))
    players = tuple(Player(net, with_networks(loss, modules, (net,)), tx, (net,)) for net, loss, tx in sides)
    inputs = {"generator": (1, *image_shape), "discriminator": shape}

    def initialiser(net: str) -> Any:
        return lambda key: modules[net].init(key, jnp.zeros(inputs[net]))

    return Game(
        players=players if fooling else players[1:],
        networks={net: initialiser(net) for net in modules},
    )
