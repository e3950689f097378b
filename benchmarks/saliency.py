"""What do exact second and third derivatives cost, against the powers of the gradient that stand in for them elsewhere?

    python -m benchmarks.saliency [--weights squeezenet.npz] [--repeats 5]

For each head: time and compiled temporary memory of Grad-CAM++ as a whole (features, derivatives, map) and of the
derivatives alone, by the exp-trick and exactly; the largest error of the three derivatives against float64; and how the
exact derivatives' time grows with activations, classes and batch. Programs run in turns, so ratios are taken round by
round. Writes a table, a plot and JSON to benchmarks/results.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import _result
from benchmarks._heads import CASES, SMALL, TARGETS, Case, inputs, pooled_head, variables_of
from genjax import files
from genjax.classifiers import convnext
from genjax.cpu import compiler_options
from genjax.saliency import (
    EXP,
    SOFTMAX,
    Score,
    Split,
    auto,
    diagonal_derivatives,
    exp_trick,
    explain,
    forward_mode,
    grad_cam_pp,
    hoisted,
    split,
)

COLUMNS = (
    "head", "activations x batch", "score", "method", "route", "whole, ms", "whole / exp-trick", "target",
    "derivatives, ms", "derivatives / exp-trick", "us per activation", "memory, MiB: whole",
    "memory, MiB: derivatives", "error of d1, d2, d3",
)  # fmt: skip


class Program(NamedTuple):
    """run: () -> result, compiled.  calls: to fill 0.05 s.  temporary: its compiled temporary memory in MiB."""

    run: Callable[[], Any]
    calls: int
    temporary: float

    def repeat(self) -> None:
        """Run `calls` times: a single call of a small program would time the machine's scheduler."""
        for _ in range(self.calls):
            self.run()


def program(function: Callable, *arguments: Any, long: bool = False) -> Program:
    """Compile `function` for these arguments, and run it once, unless it runs for long."""
    pure, arrays = hoisted(function, *arguments)
    options = compiler_options(jax.default_backend())
    compiled = jax.jit(pure, compiler_options=options).lower(arrays, *arguments).compile()
    analysis = compiled.memory_analysis()
    assert analysis is not None

    def run():
        return jax.block_until_ready(compiled(arrays, *arguments))

    if long:
        return Program(run, 1, analysis.temp_size_in_bytes / 2**20)
    run()
    start = time.perf_counter()
    run()
    calls = max(1, round(0.05 / (time.perf_counter() - start)))
    return Program(run, calls, analysis.temp_size_in_bytes / 2**20)


def in_turns(programs: dict[str, Program], repeats: int) -> dict[str, list[float]]:
    """Return seconds per call of each program, in rounds."""
    seconds = _result.in_turns({name: p.repeat for name, p in programs.items()}, repeats)
    return {name: [value / programs[name].calls for value in values] for name, values in seconds.items()}


def derivatives(layer: Split, score: Score, method: Callable, images: jax.Array, activations: jax.Array, classes: Any):
    """Return the derivatives of a batch at given activations."""

    def one(image, a, class_index):
        return diagonal_derivatives(lambda x: layer.head(x, image), a, score, class_index, method=method)

    return jax.vmap(one)(images, activations, classes)


def errors(
    case: Case, variables: Any, found: dict[str, Any], score: Score, arguments: tuple, reference: Callable
) -> dict[str, str]:
    """Return, for each method, the largest error of each order over its largest value, against float64."""

    def wide(tree):
        return jax.tree.map(lambda x: np.asarray(x, np.float64 if x.dtype == np.float32 else x.dtype), tree)

    with jax.enable_x64(True):
        image, activations, classes = (v[:1] for v in wide(arguments))
        layer = split(case.network, wide(variables), case.layer, image[0], train=False)
        exact = jax.jit(partial(derivatives, layer, score, reference))(image, activations, classes)
        exact = [np.asarray(v) for v in exact[:3]]
    result = {}
    for name, values in found.items():
        pairs = zip((np.asarray(v[:1], np.float64) for v in values[:3]), exact, strict=True)
        result[name] = ", ".join(f"{np.abs(a - b).max() / max(np.abs(b).max(), 1e-300):.0e}" for a, b in pairs)
    return result


def measure(case: Case, path: Path | None, repeats: int) -> list[dict[str, str]]:
    """Return the table's rows of one case."""
    images, variables = inputs(case), variables_of(case, path)
    layer = split(case.network, variables, case.layer, images[0], train=False)
    activations = jax.jit(jax.vmap(layer.features))(images)
    classes = jnp.argmax(jax.jit(partial(case.network.apply, train=False))(variables, images), -1).astype(jnp.int32)
    rows = []
    for score_name, score in (("exp", EXP), ("softmax", SOFTMAX)):
        methods = {"exp-trick": exp_trick, "exact (auto)": auto}
        route = jax.eval_shape(partial(derivatives, layer, score, auto), images, activations, classes).route.name
        few = activations[0].size <= SMALL and score_name == "exp"  # a slow reference, once
        if few and route != "forward mode":
            methods["exact (forward mode)"] = forward_mode
        whole, alone, found = {}, {}, {}
        for name, method in methods.items():
            explained = partial(explain, partial(grad_cam_pp, score=score, method=method), layer)
            whole[name] = program(explained, images, classes)
            alone[name] = program(partial(derivatives, layer, score, method), images, activations, classes)
            found[name] = alone[name].run()
        # The whole and the part with it in one round: both are ratios to the exp-trick of the same round.
        tasks = {f"whole {n}": p for n, p in whole.items()} | {f"alone {n}": p for n, p in alone.items()}
        seconds = in_turns(tasks, repeats)
        wrong = errors(
            case,
            variables,
            found,
            score,
            (images, activations, classes),
            forward_mode if activations[0].size <= SMALL else auto,
        )
        for name in methods:
            times = {part: seconds[f"{part} {name}"] for part in ("whole", "alone")}
            ratios = {
                part: [a / b for a, b in zip(times[part], seconds[f"{part} exp-trick"], strict=True)] for part in times
            }
            target = TARGETS.get(case.name, {}).get(score_name) if name == "exact (auto)" else None
            median = statistics.median(ratios["whole"])
            rows.append(
                {
                    "head": case.name,
                    "activations x batch": f"{activations[0].size} x {case.batch}",
                    "score": score_name,
                    "method": name,
                    "route": found[name].route.name,
                    "whole, ms": f"{1e3 * statistics.median(times['whole']):.3g}",
                    "whole / exp-trick": _result.spread(ratios["whole"]),
                    "target": "" if target is None else f"{target:g}: {'met' if median <= target else 'missed'}",
                    "derivatives, ms": f"{1e3 * statistics.median(times['alone']):.3g}",
                    "derivatives / exp-trick": _result.spread(ratios["alone"]),
                    "us per activation": f"{1e6 * statistics.median(times['alone']) / activations.size:.2g}",
                    "memory, MiB: whole": f"{whole[name].temporary:.1f}",
                    "memory, MiB: derivatives": f"{alone[name].temporary:.1f}",
                    "error of d1, d2, d3": wrong[name],
                }
            )
            print(f"{case.name}, {score_name}, {name}: {rows[-1]['whole / exp-trick']}", flush=True)
    return rows


def measure_long(case: Case) -> list[dict[str, str]]:
    """Return the rows of a long case: each once, and no errors, since convolutions in float64 would take an hour."""
    images = inputs(case)
    variables = jax.jit(case.network.init)(jax.random.key(0), images)
    layer = split(case.network, variables, case.layer, images[0], train=False)
    classes = jnp.argmax(jax.jit(partial(case.network.apply, train=False))(variables, images), -1).astype(jnp.int32)
    size, rows = jax.eval_shape(layer.features, images[0]).size, []
    for score_name, score in (("exp", EXP), ("softmax", SOFTMAX)):
        trick, exact = (partial(explain, partial(grad_cam_pp, score=score, method=m), layer) for m in (exp_trick, auto))
        programs = {
            "exp-trick": program(trick, images, classes),
            "exact (auto)": program(exact, images, classes, long=True),
        }
        seconds = {name: values[0] for name, values in in_turns(programs, 1).items()}
        for name, function in (("exp-trick", trick), ("exact (auto)", exact)):
            ratio = seconds[name] / seconds["exp-trick"]
            row = {
                "head": case.name,
                "activations x batch": f"{size} x 1",
                "score": score_name,
                "method": name,
                "route": jax.eval_shape(function, images, classes).route.name,
                "whole, ms": f"{1e3 * seconds[name]:.3g}",
                "whole / exp-trick": f"{ratio:.3g} (once)",
                "memory, MiB: whole": f"{programs[name].temporary:.1f}",
            }
            rows.append({column: row.get(column, "") for column in COLUMNS})
            print(f"{case.name}, {score_name}, {name}: {seconds[name]:.3g} s", flush=True)
    return rows


def growth(repeats: int) -> dict[str, list[tuple[int, float]]]:
    """Return (size, milliseconds) of exact softmax derivatives as one size grows at a time."""
    programs: dict[str, Program] = {}
    for side in (8, 16, 32):
        case = Case("", convnext.tiny(patch=2), "stage1", side, 1, 1)
        images, variables = inputs(case), variables_of(case, None)
        layer = split(case.network, variables, case.layer, images[0], train=False)
        activations = jax.vmap(layer.features)(images)
        arguments = (images, activations, jnp.zeros(1, jnp.int32))
        name = "activations (ConvNeXt-style stage1, Taylor series)"
        programs[f"{name}: {activations.size}"] = program(partial(derivatives, layer, SOFTMAX, auto), *arguments)
    for name, sizes, shape in (
        ("classes (mean and dense, 7x7x2048, batch 1)", (10, 100, 1000), lambda n: (1, n)),
        ("batch (mean and dense, 7x7x2048, 1000 classes)", (1, 4, 16), lambda n: (n, 1000)),
    ):
        for size in sizes:
            batch, classes = shape(size)
            images = jnp.abs(jax.random.normal(jax.random.key(3), (batch, 7, 7, 2048)))
            arguments = (images, images, jnp.zeros(batch, jnp.int32))
            layer = pooled_head(2048, classes)
            programs[f"{name}: {size}"] = program(partial(derivatives, layer, SOFTMAX, auto), *arguments)
    seconds = in_turns(programs, repeats)
    lines: dict[str, list[tuple[int, float]]] = {}
    for key, values in seconds.items():
        name, number = key.rsplit(": ", 1)
        lines.setdefault(name, []).append((int(number), 1e3 * statistics.median(values)))
    return lines


def plot(path: Path, rows: list[dict[str, str]], lines: dict[str, list[tuple[int, float]]]) -> None:
    """Draw the ratios of the whole explanation, and the growth curves."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 5), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    exact = [row for row in rows if row["method"] == "exact (auto)"][::-1]
    ratios = [float(row["whole / exp-trick"].split()[0]) for row in exact]
    colours = ["#31688e" if row["score"] == "exp" else "#b5632b" for row in exact]
    left.barh(range(len(exact)), ratios, color=colours)
    for i, (row, ratio) in enumerate(zip(exact, ratios, strict=True)):
        limit = TARGETS.get(row["head"], {}).get(row["score"])
        if limit is not None:
            left.plot([limit, limit], [i - 0.4, i + 0.4], color="black")
        shown = f"{ratio:,.0f}" if ratio > 100 else f"{ratio:.3g}"
        left.text(max(ratio, limit or 0) * 1.08, i, shown, va="center", fontsize=8)
    left.set_yticks(range(len(exact)), [f"{row['head']}, {row['score']}" for row in exact], fontsize=8)
    left.set_xscale("log")
    left.set_xlim(0.5, max(ratios) * 5)
    left.set_xlabel("time of the whole explanation, in that of the exp-trick (black: target)")
    for name, points in lines.items():
        right.plot(*zip(*points, strict=True), marker="o", label=name)
    right.set(xscale="log", yscale="log", xlabel="number", ylabel="ms, exact softmax derivatives")
    right.legend(fontsize=8)
    right.grid(alpha=0.3)
    with files.atomic(path) as temporary:
        FigureCanvasAgg(figure).print_png(temporary)


def main(given: Sequence[str] | None = None) -> None:
    """Measure all cases, and write table, plot and JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="trained SqueezeNet 1.1 weights; random ones if not given")
    parser.add_argument("--repeats", type=int, default=5)
    every = range(len(CASES))
    parser.add_argument("--cases", type=int, nargs="+", choices=every, default=every, help="which of the heads, from 0")
    arguments = parser.parse_args(given)
    start = time.perf_counter()
    rows: list[dict[str, str]] = []
    trained = "trained" if arguments.weights else "random"

    def write() -> None:
        protocol = (
            f"Grad-CAM++, float32; programs in turns, {arguments.repeats} rounds after one to warm up, medians, and "
            "medians (ranges) of ratios round by round; weights as arguments of the programs; SqueezeNet with "
            f"{trained} weights, others random; errors: largest absolute difference to float64 over the largest value, "
            "first image; heads of which one explanation takes long: once; "
            f"memory: compiled temporaries; {time.perf_counter() - start:.0f} s in all"
        )
        _result.report("saliency", "Exact Grad-CAM++ against the exp-trick", protocol, rows)

    for index in arguments.cases:
        case = CASES[index]
        rows += measure_long(case) if case.long else measure(case, arguments.weights, arguments.repeats)
        write()  # what a time limit cuts short leaves what it measured
    lines = growth(arguments.repeats)
    for name, points in lines.items():
        print(name, ", ".join(f"{size}: {value:.3g} ms" for size, value in points))
        for size, value in points:
            empty = dict.fromkeys(COLUMNS, "")
            rows.append({**empty, "head": f"growth: {name}", "score": "softmax", "method": "exact (auto)",
                         "activations x batch": str(size), "derivatives, ms": f"{value:.3g}"})  # fmt: skip
    suffix = "" if jax.devices()[0].platform == "cpu" else f"-{jax.devices()[0].platform}"
    plot(_result.RESULTS / f"saliency{suffix}.png", [row for row in rows if row["route"]], lines)
    write()


if __name__ == "__main__":
    main()
