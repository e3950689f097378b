"""`python -m genjax` is the console command: see `genjax.run.command`."""

from genjax.run.command import main

if __name__ == "__main__":
    raise SystemExit(main())
