"""A run from its options to its folder and back: recipes, optimizers, command line, `fit`, `load`, export."""
