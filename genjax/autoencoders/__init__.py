"""Autoencoders: AE, VAE, CVAE and the semi-supervised M2, one file each."""
