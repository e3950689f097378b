"""Breakages: mistakes that somebody could make, each with the test that must notice. See `__main__`."""
