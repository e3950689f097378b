"""All breakages, by area."""

from tests.breakages import autoencoders, data, engine, gans, layers, metrics, presets, saliency

AREAS = {
    "engine": engine.BREAKAGES,
    "autoencoders": autoencoders.BREAKAGES,
    "gans": gans.BREAKAGES,
    "layers": layers.BREAKAGES,
    "data": data.BREAKAGES,
    "metrics": metrics.BREAKAGES,
    "saliency": saliency.BREAKAGES,
    "presets": presets.BREAKAGES,
}
