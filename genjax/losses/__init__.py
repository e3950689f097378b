"""Losses that two papers share; each returns what is minimised."""
