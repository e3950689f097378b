"""What `mkdocs build` adds to the written pages: the README as start page, a page a model, and the API.

Pages of models are the docstrings of the model and of its recipe, read without importing them, so that nothing is
written twice. Links to files outside of docs/ become plain text: the site has no copy of them.
"""

import ast
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from eval._models import MODELS  # noqa: E402 (found through the line above)

ENTRIES = (
    "genjax.run.fit.fit", "genjax.run.load", "genjax.run.export", "genjax.engine.game", "genjax.engine.step",
    "genjax.engine.phases", "genjax.engine.network", "genjax.data", "genjax.data.dataset", "genjax.data.ranges",
    "genjax.saliency.explanation", "genjax.saliency.split", "genjax.saliency.gradcam_pp", "genjax.saliency.gradcam",
    "genjax.saliency.scores", "genjax.saliency.faithfulness", "genjax.losses.adversarial", "genjax.losses.penalties",
    "genjax.losses.reconstruction", "genjax.losses.divergence", "genjax.losses.perceptual", "genjax.metrics.frechet",
    "genjax.metrics.kernel", "genjax.metrics.precision_recall", "genjax.metrics.sliced", "genjax.metrics.modes",
    "genjax.optim", "genjax.precision", "genjax.parallel", "genjax.latent",
)  # fmt: skip
"""Modules, and one function, that people call."""


def docstring(path: Path) -> str:
    """Return the docstring of a Python file, without importing it."""
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def as_markdown(text: str) -> str:
    """Return a docstring as Markdown: indented lines, equations and tables, as they are, and sentences as sentences."""
    parts: list[str] = []
    block: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("    "):
            block.append(line[4:])
            continue
        if block:
            parts.append("\n```text\n" + "\n".join(block) + "\n```\n")
            block = []
        parts.append(escaped(line))
    return "\n".join(parts)


def escaped(line: str) -> str:
    """Return a line of plain text so that Markdown shows it as it is, but for what stands in backticks."""
    pieces = re.split(r"(`[^`]*`)", line)
    return "".join(piece if piece.startswith("`") else re.sub(r"([*_<>\[\]|#])", r"\\\1", piece) for piece in pieces)


def home(name: str) -> Path:
    """Return the file of a model."""
    return next(path for path in (ROOT / "genjax").glob(f"*/{name}.py") if path.parent.name in ("gans", "autoencoders"))


def model_page(name: str) -> str:
    """Return the page of a model."""
    model, path = MODELS[name], home(name)
    lines = [
        f"# {model.title}",
        "",
        f"Take it when {model.use}: `python -m train.{name}`, or `genjax train {name}`.",
        "",
    ]
    for suffix, text in (("", "samples above real images"), ("-curves", "scores beside their floor, and losses")):
        picture = f"gallery/{name}{suffix}.png"
        if (ROOT / "docs" / picture).exists():
            lines += [f"![{model.title}: {text}](../{picture})", "", f"*{text}*", ""]
    lines += ["## The model", "", as_markdown(docstring(path)), ""]
    lines += ["## Presets", "", as_markdown(docstring(ROOT / "train" / f"{name}.py")), ""]
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    lines += ["## Networks and losses", "", f"::: {module}", "    options:", "      show_root_heading: false"]
    lines += [
        "      show_root_toc_entry: false",
        "      heading_level: 3",
        "      show_docstring_description: true",
        "",
    ]
    return "\n".join(lines)


def models_index() -> str:
    """Return the list of models, in groups."""
    lines = ["# Models", ""]
    for kind in dict.fromkeys(model.kind for model in MODELS.values()):
        lines += [f"## {kind}", "", "| | model | use it when |", "|---|---|---|"]
        for name, model in MODELS.items():
            if model.kind == kind:
                picture = f"gallery/{name}-thumb.png"
                shown = f"![](../{picture})" if (ROOT / "docs" / picture).exists() else ""
                lines.append(f"| {shown} | [{model.title}]({name}.md) | {model.use} |")
        lines.append("")
    return "\n".join(lines)


def api_page() -> str:
    """Return the reference of what people call."""
    lines = [
        "# API",
        "",
        "Also `genjax.fit`, `genjax.load`, `genjax.save_weights`, `genjax.save_sampler`: the same.",
        "",
    ]
    return "\n".join([*lines, *(f"::: {entry}\n" for entry in ENTRIES)])


def start_page() -> str:
    """Return the README with its links as seen from docs/."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"\]\(docs/", "](", text)
    return re.sub(r"\]\(genjax/\w+/(\w+)\.py\)", r"](models/\1.md)", text)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are written here."""
    pages = {"index.md": start_page(), "models/index.md": models_index(), "api.md": api_page()}
    pages |= {f"models/{name}.md": model_page(name) for name in MODELS}
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Return a page with links to files outside of docs/ as plain text."""

    def link(found: re.Match[str]) -> str:
        outside = found[2].startswith("../") and page.file.src_uri.count("/") == 0
        known = outside or re.fullmatch(r"(benchmarks/README\.md|CITATION\.cff|LICENSE)(#.*)?", found[2])
        return found[1] if known else found[0]

    return re.sub(r"(?<!!)\[((?:[^\]\\]|\\.)*)\]\(([^)\s]+)\)", link, markdown)
