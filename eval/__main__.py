"""`python -m eval` lists recipes and programs; `python -m eval NAME` runs one: see `genjax.run.command`."""

import sys

from genjax.run.command import main

if __name__ == "__main__":
    raise SystemExit(main(["eval", *sys.argv[1:]]))
