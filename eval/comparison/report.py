"""What a program found: tables and pictures, as text for the terminal and as one HTML page that needs no other file."""

import base64
import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genjax.files import atomic, write_text

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h1, h2 { line-height: 1.2 } h2 { margin-top: 3rem; border-bottom: 1px solid #ccc }
.wide { overflow-x: auto } table { border-collapse: collapse; margin: 1rem 0; font-size: 0.9rem }
caption { text-align: left; padding-bottom: 0.4rem; font-weight: 600 }
th, td { border-bottom: 1px solid #ddd; padding: 0.3rem 0.7rem; text-align: left; vertical-align: top }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
img { max-width: 100% } figure { margin: 1.5rem 0 } figcaption { font-size: 0.9rem; color: #555 }
.holds { background: #d9f2dd } .fails { background: #f8d9d6 } .within { background: #f5efcf }
"""
CLASSES = {"holds": "holds", "does not hold": "fails", "within spread": "within"}


class Table(NamedTuple):
    """A caption, a header and rows of text."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


Numbers = dict[str, dict[tuple[str, int], np.ndarray]]
"""`{quantity: {(variant of a model, size of the latent): float[seeds]}}`."""


class Section(NamedTuple):
    """What one program found. pictures: (file, caption)."""

    title: str
    text: str
    tables: Sequence[Table]
    pictures: Sequence[tuple[Path, str]]
    numbers: Numbers


def spread(values: Any, digits: int = 2) -> str:
    """Return "mean ± sample standard deviation" of the values of all seeds, or the value of one."""
    values = np.asarray(values, np.float64).ravel()
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{values.mean():.{digits}f} ± {values.std(ddof=1):.{digits}f}"


def as_text(section: Section) -> str:
    """Return the section's tables for a terminal; they are valid Markdown."""
    parts = [f"## {section.title}", section.text]
    for table in section.tables:
        widths = [max(map(len, column)) for column in zip(table.header, *table.rows, strict=True)]
        rows = [table.header, ["-" * width for width in widths], *table.rows]
        lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in rows]
        parts += [table.caption, "\n".join(lines)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _cell(text: str) -> str:
    if text in CLASSES:
        return f'<td class="{CLASSES[text]}">{text}</td>'
    number = text[:1].isdigit() or text[:2].strip("-−+.").isdigit()
    kind = ' class="number"' if number and len(text) < 24 else ""
    return f"<td{kind}>{html.escape(text)}</td>"


def _as_html(table: Table) -> str:
    head = "".join(f"<th>{html.escape(text)}</th>" for text in table.header)
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in table.rows)
    caption = html.escape(table.caption)
    return f'<div class="wide"><table><caption>{caption}</caption><tr>{head}</tr>\n{rows}</table></div>\n'


def _figure(path: Path, caption: str) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    kind, text = path.suffix[1:], html.escape(caption)
    return f'<figure><img alt="{text}" src="data:image/{kind};base64,{data}"><figcaption>{text}</figcaption></figure>\n'


def write_html(path: Path, title: str, introduction: str, sections: Sequence[Section]) -> None:
    """Write one page with all sections, their pictures inside it."""
    parts = [f"<h1>{html.escape(title)}</h1>", *(f"<p>{html.escape(line)}</p>" for line in introduction.split("\n"))]
    for section in sections:
        parts.append(f"<h2>{html.escape(section.title)}</h2>")
        parts += [f"<p>{html.escape(line)}</p>" for line in section.text.split("\n")]
        parts += [_as_html(table) for table in section.tables]
        parts += [_figure(*picture) for picture in section.pictures]
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    body = "\n".join(parts)
    write_text(path, f'<!doctype html><html lang="en"><head>{head}</head><body>\n{body}</body></html>\n')


def save_figure(path: Path, figure: Any) -> None:
    """Write a matplotlib figure as PNG, whole or not at all."""
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def save_numbers(path: Path, numbers: Numbers) -> None:
    """Write the numbers of all seeds as JSON: quantity, then "variant, latent Z"."""
    flat = {
        quantity: {f"{variant}, latent {latent}": np.asarray(v).tolist() for (variant, latent), v in entries.items()}
        for quantity, entries in numbers.items()
    }
    write_text(path, json.dumps(flat, indent=1) + "\n")


def show(section: Section) -> None:
    """Print what a program found, and where its pictures are."""
    print(as_text(section))
    for path, _ in section.pictures:
        print(path)
