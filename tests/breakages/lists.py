"""All breakages, by area."""

from tests.breakages import adversarial, autoencoders, data, engine, gans, infogan, layers, metrics, presets, saliency

AREAS = {
    "engine": engine.BREAKAGES,
    "autoencoders": autoencoders.BREAKAGES,
    "adversarial": adversarial.BREAKAGES,
    "gans": gans.BREAKAGES,
    "infogan": infogan.BREAKAGES,
    "layers": layers.BREAKAGES,
    "data": data.BREAKAGES,
    "metrics": metrics.BREAKAGES,
    "saliency": saliency.BREAKAGES,
    "presets": presets.BREAKAGES,
}
