"""Generative adversarial networks: one flat file per paper."""
