"""Drawing images from styles: truncation and noise when sampling, and which layers decide what."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from genjax.engine.state import State
from genjax.gans.stylegan import crossed, truncated
from genjax.metrics.appearance import appearance, inherited
from genjax.metrics.sliced import sliced_wasserstein
from genjax.tasks.generation import COMPARED, Generation

AT_ONCE = 50
"""Samples in one call of a synthesis network: hundreds of 1024 pixels at a time would outgrow any device."""
PAIRS = 300
"""Pairs of samples whose styles are mixed for a score."""


class Stylist(NamedTuple):
    """What draws with a state's generator, in which averaged parameters stand where there are some.

    styles: (state, latents float[count, size]) -> w for every layer, float[count, layers, style].
    average: state -> E w, float[style].  noise: (state, key, count) -> noise images, None of a generator without.
    draw: (state, styles, noise) -> images, in the range of the generator's pixels.
    cutoff: layers that truncation acts on, the first ones.
    """

    styles: Callable[[State, Any], jax.Array]
    average: Callable[[State], jax.Array]
    noise: Callable[[State, jax.Array, int], Any]
    draw: Callable[[State, Any, Any], jax.Array]
    cutoff: int


@dataclass(frozen=True, kw_only=True)
class Styles(Generation):
    """Draw images that look like those of a data set, by a generator with styles.

    Truncation is psi: w' = E w + psi (w - E w) in the first layers. Samples have noise of their own; what is drawn from
    given latents, by `generate`, `from_latents` and `draw`, has one noise for all, so that only the latents differ.
    """

    stylist: Stylist

    @property
    def conditions(self) -> Mapping[str, str]:
        """What `sample` can be told, with a clause on each."""
        return {
            "truncation": f"psi of the first {self.stylist.cutoff} layers' styles: 1 for none, 0 for the mean style"
        }

    def latents(self, key: jax.Array, count: int, truncation: float | None = None, scaled: bool = False) -> jax.Array:
        """Return latents float[count, size] of the prior; truncation acts on their styles instead, and is a factor."""
        return self.prior.draw(key, (count, self.latent))

    def styles(self, state: State, latents: Any, truncation: float | None = None) -> jax.Array:
        """Return the styles of latents, float[count, layers, style]; truncation: psi."""
        found = self.stylist.styles(state, latents)
        if truncation is None:
            return found
        return truncated(found, self.stylist.average(state), truncation, self.stylist.cutoff)

    def fixed_noise(self, state: State, seed: int = 0) -> Any:
        """Return one set of noise images for all samples; None of a generator without noise."""
        return self.stylist.noise(state, jax.random.key(seed), 1)

    def from_styles(self, state: State, styles: Any, noise: Any = None) -> np.ndarray:
        """Return images float32[count, height, width, channels] in the range of `pixels`; noise: for all."""
        parts = [styles[at : at + AT_ONCE] for at in range(0, len(styles), AT_ONCE)]
        return np.concatenate([np.asarray(self.stylist.draw(state, part, noise)) for part in parts])

    def generate(self, state: State, latents: Any, labels: Any = None) -> np.ndarray:
        """Return images float32[count, height, width, channels] in the range of `pixels`, with one noise for all."""
        return self.from_styles(state, self.styles(state, latents), self.fixed_noise(state))

    def sampled(
        self, state: State, key: jax.Array, count: int, *, labels: Any = None, truncation: float | None = None
    ) -> np.ndarray:
        """Return samples in the range of `pixels`, each with noise of its own."""
        styles, parts = self.styles(state, self.latents(key, count), truncation), []
        for number, at in enumerate(range(0, count, AT_ONCE)):
            part = styles[at : at + AT_ONCE]
            noise = self.stylist.noise(state, jax.random.fold_in(key, number), len(part))
            parts.append(np.asarray(self.stylist.draw(state, part, noise)))
        return np.concatenate(parts)

    def mixed(self, state: State, first: Any, second: Any, crossover: int) -> jax.Array:
        """Return styles that are the first's in the layers before `crossover`, and the second's from it on."""
        return crossed(jnp.asarray(first), jnp.asarray(second), crossover)

    def scores(self, state: State) -> dict[str, float]:
        """Return `Generation.scores`, and of pairs of samples how much the mixed one follows the coarse style's.

        "layout_follows", "colours_follow": see `inherited`, of place and extent and of colour and ground, where the
        layers of the last resolution take another style than all before; "mixing": their difference, up to 1.
        "mixing_cost": by how much samples whose last layer takes another style are farther from test images than
        others, in sliced Wasserstein distance.
        """
        styles = self.styles(state, self.latents(jax.random.key(2), PAIRS))
        follows = self.inheritance(state, styles, np.roll(styles, 1, 0), styles.shape[1] - 2)
        layout, colours = (np.mean([follows[name] for name in names]) for names in (LAYOUT, COLOURS))
        mixing: dict[str, Any] = {"layout_follows": layout, "colours_follow": colours, "mixing": layout - colours}
        mixing |= {"mixing_cost": self._mixing_cost(state)}
        return super().scores(state) | {name: float(value) for name, value in mixing.items()}

    def _mixing_cost(self, state: State) -> float:
        test, _ = self._spread(self.dataset.test, COMPARED)
        plain = self.styles(state, self.latents(jax.random.key(1), len(test)))
        mixed = self.mixed(state, plain, np.roll(plain, 1, 0), plain.shape[1] - 1)
        noise = self.fixed_noise(state)
        far, near = (sliced_wasserstein(self.from_styles(state, styles, noise), test) for styles in (mixed, plain))
        return float(far - near)

    def inheritance(self, state: State, coarse: Any, fine: Any, crossover: int) -> dict[str, float]:
        """Return for each attribute of `Appearance` how much mixed images follow the coarse style: see `inherited`."""
        noise = self.fixed_noise(state)
        sets = (coarse, fine, self.mixed(state, coarse, fine, crossover))
        a, b, m = (appearance(self._unit(self.from_styles(state, styles, noise))) for styles in sets)
        return {name: inherited(getattr(m, name), getattr(a, name), getattr(b, name)) for name in LAYOUT + COLOURS}

    def _unit(self, images: np.ndarray) -> np.ndarray:
        return self.pixels.to_bytes(images) / 255.0


LAYOUT, COLOURS = ("place", "extent"), ("colour", "ground")


def styled(stylist: Stylist, **fields: Any) -> Styles:
    """Return the task of a generator with styles; fields: those of `Generation` but for `draw`."""

    def draw(state: State, latents: Any, labels: Any = None) -> jax.Array:
        return stylist.draw(state, stylist.styles(state, latents), stylist.noise(state, jax.random.key(0), 1))

    return Styles(**fields, draw=draw, stylist=stylist)
