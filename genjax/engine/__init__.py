"""The training engine: games of players, one compiled step, one loop."""
