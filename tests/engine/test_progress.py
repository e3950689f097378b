"""What a run says where there is no terminal."""

import re
import time

import pytest

from genjax.data.readers import cache
from genjax.engine import progress


@pytest.mark.parametrize("doing", ["compiling", "scoring"])
def test_what_takes_long_is_told_while_it_lasts(doing, monkeypatch, capsys):
    monkeypatch.setattr(progress, "EVERY", 0.05)
    monkeypatch.setattr(progress, "GRACE", 0.0)
    with progress.telling(10, 2, True) as told:
        getattr(told, doing)()
        time.sleep(0.3)
    said = capsys.readouterr().err
    assert said.count(f"step 2 of 10; still {doing}\n") >= 2
    time.sleep(0.1)
    assert not capsys.readouterr().err, "it goes on after the run"


def test_a_score_stands_beside_the_losses_and_the_speed(capsys):
    with progress.telling(10, 0, True) as told:
        told.moved(5, 40, {"vae/loss": 2.5})
        told.scored(5, {"nll": 1.25})
    said = capsys.readouterr().err
    assert re.search(r"step 5 of 10; \S+ steps and \S+ images a second; \S+ s left; vae/loss 2.5; nll 1.25\n", said)


def test_reading_many_images_is_told_too(monkeypatch, capsys):
    monkeypatch.setattr(cache, "_EVERY", 0.0)
    cache.run_in_threads(lambda item: 2, [1, 2], "decoding images", 4)
    assert capsys.readouterr().err == "decoding images: 2 of 4\ndecoding images: 4 of 4\n"
