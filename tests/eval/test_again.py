"""Whether a further run is as the table lets expect."""

import pytest

from eval import again

WHERE = {"environment": {"processor": "a processor", "date": "2026-11-27"}}


def test_the_interval_is_that_of_one_further_normal_value():
    # Student's t with 2 degrees of freedom: t = 2 p sqrt(2 / (1 - 4 p^2)) at p = .475, times s = 1 and sqrt(1 + 1/3).
    reach = 2 * 0.475 * (2 / (1 - 0.95**2)) ** 0.5 * (4 / 3) ** 0.5
    assert again.expected([1.0, 2.0, 3.0]) == pytest.approx((2 - reach, 2 + reach))


def test_the_table_says_which_runs_are_not_as_expected():
    row = {"seed": 3, "expected": (0.5, 1.5), **WHERE}
    rows = {"vae": {**row, "value": 1.5}, "gan": {**row, "value": 1.51}, "wgan": {**row, "value": None}}
    text = again.table(rows)
    assert "| vae | 3 | 1.5 | 0.5 to 1.5 | as expected |" in text
    assert "| gan | 3 | 1.51 | 0.5 to 1.5 | **not as expected** |" in text
    assert "| wgan | 3 | diverged | 0.5 to 1.5 | **not as expected** |" in text
    assert text.endswith("1 of 3 are as expected (a processor, 2026-11-27).")


def test_a_recipe_that_the_table_does_not_have_is_refused(capsys):
    assert again.main(["--only", "no-such"]) == 2
    assert "the table has no such recipe; it has ae," in capsys.readouterr().err
