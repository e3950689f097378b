"""What a run says while it trains: a bar for a person who watches, and lines for a log."""

import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from genjax import processes

EVERY = 30.0
"""Seconds between two lines in a log."""
GRACE = 1.0
"""Seconds that the loop has to say more before a line says that it is still at work."""


class Progress(Protocol):
    """What the loop tells."""

    def compiling(self) -> None:
        """A program is about to be compiled."""

    def compiled(self, seconds: float) -> None:
        """It has been, in so many seconds."""

    def moved(self, step: int, images: int, losses: Mapping[str, float]) -> None:
        """`step` steps are done, `images` more were seen, and these are the losses."""

    def scoring(self) -> None:
        """The state is about to be scored."""

    def scored(self, step: int, scores: Mapping[str, float]) -> None:
        """The state of `step` has been scored."""


class Silent:
    """Says nothing: in processes beside the first, and where nothing is to be shown."""

    def compiling(self) -> None:
        """Say nothing."""

    def compiled(self, seconds: float) -> None:
        """Say nothing."""

    def moved(self, step: int, images: int, losses: Mapping[str, float]) -> None:
        """Say nothing."""

    def scoring(self) -> None:
        """Say nothing."""

    def scored(self, step: int, scores: Mapping[str, float]) -> None:
        """Say nothing."""


class Bar:
    """A bar that is drawn over itself."""

    def __init__(self, bar) -> None:
        self.bar = bar

    def compiling(self) -> None:
        """Say so before the bar."""
        self.bar.set_description("compiling")

    def compiled(self, seconds: float) -> None:
        """Say nothing before the bar again."""
        self.bar.set_description(None)

    def moved(self, step: int, images: int, losses: Mapping[str, float]) -> None:
        """Draw the bar up to `step`, with the losses behind it."""
        self.bar.update(step - self.bar.n)
        self.bar.set_postfix({name: f"{value:.4g}" for name, value in losses.items()})

    def scoring(self) -> None:
        """Say so before the bar."""
        self.bar.set_description("scoring")

    def scored(self, step: int, scores: Mapping[str, float]) -> None:
        """Say nothing before the bar again: the scores stand in the folder of the run."""
        self.bar.set_description(None)


class Lines:
    """A line at the start, at every score and every 30 seconds: step, speed, time left, losses; or what takes so long.

    said: when the speed was told last, at step `said_step`; `images` have been seen since.  heard: when anything was.
    """

    def __init__(self, total: int, done: int) -> None:
        self.total = total
        self.said = self.heard = time.perf_counter()
        self.step = self.said_step = done
        self.images = 0
        self.losses: Mapping[str, float] = {}
        self.doing = "training"

    def wait(self, over: threading.Event) -> None:
        """Say what is being done whenever nothing has been said for 30 seconds, until it is over."""
        while not over.wait(max(self.heard + EVERY - time.perf_counter(), 0) + GRACE):
            if time.perf_counter() - self.heard >= EVERY:
                self._tell([f"step {self.step:,} of {self.total:,}", f"still {self.doing}"])

    def compiling(self) -> None:
        """Say so."""
        self.doing = "compiling"
        self._tell(["compiling ..."])

    def compiled(self, seconds: float) -> None:
        """Say how long it took, and count speed from here on."""
        self.doing = "training"
        self._tell([f"compiled in {seconds:.1f} s"])
        self.said, self.said_step, self.images = time.perf_counter(), self.step, 0

    def moved(self, step: int, images: int, losses: Mapping[str, float]) -> None:
        """Say so if the last line is 30 seconds old."""
        self.step, self.images, self.losses = step, self.images + images, losses
        if time.perf_counter() - self.heard >= EVERY:
            self._say(losses)

    def scoring(self) -> None:
        """Say so if it takes long."""
        self.doing = "scoring"

    def scored(self, step: int, scores: Mapping[str, float]) -> None:
        """Say the scores, and the losses before them."""
        self.doing = "training"
        self._say({**self.losses, **scores})

    def _say(self, numbers: Mapping[str, float]) -> None:
        seconds, steps = time.perf_counter() - self.said, self.step - self.said_step
        parts = [f"step {self.step:,} of {self.total:,}"]
        if steps > 0 and seconds > 0:
            left = (self.total - self.step) * seconds / steps
            parts.append(f"{steps / seconds:.3g} steps and {self.images / seconds:.3g} images a second")
            parts.append(f"{duration(left)} left")
        parts += [f"{name} {value:.4g}" for name, value in numbers.items()]
        self._tell(parts)
        self.said, self.said_step, self.images = time.perf_counter(), self.step, 0

    def _tell(self, parts: Sequence[str]) -> None:
        print("; ".join(parts), file=sys.stderr, flush=True)
        self.heard = time.perf_counter()


def duration(seconds: float) -> str:
    """Return a time as a person says it: "50 s", "12 min", "3 h 20 min"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def telling(total: int, done: int, shown: bool) -> Iterator[Progress]:
    """Yield how a run of `total` steps, `done` of them before, is shown: a bar on a terminal, lines elsewhere."""
    if not shown or not processes.is_first():
        yield Silent()
    elif sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm(total=total, initial=done, unit="step", dynamic_ncols=True, file=sys.stderr) as bar:
            yield Bar(bar)
    else:
        lines, over = Lines(total, done), threading.Event()
        waiting = threading.Thread(target=lines.wait, args=(over,), name="genjax-lines", daemon=True)
        waiting.start()
        try:
            yield lines
        finally:
            over.set()
            waiting.join()
