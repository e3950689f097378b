"""Damage to files: what disks, networks and editors do to them."""

import random
import struct
from pathlib import Path

EXTREMES = (0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


def damaged(data: bytes, draw: random.Random, changes: int = 1) -> bytes:
    """Return `data` with so many changes: a bit, a byte, zeros, a part cut out, doubled, an end missing, a number."""
    content = bytearray(data)
    for _ in range(changes):
        place, length = draw.randrange(max(len(content), 1)), draw.choice((1, 8, 40, 64))
        match draw.randrange(8):
            case 0 if content:
                content[place] ^= 1 << draw.randrange(8)
            case 1:
                content[place : place + 1] = draw.randbytes(1)
            case 2:
                content[place : place + length] = bytes(len(content[place : place + length]))
            case 3:
                del content[place : place + length]
            case 4:
                content[place:place] = content[place : place + length]
            case 5:
                del content[place:]
            case _:  # in the first part, where sizes stand
                place = draw.randrange(64)
                content[place : place + 4] = struct.pack(draw.choice(("<I", ">I")), draw.choice(EXTREMES))
    return bytes(content)


def damage(path: Path, draw: random.Random, changes: int = 1) -> bool:
    """Damage a file in place; return whether it is another one now."""
    before = path.read_bytes()
    path.write_bytes(damaged(before, draw, changes))
    return path.read_bytes() != before
