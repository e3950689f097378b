"""Classic deep image generators in JAX: small functional Flax files, compiled training, exact saliency maps.

import genjax

result = genjax.fit(game, images, pixels=genjax.TANH, steps=1000, batch_size=64)     # train from Python
model = genjax.load("runs/dcgan-digits")                                             # load what a recipe trained
images = model.sample(16, seed=0)                                                    # uint8[16, 32, 32, 1]
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genjax.data.ranges import TANH, UNIT
    from genjax.run.export import save_sampler, save_weights
    from genjax.run.fit import fit
    from genjax.run.load import load

__version__ = "0.1.0"
__all__ = ["TANH", "UNIT", "fit", "load", "save_sampler", "save_weights"]

# Imported when first used: `import genjax` alone costs nothing.
_HOMES = {
    "TANH": "genjax.data.ranges",
    "UNIT": "genjax.data.ranges",
    "fit": "genjax.run.fit",
    "load": "genjax.run.load",
    "save_sampler": "genjax.run.export",
    "save_weights": "genjax.run.export",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'genjax' has no attribute '{name}'")
