"""Classic deep image generators in JAX: small functional Flax files, compiled training, exact saliency maps."""

__version__ = "0.1.0"
