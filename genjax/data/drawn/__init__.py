"""Data sets that need no download: embedded photographs and digits, and scenes, garments and points drawn by rule."""
