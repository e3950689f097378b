"""What `mkdocs build` adds to the written pages: the README as start page, a page a model, and the API.

Pages of models are the docstrings of the model and of its recipe, read without importing them, so that nothing is
written twice. Links to files outside of docs/ become plain text: the site has no copy of them.
"""

import ast
import re
import sys
from pathlib import Path
from typing import Any

import griffe
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from eval._models import MODELS

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


def as_markdown(text: str, *, lists: bool = False) -> str:
    """Return a docstring as Markdown: indented lines, equations and examples as they are, sentences as sentences.

    lists: show lists of names and what they mean, such as presets, as tables.
    """
    parts: list[str] = []
    block: list[str] = []
    language = "text"
    for line in [*text.splitlines(), ""]:
        example = line.startswith(">>>") or (language == "pycon" and block and line.strip())
        if line.startswith("    ") or example:
            language = "pycon" if example else language
            block.append(line.removeprefix("    "))
            continue
        if block:
            table = as_table(block) if lists else ""
            parts += ["", table or "\n".join([f"```{language}", *block, "```"]), ""]
            block, language = [], "text"
        parts.append(escaped(line))
    return "\n".join(parts)


def as_table(block: list[str]) -> str:
    """Return lines "name   what it means", whose continuations are indented, as a table; "" for anything else."""
    rows: list[list[str]] = []
    for line in block:
        found = re.fullmatch(r"(\S+(?:, \S+)*)\s{2,}(\S.*)", line)
        if found:
            rows.append([found[1], found[2]])
        elif rows and line.startswith(" "):
            rows[-1][1] += f" {line.strip()}"
        else:
            return ""
    lines = [f"| `{name}` | {escaped(text)} |" for name, text in rows]
    return "\n".join(["| preset | what it is |", "|---|---|", *lines])


def escaped(line: str) -> str:
    """Return a line of plain text so that Markdown shows it as it is, but for what stands in backticks."""
    pieces = re.split(r"(`[^`]*`)", line)
    signs = {"<": "&lt;", ">": "&gt;", **{sign: f"\\{sign}" for sign in "*_[]|#"}}
    return "".join(p if p.startswith("`") else "".join(signs.get(sign, sign) for sign in p) for p in pieces)


def home(name: str) -> Path:
    """Return the file of a model."""
    return next(path for path in (ROOT / "genjax").glob(f"*/{name}.py") if path.parent.name in ("gans", "autoencoders"))


def model_page(name: str) -> str:
    """Return the page of a model."""
    model, path = MODELS[name], home(name)
    lines = [f"# {model.title}", "", f"Take it when {model.use}: `genjax train {name}`.", ""]
    for suffix, text in (("", "samples above real images"), ("-curves", "scores beside their floor, and losses")):
        picture = f"gallery/{name}{suffix}.png"
        if (ROOT / "docs" / picture).exists():
            lines += [f"![{model.title}: {text}](../{picture})", "", f"*{text}*", ""]
    lines += ["## The model", "", as_markdown(docstring(path)), ""]
    lines += ["## Presets", "", as_markdown(docstring(ROOT / "train" / f"{name}.py"), lists=True), ""]
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    lines += ["## Networks and losses", ""]
    for found in public(path):
        lines += [f"::: {module}.{found}", "    options:", "      heading_level: 3", ""]
    return "\n".join(lines)


def public(path: Path) -> list[str]:
    """Return the names of a file's public classes and functions, in their order."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return [x.name for x in body if isinstance(x, (ast.ClassDef, ast.FunctionDef)) and not x.name.startswith("_")]


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
        "`genjax.fit`, `genjax.load`, `genjax.save_weights` and `genjax.save_sampler` are among these.",
        "",
    ]
    return "\n".join([*lines, *(f"::: {entry}\n" for entry in ENTRIES)])


def start_page() -> str:
    """Return the README with its links as seen from docs/."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"\]\(docs/", "](", text)
    return re.sub(r"\]\(genjax/\w+/(\w+)\.py\)", r"](models/\1.md)", text)


class Docstrings(griffe.Extension):
    """Shows the docstrings of the reference as those of the models' pages."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of one function, class or module."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)


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
