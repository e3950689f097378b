"""Reference numbers that ship with the tests, `NAME.npz`; `make.py` names their source."""

import pathlib

FOLDER = pathlib.Path(__file__).resolve().parent
