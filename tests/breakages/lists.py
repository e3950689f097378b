"""All breakages, by area."""

from tests.breakages import adversarial, autoencoders, data, engine, gans, hologan, layers, metrics, presets, saliency

AREAS = {
    "engine": engine.BREAKAGES,
    "autoencoders": autoencoders.BREAKAGES,
    "adversarial": adversarial.BREAKAGES,
    "gans": gans.BREAKAGES,
    "hologan": hologan.BREAKAGES,
    "layers": layers.BREAKAGES,
    "data": data.BREAKAGES,
    "metrics": metrics.BREAKAGES,
    "saliency": saliency.BREAKAGES,
    "presets": presets.BREAKAGES,
}
