"""Pictures: grids, curves, GIFs, scatter plots."""
