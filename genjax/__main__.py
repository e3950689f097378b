"""`python -m genjax` is the console command: see `genjax.run.command`."""

import sys

if __name__ == "__main__":
    try:
        from genjax.run.command import main
    except KeyboardInterrupt:  # imports take a moment
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    raise SystemExit(main())
