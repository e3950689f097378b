"""CAGAN: a person in a photograph is dressed in another garment, though nobody was ever seen in both.

Jetchev & Bergmann 2017, The Conditional Analogy GAN: Swapping Fashion Articles on People Images, arXiv 1709.04695.
From a person x_i, the article y_i that is worn and another one y_j the generator makes a mask and an image, of which
    x_ij = mask image + (1 - mask) x_i
is the person in y_j. The discriminator is told a person and an article, and three kinds of pairs:
    L_D = -E log D(x_i, y_i) - E log(1 - D(x_ij, y_j)) - E log(1 - D(x_i, y_j))
the last so that it learns what "is worn" means. G swaps back by the same composite and keeps the mask small:
    L_G = -E log D(x_ij, y_j) + cycle E |x_i - G(x_ij, y_j, y_i)| + identity E mask        (weights 1 and 0.1)
Means run over patches and pixels. The text prints 1 - log D for log(1 - D).
Every layer is also given the inputs x_i, y_i at its own size, "the last six channels" of each in the text, in both
networks; here they are added to the layer's own channels, as in the public re-implementations, which do so in the
generator alone. The authors' code is not public: the discriminator's last layer, a 1x1 convolution, instance norm in
the generator and batch norm in the discriminator are those re-implementations' or our own choice.

images (persons), articles (worn), others (wanted): float[batch, height, width, 3] in [-1, 1]; sides divisible by
2^halvings. Without "others" the next person's article of the batch is wanted.
Configuration: width 64, 4 halvings, 128 x 96 pixels.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from genjax import parallel
from genjax.engine.game import Aux, Batch, Game, Player
from genjax.engine.network import aux, with_networks
from genjax.losses import adversarial
from genjax.nn.conv import Conv, ConvTranspose
from genjax.nn.initializers import Initializer
from genjax.nn.normalization import instance_norm
from genjax.nn.patch import NORMAL, by_batch
from genjax.nn.weights import Plain
from genjax.nn.wide import wide


def injected(x: jax.Array, inputs: jax.Array) -> jax.Array:
    """Return x, float[batch, h, w, c], with the means of `inputs` over the pixels that each of its places stands for.

    inputs: float[batch, k h, k w, d].  Returns float[batch, h, w, c + d].
    """
    batch, height, width, channels = inputs.shape
    rows, columns = x.shape[1:3]
    blocks = inputs.reshape(batch, rows, height // rows, columns, width // columns, channels)
    return jnp.concatenate([x, blocks.mean((2, 4)).astype(x.dtype)], -1)


class Generator(nn.Module):
    """U-Net of `halvings` 4x4 convolutions of stride 2, from `width` to 8 `width` channels, and as many back.

    Instance norm everywhere but behind the first and the last layer.  injection: give every layer the inputs too.
    """

    width: int = 64
    halvings: int = 4
    injection: bool = True
    initializer: Initializer = NORMAL
    dtype: Any = None

    @nn.compact
    def __call__(self, persons: jax.Array, worn: jax.Array, wanted: jax.Array, train: bool = False) -> jax.Array:
        """Return float32[batch, height, width, 4], the mask's logits and what `composite` puts there.

        ValueError where a side does not halve so often.
        """
        check_sides(persons.shape[1:3], self.halvings)
        given = jnp.concatenate([persons, worn], -1)
        inject = partial(injected, inputs=given) if self.injection else lambda x: x
        layer = {"weight": Plain(self.initializer), "dtype": self.dtype}
        made, x = [], jnp.concatenate([persons, worn, wanted], -1)
        for number in range(self.halvings):
            x = Conv(self.width * min(2**number, 8), **layer)(x if not number else inject(x))
            x = nn.leaky_relu(instance_norm(x) if number else x, 0.2)
            made.append(x)
        for skip in made[-2::-1]:
            x = nn.relu(instance_norm(ConvTranspose(skip.shape[-1], **layer)(inject(x))))
            x = jnp.concatenate([x, skip], -1)
        return wide(ConvTranspose(4, **layer)(inject(x)))


class Discriminator(nn.Module):
    """`halvings` 4x4 convolutions of stride 2 on person and article, batch norm but behind the first; a logit a place.

    injection: give every layer the inputs too.
    """

    width: int = 64
    halvings: int = 4
    injection: bool = True
    initializer: Initializer = NORMAL
    dtype: Any = None

    @nn.compact
    def __call__(self, persons: jax.Array, articles: jax.Array, train: bool = False) -> jax.Array:
        """Return logits float32[batch, rows, columns]; ValueError where a side does not halve so often."""
        check_sides(persons.shape[1:3], self.halvings)
        given = jnp.concatenate([persons, articles], -1)
        inject = partial(injected, inputs=given) if self.injection else lambda x: x
        layer = {"weight": Plain(self.initializer), "dtype": self.dtype}
        x = given
        for number in range(self.halvings):
            features = self.width * min(2**number, 8)
            x = Conv(features, use_bias=not number, **layer)(x if not number else inject(x))
            x = nn.leaky_relu(by_batch(x, train) if number else x, 0.2)
        return wide(Conv(1, 1, 1, **layer)(inject(x)))[..., 0]


def check_sides(sides: tuple[int, ...], halvings: int) -> None:
    """Raise ValueError unless both sides halve `halvings` times, to 2 places at least."""
    multiple = 2**halvings
    if any(side % multiple or side < 2 * multiple for side in sides):
        height, width = sides
        raise ValueError(
            f"networks that halve images {halvings} times need sides that are multiples of {multiple}, from "
            f"{2 * multiple} on, not {height} x {width}; give another --image-size or --crop, or fewer halvings"
        )


def composite(drawn: jax.Array, persons: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return mask image + (1 - mask) persons, and the mask in [0, 1], float[batch, height, width, 1].

    drawn: float[batch, height, width, 4], mask = sigmoid of the first channel, image = tanh of the others.
    """
    mask, image = jax.nn.sigmoid(drawn[..., :1]), jnp.tanh(drawn[..., 1:])
    return mask * image + (1 - mask) * persons, mask


def wanted_of(batch: Batch) -> jax.Array:
    """Return the articles that are to be put on: "others", or each next person's of the batch on all devices."""
    if "others" in batch:
        return batch["others"]
    articles = batch["articles"]
    return parallel.own_rows(jnp.roll(parallel.gather(articles), -1, 0), len(articles))


def discriminator_loss(nets, state, batch, key, *, mismatched) -> tuple[jax.Array, Aux]:
    """L = -E log D(x_i, y_i) - E log(1 - D(x_ij, y_j)) - mismatched E log(1 - D(x_i, y_j))."""
    persons, worn, wanted = batch["images"], batch["articles"], wanted_of(batch)
    swapped, _ = composite(nets.generator.output(persons, worn, wanted), persons)
    real_logits, discriminator = nets.discriminator(persons, worn)
    fake_logits, discriminator = discriminator(swapped, wanted)
    other_logits, discriminator = discriminator(persons, wanted)
    loss = adversarial.discriminator(real_logits, fake_logits)
    loss = loss - mismatched * adversarial.minimax_generator(other_logits)
    mean = jnp.mean(jax.nn.sigmoid(other_logits))
    return loss, aux(discriminator, mismatched=mean, **adversarial.probabilities(real_logits, fake_logits))


def generator_loss(nets, state, batch, key, *, cycle, identity) -> tuple[jax.Array, Aux]:
    """L = -E log D(x_ij, y_j) + cycle E |x_i - x_iji| + identity E mask, x_iji what swapping back makes of x_ij."""
    persons, worn, wanted = batch["images"], batch["articles"], wanted_of(batch)
    drawn, generator = nets.generator(persons, worn, wanted)
    swapped, mask = composite(drawn, persons)
    back, _ = composite(generator.output(swapped, wanted, worn), swapped)
    fooled = adversarial.non_saturating_generator(nets.discriminator.output(swapped, wanted))
    around, size = jnp.mean(jnp.abs(persons - back)), jnp.mean(mask)
    loss = fooled + cycle * around + identity * size
    return loss, aux(generator, adversarial=fooled, cycle=around, mask=size)


def game(
    generator: nn.Module,
    discriminator: nn.Module,
    *,
    generator_tx: optax.GradientTransformation,
    discriminator_tx: optax.GradientTransformation,
    image_shape: tuple[int, int, int],
    cycle: float = 1.0,
    identity: float = 0.1,
    mismatched: float = 1.0,
) -> Game:
    """Return the game of "discriminator" and "generator", in turn.

    image_shape: of persons and articles.  cycle, identity: weights of swapping back and of the mask's mean.
    mismatched: weight of the pairs of a person with an article that is not worn.
    """
    modules = {"generator": generator, "discriminator": discriminator}
    drawing = partial(generator_loss, cycle=cycle, identity=identity)
    judging = partial(discriminator_loss, mismatched=mismatched)
    sides = (("discriminator", judging, discriminator_tx), ("generator", drawing, generator_tx))
    image = jnp.zeros((1, *image_shape))
    return Game(
        players=tuple(Player(net, with_networks(loss, modules, (net,)), tx, (net,)) for net, loss, tx in sides),
        networks={
            "generator": lambda key: generator.init(key, image, image, image),
            "discriminator": lambda key: discriminator.init(key, image, image),
        },
    )
