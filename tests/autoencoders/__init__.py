"""Tests of the autoencoders."""
