"""CycleGAN: image translation between two domains of which no pairs are known.

Zhu, Park, Isola & Efros 2017, Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks,
arXiv 1703.10593. Generators G: A -> B ("forward") and F: B -> A ("backward") are told by a patch discriminator of each
domain to look real, and by the cycle loss to undo each other.
Generators: reflection padding, instance norm without parameters, 9 residual blocks (6 for 128 pixels), nothing after a
block's sum. Discriminators see generated images from a pool of the last ones (Shrivastava et al. 2017, 1612.07828).
As in the authors' PyTorch code, generators move first, all together, then both discriminators; there they judge the
images of before the generators' move, here of after it. The identity loss, which the paper uses for some tasks only,
is on in that code; `identity` 0 leaves it out.

images (A), targets (B): float[batch, height, width, channels] in [-1, 1]; sides divisible by 4.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from genjax import parallel
from genjax.engine.game import Aux, Game, Player
from genjax.engine.network import aux, with_networks
from genjax.losses import adversarial
from genjax.nn.conv import Conv, ConvTranspose
from genjax.nn.initializers import Initializer
from genjax.nn.normalization import instance_norm
from genjax.nn.patch import NORMAL
from genjax.nn.weights import Plain
from genjax.nn.wide import wide


def _reflected(x: jax.Array, pad: int) -> jax.Array:
    return jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect")


class Generator(nn.Module):
    """7x7 convolution, two halvings, `blocks` residual blocks at 4 `width` channels, two doublings, 7x7, tanh."""

    channels: int = 3
    width: int = 64
    blocks: int = 9
    initializer: Initializer = NORMAL
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Return float32[batch, height, width, channels] in [-1, 1]; ValueError unless both sides divide by 4."""
        height, width = images.shape[1:3]
        if height % 4 or width % 4 or min(height, width) < 8:
            raise ValueError(
                f"CycleGAN halves images twice and doubles them again, which {height} x {width} pixels do not survive; "
                f"give --image-size {max(8, min(height, width) // 4 * 4)}, or any other multiple of 4 from 8"
            )
        make = partial(Conv, weight=Plain(self.initializer), padding="VALID", dtype=self.dtype)
        x = make(self.width, 7, 1)(_reflected(images, 3))
        x = nn.relu(instance_norm(x))
        for factor in (2, 4):
            x = make(factor * self.width, 3, 2, padding=((1, 1), (1, 1)))(x)
            x = nn.relu(instance_norm(x))
        for _ in range(self.blocks):
            y = make(4 * self.width, 3, 1)(_reflected(x, 1))
            y = make(4 * self.width, 3, 1)(_reflected(nn.relu(instance_norm(y)), 1))
            x = x + instance_norm(y)
        for factor in (2, 1):
            up = ConvTranspose(factor * self.width, 3, weight=Plain(self.initializer), dtype=self.dtype)
            # Mirrored, so that input pixel u lands on output pixel 2 u, from where the strided convolution took it.
            x = nn.relu(instance_norm(jnp.flip(up(jnp.flip(x, (1, 2))), (1, 2))))
        x = make(self.channels, 7, 1)(_reflected(x, 3))
        return nn.tanh(wide(x))


def empty_pool(size: int, image_shape: tuple[int, ...]) -> dict[str, jax.Array]:
    """Return a pool without images: {"images": float32[size, ...], "count": 0}."""
    return {"images": jnp.zeros((size, *image_shape)), "count": jnp.zeros((), jnp.int32)}


def exchange(
    pool: dict[str, jax.Array], images: jax.Array, swap: jax.Array, places: jax.Array
) -> tuple[dict[str, jax.Array], jax.Array]:
    """Return the pool after `images`, [B, ...], passed through it one by one, and what came out, [B, ...].

    Until it is full it keeps each image and returns it. Then, where `swap`, bool[B], it returns the one at `places`,
    int[B], and keeps the new one instead; elsewhere it returns the new one.
    """
    size = pool["images"].shape[0]

    def one(pool, x):
        image, swapped, place = x
        full = pool["count"] >= size
        place = jnp.where(full, place, pool["count"] % size)
        old = pool["images"][place]
        kept = jnp.where(swapped | ~full, image, old)
        after = {"images": pool["images"].at[place].set(kept), "count": jnp.minimum(pool["count"] + 1, size)}
        return after, jnp.where(full & swapped, old, image)

    return jax.lax.scan(one, pool, (images, swap, places))


def pooled(pool: dict[str, jax.Array], images: jax.Array, key: jax.Array) -> tuple[dict[str, jax.Array], jax.Array]:
    """Return `exchange` with probability 1/2 and random places, one pool for all devices.

    Every device passes the images of all through its copy and takes its own rows back.
    """
    everything = parallel.gather(images)
    count = len(everything)
    coin, place = jax.random.split(key)
    swap = jax.random.bernoulli(coin, 0.5, (count,))
    places = jax.random.randint(place, (count,), 0, pool["images"].shape[0])
    pool, out = exchange(pool, everything, swap, places)
    return pool, parallel.own_rows(out, len(images))


def distance(x: jax.Array, y: jax.Array) -> jax.Array:
    """Return E |x - y|, the mean over pixels: of the cycle loss (equation 2) and the identity loss (section 5.2)."""
    return jnp.mean(jnp.abs(x - y))


def generators_loss(nets, state, batch, key, *, cycle, identity) -> tuple[jax.Array, Aux]:
    """L = sum (D(fake) - 1)^2 + cycle (|F(G(a)) - a| + |G(F(b)) - b|) + identity (|G(b) - b| + |F(a) - a|)."""
    a, b = batch["images"], batch["targets"]
    forth, back = nets.forward.output, nets.backward.output
    fake_b, fake_a = forth(a), back(b)
    logits_b, logits_a = nets.discriminator_b.output(fake_b), nets.discriminator_a.output(fake_a)
    for_b, for_a = (2 * adversarial.least_squares_generator(logits) for logits in (logits_b, logits_a))
    fooling = for_b + for_a
    around = distance(back(fake_b), a) + distance(forth(fake_a), b)
    loss, metrics = fooling + cycle * around, {"adversarial": fooling, "cycle": around}
    if identity:
        same = distance(forth(b), b) + distance(back(a), a)
        loss, metrics = loss + identity * same, {**metrics, "identity": same}
    return loss, aux(**metrics)


def discriminators_loss(nets, state, batch, key) -> tuple[jax.Array, Aux]:
    """L = sum over domains of (E (D(real) - 1)^2 + E D(fake)^2) / 2, fakes by way of the pools."""
    a, b = batch["images"], batch["targets"]
    pool_a, fake_a = pooled(state.memory["pool_a"], nets.backward.output(b), jax.random.fold_in(key, 0))
    pool_b, fake_b = pooled(state.memory["pool_b"], nets.forward.output(a), jax.random.fold_in(key, 1))
    real_logits_a, fake_logits_a = (nets.discriminator_a.output(x) for x in (a, fake_a))
    real_logits_b, fake_logits_b = (nets.discriminator_b.output(x) for x in (b, fake_b))
    of_a = adversarial.least_squares_discriminator(real_logits_a, fake_logits_a)
    of_b = adversarial.least_squares_discriminator(real_logits_b, fake_logits_b)
    return of_a + of_b, aux(
        memory={"pool_a": pool_a, "pool_b": pool_b},
        real_a=jnp.mean(real_logits_a),
        fake_a=jnp.mean(fake_logits_a),
        real_b=jnp.mean(real_logits_b),
        fake_b=jnp.mean(fake_logits_b),
    )


def game(
    generator: nn.Module,
    discriminator: nn.Module,
    *,
    generators_tx: optax.GradientTransformation,
    discriminators_tx: optax.GradientTransformation,
    image_shape: tuple[int, int, int],
    cycle: float = 10.0,
    identity: float = 5.0,
    pool: int = 50,
) -> Game:
    """Return the game of "generators", owning "forward" and "backward", and "discriminators", in turn.

    generator, discriminator: the network of both directions, of both domains.  image_shape: (height, width, channels).
    cycle, identity: weights of the losses.  pool: images kept in each domain; ValueError below 1.
    """
    if pool < 1:
        raise ValueError(f"a pool of {pool} images keeps none; give --pool 50, or 1 for nearly the last batch alone")
    generators, discriminators = ("forward", "backward"), ("discriminator_a", "discriminator_b")
    modules = dict.fromkeys(generators, generator) | dict.fromkeys(discriminators, discriminator)
    translating = with_networks(partial(generators_loss, cycle=cycle, identity=identity), modules, generators)
    judging = with_networks(discriminators_loss, modules, discriminators)
    image = (1, *image_shape)
    return Game(
        players=(
            Player("generators", translating, generators_tx, generators),
            Player("discriminators", judging, discriminators_tx, discriminators),
        ),
        networks={
            **dict.fromkeys(generators, lambda key: generator.init(key, jnp.zeros(image))),
            **dict.fromkeys(discriminators, lambda key: discriminator.init(key, jnp.zeros(image))),
        },
        memory={"pool_a": empty_pool(pool, image_shape), "pool_b": empty_pool(pool, image_shape)},
    )
