"""The house's order, read from its files: packages, arrows between modules, private names, lengths of signatures."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

FOLDERS = ("genjax", "train", "eval", "benchmarks")
FILES = {
    path: ast.parse(path.read_text(encoding="utf-8"))
    for folder in FOLDERS
    for path in sorted((REPOSITORY / folder).rglob("*.py"))
}


def module_of(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def when_imported(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs when a module is imported: not the bodies of functions, nor what only type checkers read."""
    for node in ast.iter_child_nodes(tree):
        typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if not typing and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield node
            yield from when_imported(node)


def imports(path: Path, nodes) -> Iterator[tuple[str, str]]:
    """Yield (module, name or "") of every import."""
    package = module_of(path).split(".")
    package = package if path.name == "__init__.py" else package[:-1]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((module, alias.name) for alias in node.names)


def arrows(path: Path) -> set[str]:
    """Return the modules of the house that a module imports when it is imported itself."""
    found = set()
    for module, name in imports(path, when_imported(FILES[path])):
        whole = f"{module}.{name}"
        found |= {whole if whole in MODULES else module} & set(MODULES)
    return found


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return modules that import each other in turn, [] where there are none."""
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        found = next((c for c in (walk(other, [*way, name]) for other in sorted(graph[name])) if c), [])
        done.add(name)
        return found

    return next((c for c in (walk(name, []) for name in graph) if c), [])


def test_a_circle_is_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_modules_import_each_other_in_turn():
    graph = {module: arrows(path) - {module} for module, path in MODULES.items()}
    assert graph["genjax.run.load"] >= {"genjax.data", "genjax.engine.checkpoint", "genjax.run.run"}
    assert graph["eval.cluster"] >= {"eval.comparison.training"}
    assert circle(graph) == []


def test_the_library_imports_no_program():
    for module, path in MODULES.items():
        if module.startswith("genjax"):
            wrong = {name for name, _ in imports(path, ast.walk(FILES[path])) if name.split(".")[0] in FOLDERS[1:]}
            assert not wrong, module


def test_no_private_name_crosses_a_folder():
    wrong = []
    for path, tree in FILES.items():
        for module, name in imports(path, ast.walk(tree)):
            private = any(part.startswith("_") and not part.startswith("__") for part in [*module.split("."), name])
            target = MODULES.get(f"{module}.{name}") or MODULES.get(module)
            if private and target is not None and target.parent != path.parent:
                wrong.append(f"{module_of(path)}: {module}.{name}")
    assert wrong == []


@pytest.mark.parametrize("folder", ["gans", "tasks", "run"])
def test_functions_take_at_most_five_positional_parameters(folder):
    long = [
        f"{path.name}:{node.lineno} {node.name}"
        for path, tree in FILES.items()
        if path.parent == REPOSITORY / "genjax" / folder
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and len([a for a in (*node.args.posonlyargs, *node.args.args) if a.arg != "self"]) > 5
    ]
    assert long == []


def test_every_package_is_installed():
    setup = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    moved = {"train": "genjax.recipes", "eval": "genjax.programs"}

    def installed(folder: Path) -> str:
        first, *rest = folder.relative_to(REPOSITORY).parts
        return ".".join([moved.get(first, first), *rest])

    folders = {
        installed(path.parent): path.parent.relative_to(REPOSITORY).as_posix()
        for path in FILES
        if path.relative_to(REPOSITORY).parts[0] != "benchmarks"
    }
    assert sorted(setup["packages"]) == sorted(folders)
    places = {name: place for name, place in folders.items() if name.replace(".", "/") != place}
    assert setup["package-dir"] == places
