"""Readers of what users bring: archives, idx files, folders of images, prepared tensorflow-datasets sets."""
