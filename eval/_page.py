"""One HTML page of runs: pictures, a table that sorts, curves over each other. Nothing is loaded from elsewhere."""

import html
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from genjax.viz.palette import LINES


class Picture(NamedTuple):
    """file: relative to the page.  text: what it shows."""

    file: str
    text: str


class Entry(NamedTuple):
    """One run on the page: title, group, a line, command, facts and scores by name, pictures, and curves of scores."""

    title: str
    group: str
    line: str
    command: str
    facts: Mapping[str, str]
    scores: Mapping[str, float]
    pictures: Sequence[Picture]
    curves: Mapping[str, Sequence[tuple[int, float]]]


STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;padding:1rem;max-width:1400px}
h1{margin:.2em 0}h2{margin:2rem 0 .6rem;border-bottom:1px solid var(--line)}h3{margin:0;font-size:1.1rem}
p{margin:.4rem 0}code{background:var(--soft);padding:.1em .35em;border-radius:4px;overflow-wrap:anywhere}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,420px),1fr));gap:1rem;align-items:start}
.card{border:1px solid var(--line);border-radius:8px;padding:.9rem;min-width:0}
.card figure{margin:.6rem 0}.card img{max-width:100%;height:auto;border-radius:4px;background:#fff}
figcaption{font-size:.85rem;opacity:.8}details{margin-top:.5rem}summary{cursor:pointer}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);white-space:nowrap}
th button{font:inherit;font-weight:600;background:none;border:0;padding:0;cursor:pointer;color:inherit}
svg{width:100%;min-width:700px;height:auto;background:var(--soft);border-radius:8px}
svg text{fill:currentColor;font-size:11px}
"""

SCRIPT = """
const json = name => JSON.parse(document.getElementById(name).textContent);
const runs = json('runs'), colours = json('colours');
const choice = document.getElementById('score'), chart = document.getElementById('chart');
const boxes = [...document.querySelectorAll('input[data-run]')], body = document.querySelector('tbody');
const names = [...new Set(runs.flatMap(run => Object.keys(run.curves)))];
const losses = names.filter(name => name.endsWith('/loss'));
for (const name of [...names.filter(name => !losses.includes(name)), ...losses]) choice.add(new Option(name));
const text = (x, y, what, more = '') => `<text x="${x}" y="${y}" ${more}>${String(what).replace(/[<&]/g, '')}</text>`;

function draw() {
  const chosen = boxes.filter(box => box.checked).map(box => runs[+box.dataset.run]);
  const on = chosen.filter(run => run.curves[choice.value]);
  const all = on.flatMap(run => run.curves[choice.value]);
  chart.setAttribute('viewBox', `0 0 1000 ${Math.max(295, 40 + 16 * on.length)}`);
  if (!all.length) { chart.innerHTML = text(20, 30, 'No run with this score is chosen.'); return; }
  const steps = all.map(point => point[0]), values = all.map(point => point[1]);
  const left = Math.min(...steps), right = Math.max(...steps), low = Math.min(...values), high = Math.max(...values);
  const x = step => 60 + (step - left) / (right - left || 1) * 700;
  const y = value => 250 - (value - low) / (high - low || 1) * 220;
  let out = text(410, 285, 'training step', 'text-anchor="middle"');
  for (const part of [0, 0.5, 1]) {
    const value = low + part * (high - low), step = left + part * (right - left);
    out += `<line x1="60" x2="760" y1="${y(value)}" y2="${y(value)}" stroke="#8884"/>`;
    out += text(55, y(value) + 4, value.toPrecision(3), 'text-anchor="end"');
    out += text(x(step), 268, Math.round(step), 'text-anchor="middle"');
  }
  on.forEach((run, number) => {
    const points = run.curves[choice.value], colour = colours[runs.indexOf(run) % colours.length];
    const places = points.map(point => `${x(point[0])},${y(point[1])}`);
    out += `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${places.join(' ')}"/>`;
    for (const point of points) out += `<circle r="2.5" fill="${colour}" cx="${x(point[0])}" cy="${y(point[1])}"/>`;
    out += text(770, 40 + 16 * number, run.title, `style="fill:${colour}"`);
  });
  chart.innerHTML = out;
}

function sorter(column) {
  let up = 1;
  // Numbers as they are written ("1,400 (the preset makes 2,000)") come first, then words and dates, then nothing.
  const key = row => {
    const said = row.children[column + 1].textContent, first = said.split(' ')[0].replaceAll(',', '');
    const number = first === '' ? NaN : Number(first);
    return isNaN(number) ? [said === '' ? 2 : 1, said] : [0, number];
  };
  const less = (a, b) => a[0] !== b[0] ? a[0] < b[0] : a[1] < b[1];
  return () => {
    const order = (p, q) => {
      const a = key(p), b = key(q), missing = (a[0] === 2) - (b[0] === 2);
      return missing || (less(a, b) ? -1 : less(b, a) ? 1 : 0) * up;
    };
    [...body.rows].sort(order).forEach(row => body.append(row));
    up = -up;
  };
}

choice.onchange = draw;
for (const box of boxes) box.onchange = draw;
document.querySelectorAll('th button').forEach((button, column) => { button.onclick = sorter(column); });
draw();
"""


def card(entry: Entry) -> str:
    """Return one run as a card."""
    figures = "".join(
        f'<figure><a href="{html.escape(p.file)}"><img loading="lazy" src="{html.escape(p.file)}" '
        f'alt="{html.escape(f"{entry.title}: {p.text}")}"></a><figcaption>{html.escape(p.text)}</figcaption></figure>'
        for p in entry.pictures
    )
    facts = "".join(f"<tr><td>{html.escape(k)}</td><td>{html.escape(v)}</td></tr>" for k, v in entry.facts.items())
    scores = "".join(f"<tr><td>{html.escape(k)}</td><td>{v:.4g}</td></tr>" for k, v in entry.scores.items())
    return (
        f'<article class="card" id="{html.escape(entry.title)}"><h3>{html.escape(entry.title)}</h3>'
        f"<p>{html.escape(entry.line)}</p><p><code>{html.escape(entry.command)}</code></p>{figures}"
        f'<details><summary>what was run</summary><div class="wide"><table>{facts}{scores}</table></div></details>'
        "</article>"
    )


def table(entries: Sequence[Entry]) -> str:
    """Return the table that sorts, with a box in each row that puts the run's curve into the chart."""
    columns = list(dict.fromkeys(name for entry in entries for name in entry.facts))
    heads = "".join(f"<th><button>{html.escape(name)}</button></th>" for name in ("run", *columns))
    rows = "".join(
        f'<tr><td><input type="checkbox" checked data-run="{number}" aria-label="draw"></td>'
        f"<td>{html.escape(entry.title)}</td>"
        + "".join(f"<td>{html.escape(entry.facts.get(name, ''))}</td>" for name in columns)
        + "</tr>"
        for number, entry in enumerate(entries)
    )
    return (
        f'<p><label>Score <select id="score"></select></label></p>'
        '<div class="wide"><svg id="chart" viewBox="0 0 1000 295"></svg></div>'
        f'<div class="wide"><table><thead><tr><th></th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def page(title: str, introduction: str, entries: Sequence[Entry], *, compare: bool) -> str:
    """Return the page as HTML.

    introduction: HTML below the heading.  compare: with table and chart, for runs that are to be told apart.
    """
    groups = "".join(
        f'<h2>{html.escape(group)}</h2><div class="cards">{"".join(card(e) for e in entries if e.group == group)}</div>'
        for group in dict.fromkeys(entry.group for entry in entries)
    )
    script = ""
    if compare:
        data = json.dumps([{"title": e.title, "curves": e.curves} for e in entries]).replace("<", "\\u003c")
        script = (
            f'<script type="application/json" id="runs">{data}</script>'
            f'<script type="application/json" id="colours">{json.dumps(LINES)}</script><script>{SCRIPT}</script>'
        )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body><h1>{html.escape(title)}</h1>"
        f"{introduction}{table(entries) if compare else ''}{groups}{script}</body></html>\n"
    )
