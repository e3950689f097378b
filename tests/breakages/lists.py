"""All breakages, by area."""

from tests.breakages import (
    adversarial,
    autoencoders,
    biggan,
    data,
    density,
    engine,
    enlarging,
    gans,
    hologan,
    infogan,
    layers,
    metrics,
    pairs,
    presets,
    sagan,
    saliency,
)

AREAS = {
    "engine": engine.BREAKAGES,
    "autoencoders": autoencoders.BREAKAGES,
    "adversarial": adversarial.BREAKAGES,
    "gans": gans.BREAKAGES,
    "pairs": pairs.BREAKAGES,
    "enlarging": enlarging.BREAKAGES,
    "sagan": sagan.BREAKAGES,
    "biggan": biggan.BREAKAGES,
    "density": density.BREAKAGES,
    "infogan": infogan.BREAKAGES,
    "hologan": hologan.BREAKAGES,
    "layers": layers.BREAKAGES,
    "data": data.BREAKAGES,
    "metrics": metrics.BREAKAGES,
    "saliency": saliency.BREAKAGES,
    "presets": presets.BREAKAGES,
}
