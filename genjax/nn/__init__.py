"""Layers that two papers share."""
