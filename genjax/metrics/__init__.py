"""Metrics, each with its sample count and protocol."""
