"""StackGAN: an image from a sentence, in two stages: a small sketch, and the large image that corrects it.

Zhang, Xu, Li, Zhang, Wang, Huang & Metaxas 2017, StackGAN: Text to Photo-realistic Image Synthesis with Stacked
Generative Adversarial Networks, arXiv 1612.03242. Three phases. First a text encoder phi of a sentence t learns to find
images by sentences, by the joint embedding of Reed et al. 2016 (`genjax.losses.joint_embedding`); it is held from then
on. In each stage a layer of its own augments the condition, c = mu(phi) + sigma(phi) epsilon, and
    stage I     fake = G1(z, c)                     stage II    fake = G2(G1(z, c1), c), G1 held
    L_D = -log D(x, t) - 1/2 [log(1 - D(x, t')) + log(1 - D(fake, t))]         t' a sentence of another image
    L_G = -log D(fake, t) + 2 E KL(N(mu, sigma^2) || N(0, 1))                  E over the numbers of c too
That mean, and its weight of 2, are the authors' code; the text sums, with a weight of 1.

Two configurations, `genjax.nn.stages` has their networks. The authors' TensorFlow code (birds, flowers) tells D the
embedding itself and draws epsilon within two deviations. Their PyTorch code (COCO) tells D mu of the generator, held;
in stage II D has a second logit, which is not told t:
    L_D = -1/2 [log D(x, t) + log D(x)] - 1/3 [log(1 - D(x, t')) + log(1 - D(fake, t)) + log(1 - D(fake))]
    L_G = -log D(fake, t) - log D(fake) + 2 E KL
Deviations: t' belongs to the next image of the batch with neither a caption nor a class in common, where the TensorFlow
code draws an image of another class and the PyTorch code takes the next sentence, whatever it says. In stage II G1
draws by its running statistics and keeps them; the PyTorch code only turns its gradients off, so that it normalises by
the batch and its statistics move on. Images of the first phase are seen by a network that learns with the text's, where
Reed et al. have fixed features of a classifier.

images: float[batch, size, size, channels] in [-1, 1].  captions: int[batch, count, words], whose embeddings' mean is
phi.  labels: int[batch], where there are any.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from genjax import parallel
from genjax.engine.game import Aux, Batch, Game, Player
from genjax.engine.network import aux, with_networks
from genjax.losses import adversarial
from genjax.losses.divergence import kl_standard_normal
from genjax.losses.joint_embedding import others, ranking_loss
from genjax.nn.wide import wide


class Rules(NamedTuple):
    """Of both stages.

    latent: size of z.  kl: weight of the divergence.  augmentation: without it c = mu, and there is no divergence.
    truncated: epsilon within two deviations.  judged: what the discriminator is told, the text or the generator's mu.
    mismatched: whether it is shown images with other images' sentences.
    """

    latent: int = 100
    kl: float = 2.0
    augmentation: bool = True
    truncated: bool = True
    judged: Literal["text", "mean"] = "text"
    mismatched: bool = True

    def noise(self, key: jax.Array, count: int, size: int) -> jax.Array | None:
        """Return epsilon, float[count, size], None without augmentation."""
        draw = _truncated if self.truncated else jax.random.normal
        return parallel.rows(draw, key, (count, size)) if self.augmentation else None


RULES = Rules()


def _truncated(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    return jax.random.truncated_normal(key, -2.0, 2.0, shape)


def embedded(nets: Any, batch: Batch) -> jax.Array:
    """Return the text encoder's embedding of each example, float[batch, size]: the mean over its captions."""
    captions = batch["captions"]
    rows = nets.text.evaluated(captions.reshape(-1, captions.shape[-1]))
    return rows.reshape(*captions.shape[:2], -1).mean(1)


def given(nets: Any, stage: int, rules: Rules, text: jax.Array, key: jax.Array) -> tuple[Any, Any, Any]:
    """Return what a stage's generator takes: z or a sketch, text and noise; key: of all of them."""
    latent_key, *keys = jax.random.split(key, 3)
    count = len(text)
    z = parallel.rows(jax.random.normal, latent_key, (count, rules.latent))
    noise, other = (rules.noise(each, count, nets.generator1.module.condition) for each in keys)
    if stage == 1:
        return z, text, noise
    sketches = nets.generator1.evaluated(z, text, noise).images
    return sketches, text, other


def negatives(wrong: jax.Array | None, valid: jax.Array | None, *fakes: jax.Array) -> jax.Array:
    """Return the mean over kinds of E -log(1 - D): real images with wrong sentences, fakes, and fakes without one.

    wrong: logits, None to leave the kind out.  valid: which of them have a wrong sentence; None for all.
    """
    terms = [jnp.mean(jax.nn.softplus(wide(logits))) for logits in fakes]
    if wrong is not None:
        share = jnp.ones_like(wrong) if valid is None else valid.astype(wrong.dtype)
        share = share / jnp.maximum(parallel.mean(jnp.mean(share)), 1e-8)
        terms.append(jnp.mean(share * jax.nn.softplus(wide(wrong))))
    return sum(terms[1:], terms[0]) / len(terms)


def positives(*logits: jax.Array) -> jax.Array:
    """Return the mean over kinds of E -log D."""
    terms = [jnp.mean(jax.nn.softplus(-wide(each))) for each in logits]
    return sum(terms[1:], terms[0]) / len(terms)


def known(logits: jax.Array, own: jax.Array | None) -> tuple[jax.Array, ...]:
    """Return the logits with a sentence, and those without one where there are some."""
    return (logits,) if own is None else (logits, own)


def mismatched(other: jax.Array, condition: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return for each row the condition of the next row that does not belong to it, and whether there is one.

    other: see `genjax.losses.joint_embedding.others`.  condition: float[batch, size].
    """
    count, total = other.shape
    own = parallel.own_rows(jnp.arange(total), count)
    places = (own[:, None] + jnp.arange(total)[None]) % total
    step = jnp.argmax(jnp.take_along_axis(other, places, 1), 1)
    return parallel.gather(condition)[(own + step) % total], other.any(1)


def discriminator_loss(nets, state, batch, key, *, stage: int, rules: Rules) -> tuple[jax.Array, Aux]:
    """L = -log D(x, t) - mean of log(1 - D(x, t')), log(1 - D(fake, t)), and the same without sentences."""
    text = embedded(nets, batch)
    fake = getattr(nets, f"generator{stage}").output(*given(nets, stage, rules, text, key))
    told = text if rules.judged == "text" else fake.mean
    wrong_text, valid = mismatched(others(batch["captions"], batch.get("labels")), told)
    texts = (told, wrong_text) if rules.mismatched else (told,)
    ((real, *wrong), own_real), discriminator = getattr(nets, f"discriminator{stage}")(batch["images"], texts)
    ((fake_logits,), own_fake), discriminator = discriminator(fake.images, (told,))
    loss = positives(*known(real, own_real))
    loss = loss + negatives(wrong[0] if wrong else None, valid, *known(fake_logits, own_fake))
    shown = {"real": real, "fake": fake_logits, **({"mismatched": wrong[0]} if wrong else {})}
    metrics = {name: jnp.mean(jax.nn.sigmoid(logits)) for name, logits in shown.items()}
    return loss, aux(discriminator, **metrics)


def generator_loss(nets, state, batch, key, *, stage: int, rules: Rules) -> tuple[jax.Array, Aux]:
    """L = -log D(fake, t) + kl E KL(N(mu, sigma^2) || N(0, 1)), and -log D(fake) where there is such a logit."""
    text = embedded(nets, batch)
    fake, generator = getattr(nets, f"generator{stage}")(*given(nets, stage, rules, text, key))
    told = text if rules.judged == "text" else jax.lax.stop_gradient(fake.mean)
    (logits,), own = getattr(nets, f"discriminator{stage}").output(fake.images, (told,))
    terms = [adversarial.non_saturating_generator(each) for each in known(logits, own)]
    fooled = sum(terms[1:], terms[0])
    divergence = jnp.mean(kl_standard_normal(fake.mean, 2 * fake.log_deviation)) / fake.mean.shape[-1]
    loss = fooled + rules.kl * divergence if rules.augmentation else fooled
    return loss, aux(generator, adversarial=fooled, divergence=divergence)


def embedding_loss(nets, state, batch, key, *, against: Literal["images", "captions"]) -> tuple[jax.Array, Aux]:
    """L = hinge(text, image) + hinge(image, text), or hinge of two captions of an image: see `ranking_loss`."""
    captions = batch["captions"]
    other = others(captions, batch.get("labels"))
    rows, text = nets.text(captions[:, : 1 if against == "images" else 2].reshape(-1, captions.shape[-1]))
    if against == "captions":
        first, second = rows[::2], rows[1::2]
        return ranking_loss(first, second, other), aux(text)
    (features,), vision = nets.vision(batch["images"], None, (rows.shape[-1],))
    return ranking_loss(rows, features, other) + ranking_loss(features, rows, other), aux(text, vision)


def embedding(
    modules: dict[str, nn.Module], tx: optax.GradientTransformation, *, image_shape: Sequence[int], words: int
) -> Game:
    """Return the game of the first phase: "text" alone learns from two captions of an image, or with "vision" from it.

    modules: "text", (int[batch, words], train) -> float[batch, size], and perhaps "vision", an encoder of images as in
    `genjax.nn.coders`.  words: of a caption.
    """
    owns = tuple(modules)
    loss = partial(embedding_loss, against="images" if "vision" in modules else "captions")
    networks = {"text": _text(modules["text"], words)}
    if "vision" in modules:
        size = jax.eval_shape(lambda key: modules["text"].init_with_output(key, _tokens(words))[0], jax.random.key(0))
        image, vision = jnp.zeros((1, *image_shape)), modules["vision"]
        networks["vision"] = lambda key: vision.init(key, image, None, (size.shape[-1],), True)
    return Game((Player("embedding", with_networks(loss, modules, owns), tx, owns),), networks)


def game(
    modules: dict[str, Any],
    *,
    generator_tx: optax.GradientTransformation,
    discriminator_tx: optax.GradientTransformation,
    words: int,
    rules: Rules = RULES,
) -> Game:
    """Return the game of a stage, of its discriminator and its generator, in turn; other networks are held.

    modules: "text", "generator1", and "discriminator1" for stage I, "generator2" and "discriminator2" for stage II.
    words: of a caption.
    """
    stage = 2 if "generator2" in modules else 1
    sides = (
        (f"discriminator{stage}", discriminator_loss, discriminator_tx),
        (f"generator{stage}", generator_loss, generator_tx),
    )
    players = tuple(
        Player(net, with_networks(partial(loss, stage=stage, rules=rules), modules, (net,)), tx, (net,))
        for net, loss, tx in sides
    )
    text = jax.eval_shape(lambda key: modules["text"].init_with_output(key, _tokens(words))[0], jax.random.key(0))
    zeros, sketcher = jnp.zeros(text.shape), modules["generator1"]
    sketch = jnp.zeros((1, sketcher.size, sketcher.size, sketcher.channels))
    inputs: dict[str, tuple] = {
        "generator1": (jnp.zeros((1, rules.latent)), zeros, None),
        "generator2": (sketch, zeros, None),
    }
    last = modules[f"generator{stage}"]
    told = zeros if rules.judged == "text" else jnp.zeros((1, last.condition))
    inputs[f"discriminator{stage}"] = (jnp.zeros((1, last.size, last.size, last.channels)), (told,))
    networks = {net: _starting(module, inputs[net]) for net, module in modules.items() if net != "text"}
    return Game(players, {"text": _text(modules["text"], words), **networks})


def draw(
    modules: dict[str, Any], rules: Rules, variables: dict[str, Any], captions: jax.Array, key: jax.Array
) -> list[jax.Array]:
    """Return what trained generators draw of captions, int[batch, count, words]: sketches, and large images after them.

    variables: by network, of "text" and of the generators that are there: none in the first phase.
    """
    rows = modules["text"].apply(variables["text"], captions.reshape(-1, captions.shape[-1]))
    text = rows.reshape(*captions.shape[:2], -1).mean(1)
    latent_key, *keys = jax.random.split(key, 3)
    source, images = jax.random.normal(latent_key, (len(text), rules.latent)), []
    for net, noise_key in zip(("generator1", "generator2"), keys, strict=True):
        if net in variables:
            noise = rules.noise(noise_key, len(text), modules[net].condition)
            source = modules[net].apply(variables[net], source, text, noise).images
            images.append(source)
    return images


def compare(modules: dict[str, Any], variables: dict[str, Any], images: jax.Array, captions: jax.Array) -> jax.Array:
    """Return the first phase's scores s_ij of images and sentences, int[count, words]: float[images, sentences]."""
    rows = modules["text"].apply(variables["text"], captions)
    (features,) = modules["vision"].apply(variables["vision"], images, None, (rows.shape[-1],), False)
    return features @ rows.T


def _tokens(words: int) -> jax.Array:
    return jnp.zeros((1, words), jnp.int32)


def _text(module: nn.Module, words: int) -> Callable[[jax.Array], Any]:
    return _starting(module, (_tokens(words),))


def _starting(module: nn.Module, inputs: tuple) -> Callable[[jax.Array], Any]:
    return lambda key: module.init(key, *inputs)
