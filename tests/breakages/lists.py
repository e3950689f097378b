"""All breakages, by area."""

from tests.breakages import adversarial, autoencoders, data, engine, gans, growing, layers, metrics, presets, saliency

AREAS = {
    "engine": engine.BREAKAGES,
    "autoencoders": autoencoders.BREAKAGES,
    "adversarial": adversarial.BREAKAGES,
    "gans": gans.BREAKAGES,
    "growing": growing.BREAKAGES,
    "layers": layers.BREAKAGES,
    "data": data.BREAKAGES,
    "metrics": metrics.BREAKAGES,
    "saliency": saliency.BREAKAGES,
    "presets": presets.BREAKAGES,
}
