"""A page of runs: what is on it, what is left out, and the copied gallery of models."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from eval import _page, gallery
from genjax.engine.log import metrics_writer
from genjax.run.folder import write_config
from genjax.run.run import recipe


@pytest.fixture
def runs(tmp_path):
    """Return a folder with a run of CGAN, a control of it, and a damaged one."""
    for name, changed in (("cgan-digits", {}), ("cgan-<noise>", {"label_noise": 1.0})):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        hyper = json.loads(json.dumps(vars(recipe("cgan").presets["small"]) | changed, default=str))
        config = {"recipe": "cgan", "preset": "small", "hyper": hyper, "data": {}}
        command = "train cgan --out '/my runs/a' --steps 20 --devices 1"
        config |= {"environment": {"device": "one", "date": "then"}, "starts": [{"command": command}]}
        write_config(folder, config)
        with metrics_writer(folder) as (write, _):
            write(10, {"seconds": 1.0, "generator/loss": 2.0})
            write(20, {"test/label_kept": 0.5, "test/sliced_wasserstein": float("nan")})
        for step in (10, 20):
            noise = np.random.default_rng(step).integers(0, 256, (30, 900, 3), np.uint8)
            Image.fromarray(noise).save(folder / f"samples-{step:06d}.png")
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "config.json").write_text("{")
    (tmp_path / "runs" / "broken" / "metrics.jsonl").write_text("")
    return tmp_path / "runs"


def test_the_page_of_runs_lists_draws_and_links_them(runs, capsys):
    assert gallery.main([str(runs)]) == 0
    assert "left out: " in capsys.readouterr().err
    text = (runs / "index.html").read_text()
    (found,) = re.findall(r'id="runs">(.*?)</script>', text, re.DOTALL)
    curves = {run["title"]: run["curves"] for run in json.loads(found)}
    assert curves["cgan-digits"] == {"generator/loss": [[10, 2.0]], "label_kept": [[20, 0.5]]}
    links = re.findall(r'<img [^>]*src="([^"]+)"', text)
    assert "cgan-digits/samples-000020.png" in links and not any("000010" in link for link in links)
    assert "label_noise 1.0" in text and "cgan-&lt;noise&gt;" in text and "cgan-<noise>" not in text.split("<script")[0]
    assert not re.findall(r"(?:src|href)=.https?:", text), "nothing comes from elsewhere"
    assert "<code>genjax train cgan --steps 20</code>" in text, "where it ran is left out"


def test_small_things_keep_their_colour(tmp_path):
    draw = np.random.default_rng(0)
    pixels = draw.integers(150, 256, (200, 300, 3), np.uint8)
    pixels[90:96, 100:106] = 250, 220, 0
    gallery.save_small(tmp_path / "a.png", Image.fromarray(pixels))
    with Image.open(tmp_path / "a.png") as picture:
        found = np.asarray(picture.convert("RGB"))[90:96, 100:106]
    assert np.abs(found.astype(int) - (250, 220, 0)).max() < 30


def test_a_gallery_of_models_has_small_pictures_and_controls(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert gallery.main([str(runs), "--out", "gallery"]) == 0
    made = {path.name for path in (tmp_path / "gallery").iterdir()}
    assert made == {"index.html", "cgan.png", "cgan-curves.png", "cgan-thumb.png", "cgan-control-1.png"}
    for name, size in (("cgan", (gallery.WIDTH, 17)), ("cgan-thumb", (gallery.THUMB, gallery.THUMB))):
        with Image.open(tmp_path / "gallery" / f"{name}.png") as picture:
            assert picture.size == size
    text = (tmp_path / "gallery" / "index.html").read_text()
    assert "control: label_noise 1.0" in text and "<script" not in text


def test_without_runs_it_says_what_to_do(tmp_path, capsys):
    assert gallery.main([str(tmp_path)]) == 2
    assert "there is no run below" in capsys.readouterr().err
    assert gallery.main([str(tmp_path / "none")]) == 2
    assert "there is no folder" in capsys.readouterr().err


CLICKS = """
<script>
const titles = () => [...document.querySelectorAll('tbody tr')].map(row => row.children[1].textContent).join(' ');
const said = [];
for (const head of ['step', 'step', 'date', 'run']) {
  [...document.querySelectorAll('th button')].find(button => button.textContent === head).click();
  said.push(titles());
}
const lines = () => [...chart.querySelectorAll('polyline')].map(line => line.getAttribute('stroke'));
said.push(lines().length, lines()[1], chart.getAttribute('viewBox'));
boxes[0].click();
said.push(lines().length, lines()[0]);
choice.value = 'only';
choice.onchange();
said.push(lines().length, chart.textContent.includes('No run'));
document.body.innerHTML = '<pre></pre>';
document.querySelector('pre').textContent = said.join('|');
</script>
"""


@pytest.mark.slow
def test_in_a_browser_headings_sort_and_boxes_draw(tmp_path):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium is installed")
    steps = {"b": "2,000", "c": "900 (the preset makes 2,000)", "a": "", "d": "10,000"}
    dates = {"a": "2026-11-27", "b": "2026-02-01", "c": "2025-12-31", "d": ""}
    entries = [
        _page.Entry(title, "g", "", "", {"step": step, "date": dates[title]}, {}, (), {"score": [(1, 0.5), (2, 1.0)]})
        for title, step in steps.items()
    ]
    entries[0].curves["only"] = [(1, 1.0)]
    entries += [entries[0]._replace(title="<!--<script>", curves={"score": [(1, 1.0)]}) for _ in range(20)]
    html = _page.page("Runs", "", entries, compare=True).replace("</body>", f"{CLICKS}</body>")
    (tmp_path / "index.html").write_text(html, encoding="utf-8")
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", str(tmp_path / "index.html")],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    (text,) = re.findall("<pre>(.+)</pre>", done.stdout)
    up, down, by_date, by_title, count, second, box, left, still, none, told = text.split("|")
    order = [[word for word in part.split() if len(word) == 1] for part in (up, down, by_date, by_title)]
    assert order == [[*"cbda"], [*"dbca"], [*"cbad"], [*"abcd"]]
    assert (count, left, none, told) == ("24", "23", "0", "true")
    assert still == second  # a run keeps its colour when another one is left out
    assert box == f"0 0 1000 {40 + 16 * 24}"
