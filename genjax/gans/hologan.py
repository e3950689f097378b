"""HoloGAN: a generator that turns a volume of features before it draws it, so that poses are learned without labels.

Nguyen-Phuoc, Li, Theis, Richardt & Yang 2019, HoloGAN: Unsupervised Learning of 3D Representations From Natural Images,
arXiv 1904.01326. A learned constant becomes a volume by 3-D convolutions in the style of the latent z; the volume is
turned into a pose p drawn at random; its depth is folded into channels and a 1x1 convolution projects it; 2-D
convolutions, styled by z too, draw the image. The discriminator also tells z.
    L_D = E softplus(-D(x)) + E softplus(D(G(z, p))) + identity E |z'(G(z, p)) - z|^2 + style sum_l L_l
    L_G = E softplus(-D(G(z, p))) + identity E |z'(G(z, p)) - z|^2
    L_l: the same cross entropy for a linear unit on mean and variance of each channel in front of instance norm l

Followed is the authors' code (thunguyenphuoc/HoloGAN), which departs from the paper; what it does and what is a switch:
    styles       one dense layer with ReLU for each stage: no scale and no shift is negative; `rectified`
    border       its resampling loses the last plane of every axis and turns about a corner of the middle voxel:
                 `official_border`; here space is 0 outside and the pivot is the centre, see `genjax.nn.rotation`
    style loss   only the discriminator has it; with `fool_styles` the generator does too, as the paper writes
    style rows   means and variances are two rows for one linear unit on C channels ("batch"); "channels" gives the unit
                 both, 2 C numbers
    rates        it computes a decay that its optimizers never read: rates are constant
    poses        whole degrees, one scale for a batch, translation never on; here real numbers, each image its own
    moves        the generator moves twice a step on the same latents, here on fresh ones. Images and samples pass the
                 discriminator as one batch: one step of the power iteration, there one each
images: float[batch, size, size, channels] in [-1, 1].  latent U(-1, 1), which the prediction's tanh reaches.
Configurations
    64 pixels   Generator(), Discriminator(): Adam (1e-4, 0.5, 0.999), batch 32, latent 128, identity 0
    128 pixels  Generator(volumes=(256, 128), projections=(64, 64), flat=512, images=(256, 64, 32), slope=0.2),
                Discriminator(layers=5, styles="batch")
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, Unpack

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from genjax.engine.adversarial import Setting, Side, adversarial_game
from genjax.engine.game import Aux, Game
from genjax.engine.network import aux
from genjax.losses import adversarial
from genjax.nn.adain import Style
from genjax.nn.conv import Conv, ConvTranspose
from genjax.nn.conv3d import ConvTranspose3D
from genjax.nn.dense import Dense
from genjax.nn.initializers import Initializer, normal
from genjax.nn.rotation import IDENTITY, rotate
from genjax.nn.weights import Plain, Spectral
from genjax.nn.wide import wide
from genjax.views import Views

NORMAL = normal(0.02)
TRUNCATED = Initializer(nn.initializers.truncated_normal(0.02), NORMAL.bias)


class Generator(nn.Module):
    """Constant, styled 3-D convolutions, rotation, projection, styled 2-D convolutions, tanh.

    start, template: side and channels of the constant.  volumes: channels of the 3-D convolutions, each of which
    doubles the volume.  projections: channels of further ones, behind the rotation.  flat: channels of the 1x1
    convolution.  images: channels of the 2-D convolutions, each of which doubles the image; one more draws it.
    slope: of the (leaky) ReLU.  rectified: see `Style`.  style_deviation: of its first weights.
    turning: turn the volume; else the styles see the pose, as cosines and sines beside the latent, which is what a
    generator without this idea would do.
    """

    size: int = 64
    channels: int = 3
    start: int = 4
    template: int = 512
    volumes: Sequence[int] = (128, 64)
    projections: Sequence[int] = ()
    flat: int = 1024
    images: Sequence[int] = (256, 64)
    slope: float = 0.0
    rectified: bool = True
    style_deviation: float = 0.02
    turning: bool = True
    official_border: bool = False
    dtype: Any = None

    @nn.compact
    def __call__(self, latent: jax.Array, poses: jax.Array | None = None, train: bool = False) -> jax.Array:
        """Return float32[batch, size, size, channels]; poses: float[batch, 6], the identity if not given.

        ValueError where the doublings do not reach `size`.
        """
        reached = self.start * 2 ** (len(self.volumes) + len(self.images))
        if reached != self.size:
            raise ValueError(
                f"from {self.start} voxels, {len(self.volumes)} and {len(self.images)} doublings reach {reached} "
                f"pixels, not {self.size}; give --image-size {reached}"
            )
        batch = latent.shape[0]
        poses = jnp.tile(jnp.array(IDENTITY), (batch, 1)) if poses is None else poses
        seen = latent if self.turning else jnp.concatenate([latent, told(poses)], -1)
        made: dict[str, Any] = {"weight": Plain(NORMAL), "dtype": self.dtype}

        def styled(x):
            return self._bend(Style(self.rectified, normal(self.style_deviation), self.dtype)(x, seen))

        template = self.param("template", NORMAL.kernel, (*(self.start,) * 3, self.template))
        x = styled(jnp.repeat(template.astype(self.dtype or template.dtype)[None], batch, 0))
        for features in self.volumes:
            x = styled(ConvTranspose3D(features, **made)(x))
        x = rotate(x, poses, official_border=self.official_border) if self.turning else x
        # From axes (z, y, x) to the image's: y runs up its rows and z along its columns, x is the depth.
        x = jnp.flip(x.swapaxes(1, 2), 1)
        for features in self.projections:
            x = self._bend(ConvTranspose3D(features, stride=1, **made)(x))
        x = self._bend(Conv(self.flat, 1, 1, **made)(folded(x)))
        for features in self.images:
            x = styled(ConvTranspose(features, **made)(x))
        return nn.tanh(wide(ConvTranspose(self.channels, stride=1, **made)(x)))

    def _bend(self, x: jax.Array) -> jax.Array:
        return nn.leaky_relu(x, self.slope)


def folded(x: jax.Array) -> jax.Array:
    """Return volumes [batch, height, width, depth, channels] as images [batch, height, width, depth channels]."""
    return x.reshape(*x.shape[:3], -1)


def told(poses: jax.Array) -> jax.Array:
    """Return poses as numbers for styles, float[batch, 8]: cosine and sine of both angles, log scale, shift."""
    angles = jnp.radians(poses[:, :2])
    return jnp.concatenate([jnp.cos(angles), jnp.sin(angles), jnp.log(poses[:, 2:3]), poses[:, 3:]], -1)


class Judged(NamedTuple):
    """What a discriminator makes of images.

    logits: float32[batch].  latents: float32[batch, size] in (-1, 1).  styles: logits of each instance norm,
    float32[batch, rows].
    """

    logits: jax.Array
    latents: jax.Array
    styles: tuple[jax.Array, ...] = ()


class Discriminator(nn.Module):
    """5x5 convolutions of stride 2, doubling the channels from `width`, with instance and spectral norm but the first.

    latent: size of the latent it tells, by a hidden layer of `hidden` units.
    normalised: whether there are the two norms.  styles: rows of mean and variance that a linear unit at each instance
    norm judges: none, two of the channels ("batch"), or one of twice as many ("channels").
    """

    latent: int = 128
    width: int = 64
    layers: int = 4
    hidden: int = 128
    normalised: bool = True
    styles: Literal["none", "batch", "channels"] = "none"
    dtype: Any = None

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> Judged:
        """Return what it makes of images float[batch, size, size, channels]."""
        x, styles, linear = images, [], partial(Dense, weight=Plain(NORMAL), dtype=self.dtype)
        for layer in range(self.layers):
            weight = Spectral(TRUNCATED) if layer and self.normalised else Plain(TRUNCATED)
            x = Conv(self.width * 2**layer, 5, weight=weight, dtype=self.dtype, name=f"Conv_{layer}")(x)
            if layer and self.normalised:
                x, mean, variance = ScaledInstanceNorm(name=f"norm_{layer}")(x)
                if self.styles != "none":
                    unit = linear(1, name=f"style_{layer}")
                    styles.append(style_logits(unit, mean, variance, self.styles == "channels"))
            x = nn.leaky_relu(x, 0.2)
        x = x.reshape(x.shape[0], -1)
        logits = wide(linear(1, name="logit")(x))[:, 0]
        latents = linear(self.latent, name="latent")(nn.leaky_relu(linear(self.hidden, name="hidden")(x), 0.2))
        return Judged(logits, nn.tanh(wide(latents)), tuple(styles))


class ScaledInstanceNorm(nn.Module):
    """Instance norm with a scale from N(1, 0.02) and an offset for each channel, epsilon 1e-5; tells its statistics."""

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Return x, float[batch, height, width, channels], normalised; mean and variance float32[batch, channels]."""
        scale = self.param("scale", lambda key: 1 + 0.02 * jax.random.normal(key, x.shape[-1:]))
        offset = self.param("bias", nn.initializers.zeros_init(), x.shape[-1:])
        full = wide(x)
        mean = full.mean((1, 2), keepdims=True)
        variance = ((full - mean) ** 2).mean((1, 2), keepdims=True)
        normalised = (full - mean) * jax.lax.rsqrt(variance + 1e-5)
        scale, offset = (each[None, None, None] for each in (scale, offset))
        return (scale * normalised + offset).astype(x.dtype), mean[:, 0, 0], variance[:, 0, 0]


def style_logits(unit, mean: jax.Array, variance: jax.Array, joined: bool) -> jax.Array:
    """Return what a linear unit says to the statistics float[batch, channels]: float32[batch, 2], or joined [batch, 1].

    unit: float[rows, channels] -> float[rows, 1]; joined: mean and variance are one row of 2 channels for it.
    """
    if joined:
        return wide(unit(jnp.concatenate([mean, variance], -1)))
    return wide(unit(jnp.stack([mean, variance], 1)))[..., 0]


class Weights(NamedTuple):
    """identity: of the latent's prediction in both losses.  style: of the style logits in the discriminator's.

    fool_styles: whether the generator's loss has the style logits too.
    """

    identity: float = 0.0
    style: float = 1.0
    fool_styles: bool = False


ALL_AROUND, PLAIN = Views(), Weights()


def sampled(nets, draw, views: Views, key: jax.Array, count: int) -> tuple[jax.Array, jax.Array, Any]:
    """Return latents, samples in poses of their own, and the generator after its call."""
    latent_key, pose_key = jax.random.split(key)
    latents = draw(latent_key, count)
    fake, generator = nets.generator(latents, views.draw(pose_key, count))
    return latents, fake, generator


def identity_loss(judged: Judged, latents: jax.Array) -> jax.Array:
    """L = E |z' - z|^2 / size."""
    return jnp.mean((judged.latents - latents) ** 2)


def discriminator_loss(nets, state, batch, key, *, draw, views, weights) -> tuple[jax.Array, Aux]:
    """Cross entropy of images and samples, which are one batch, with the identity and the style losses."""
    images = batch["images"]
    latents, fake, _ = sampled(nets, draw, views, key, len(images))
    judged, discriminator = nets.discriminator(jnp.concatenate([images, fake]))
    real, made = (jax.tree.map(lambda x, i=i: jnp.split(x, 2)[i], judged) for i in (0, 1))
    identity = identity_loss(made, latents)
    style = sum(map(adversarial.discriminator, real.styles, made.styles), jnp.float32(0))
    loss = adversarial.discriminator(real.logits, made.logits) + weights.identity * identity + weights.style * style
    metrics = adversarial.probabilities(real.logits, made.logits) | {"identity": identity}
    return loss, aux(discriminator, **metrics, **({"style": style} if real.styles else {}))


def generator_loss(nets, state, batch, key, *, draw, views, weights) -> tuple[jax.Array, Aux]:
    """Cross entropy of samples with the identity loss, and the style losses where they are fooled too."""
    latents, fake, generator = sampled(nets, draw, views, key, len(batch["images"]))
    made = nets.discriminator.output(fake)
    loss = adversarial.non_saturating_generator(made.logits) + weights.identity * identity_loss(made, latents)
    if weights.fool_styles:
        loss += weights.style * sum(map(adversarial.non_saturating_generator, made.styles))
    return loss, aux(generator)


def game(
    generator: nn.Module,
    discriminator: nn.Module,
    *,
    generator_tx: optax.GradientTransformation,
    discriminator_tx: optax.GradientTransformation,
    views: Views = ALL_AROUND,
    weights: Weights = PLAIN,
    generator_steps: int = 2,
    **setting: Unpack[Setting],
) -> Game:
    """Return the game of "discriminator" and "generator", which moves `generator_steps` times a step.

    views: the ranges from which poses are drawn.
    setting: image_shape, latent, prior and ema, see `genjax.engine.adversarial`.
    """
    told: dict[str, Any] = {"views": views, "weights": weights}
    return adversarial_game(
        Side("discriminator", discriminator, partial(discriminator_loss, **told), discriminator_tx),
        Side("generator", generator, partial(generator_loss, **told), generator_tx, generator_steps),
        **setting,
    )
