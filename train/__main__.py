"""`python -m train` lists recipes and programs; `python -m train NAME` runs one: see `genjax.run.command`."""

import sys

from genjax.run.command import main

if __name__ == "__main__":
    raise SystemExit(main(["train", *sys.argv[1:]]))
