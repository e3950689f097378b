"""Where a run's metrics go beside `metrics.jsonl`, as `--log` asks: a table, TensorBoard, Weights & Biases, MLflow."""

import csv
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from genjax.engine.log import METRICS, Tracker, Writer, read_rows
from genjax.files import atomic

PROJECT = "genjax"
"""Project or experiment under which runs are kept by services."""


def chosen(names: tuple[str, ...], hyper: Mapping[str, Any]) -> tuple[Tracker, ...]:
    """Return the trackers of these names, in `TRACKERS`; hyper: what services show beside the curves."""
    return tuple(partial(TRACKERS[name], hyper=hyper) for name in names)


@contextmanager
def table(folder: Path, resume_at: int, hyper: Mapping[str, Any]) -> Iterator[Writer]:
    """Write metrics.csv when the run ends: a row for each step that has metrics, a column for each of them."""
    try:
        yield lambda step, metrics: None
    finally:
        rows: dict[int, dict[str, Any]] = {}
        for row in read_rows(folder / METRICS):
            rows.setdefault(row["step"], {}).update(row)
        columns = list(dict.fromkeys(name for row in rows.values() for name in row))
        with atomic(folder / "metrics.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows.values())


@contextmanager
def tensorboard(folder: Path, resume_at: int, hyper: Mapping[str, Any]) -> Iterator[Writer]:
    """Write TensorBoard's event files; of a run that is continued, what came after its checkpoint is taken back."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise _missing("tensorboard", "tensorboardX") from None
    events = SummaryWriter(str(folder / "tensorboard"), purge_step=resume_at + 1 if resume_at else None)
    try:
        yield lambda step, metrics: [events.add_scalar(name, value, step) for name, value in metrics.items()]
    finally:
        events.close()


@contextmanager
def wandb(folder: Path, resume_at: int, hyper: Mapping[str, Any]) -> Iterator[Writer]:
    """Log to Weights & Biases, as its own settings say (WANDB_MODE=offline keeps everything in the run's folder)."""
    try:
        import wandb as service
    except ImportError:
        raise _missing("wandb", "wandb") from None
    mark = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:8]
    run = service.init(
        project=PROJECT, name=folder.name, id=f"{folder.name}-{mark}", resume="allow", dir=str(folder),
        config=dict(hyper),
    )  # fmt: skip
    try:
        yield lambda step, metrics: run.log(dict(metrics), step=step)
    finally:
        run.finish()


@contextmanager
def mlflow(folder: Path, resume_at: int, hyper: Mapping[str, Any]) -> Iterator[Writer]:
    """Log to MLflow, as MLFLOW_TRACKING_URI says; a run that is continued is continued there too."""
    try:
        import mlflow as service
    except ImportError:
        raise _missing("mlflow", "mlflow") from None
    note = folder / "mlflow-run"
    known = note.read_text(encoding="utf-8").strip() if resume_at and note.exists() else None
    try:
        service.set_experiment(PROJECT)
        started = service.start_run(run_id=known, run_name=folder.name)
    except service.exceptions.MlflowException as error:
        raise ValueError(f"--log mlflow: {error}") from error
    note.write_text(started.info.run_id, encoding="utf-8")
    try:
        if known is None:
            service.log_params({name: str(value) for name, value in hyper.items()})
        yield lambda step, metrics: service.log_metrics(dict(metrics), step=step)
    finally:
        service.end_run()


def _missing(extra: str, package: str) -> ValueError:
    return ValueError(f"--log {extra} needs {package}: pip install 'genjax-models[{extra}]', or pip install {package}")


TRACKERS = {"csv": table, "tensorboard": tensorboard, "wandb": wandb, "mlflow": mlflow}
