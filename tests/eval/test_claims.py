import numpy as np
import pytest

from eval.comparison import claims as judged
from eval.comparison.claims import FAILS, HOLDS, WITHIN, Claim, Comparison
from eval.comparison.probing import AE, CVAE_NONE, CVAE_TRUE, CVAE_WRONG, VAE

VARIANTS = (AE, VAE, CVAE_TRUE, CVAE_NONE, CVAE_WRONG)


@pytest.mark.parametrize(
    ("larger", "smaller", "verdict"),
    [
        ([10.0, 10.2, 10.1], [9.0, 9.1, 9.0], HOLDS),
        ([9.0, 9.1, 9.0], [10.0, 10.2, 10.1], FAILS),
        ([10.0, 9.0, 11.0], [9.8, 9.9, 9.7], WITHIN),  # the spread of the difference is larger than its mean
        ([10.0], [9.0], HOLDS),
        ([10.0], [9.95], WITHIN),  # one seed has no spread: 1 % is the margin
        ([9.0], [10.0], FAILS),
    ],
)
def test_comparisons_are_judged_by_the_rule(larger, smaller, verdict):
    assert Comparison("", np.array(larger), np.array(smaller)).verdict == verdict


def test_a_claim_is_as_good_as_its_worst_comparison():
    good, bad, even = (Comparison("", np.array([x]), np.array([1.0])) for x in (2.0, 0.5, 1.0))
    assert Claim("1", "", [good, good]).verdict == HOLDS
    assert Claim("1", "", [good, even]).verdict == WITHIN
    assert Claim("1", "", [good, even, bad]).verdict == FAILS


def synthetic(nll, v, offset):
    """Numbers over two seeds from functions (variant, latent) -> value."""
    noise = np.array([-0.001, 0.001])
    numbers = {"nll at the mean": nll, "v-measure": v, "offset": offset, "unevenness": lambda variant, z: 1 + 1 / z}
    entries = {name: {(m, z): of(m, z) + noise for m in VARIANTS for z in (2, 4, 16)} for name, of in numbers.items()}
    return {**entries, "disagreement": {(AE, 2): np.array([-3.0, -3.1])}}


def test_every_claim_of_the_article_holds_where_the_numbers_say_so():
    order = {AE: 3, VAE: 2, CVAE_TRUE: 1, CVAE_NONE: 1.5, CVAE_WRONG: 9}
    numbers = synthetic(
        nll=lambda m, z: (100 + 10 * order[m]) / z,
        v=lambda m, z: (
            0.9 - 0.1 * order[m] if z >= 16 or z == 2 else 0.1 + 0.1 * order[m] - 0.4 * (m != AE) * (m != VAE)
        ),
        offset=lambda m, z: 10.0 if m == AE else 0.1,
    )
    found = {claim.statement: claim.verdict for claim in judged.claims(numbers, (2, 4, 16))}
    assert len(found) == 16
    contradicting = [s for s in found if "summary" in s or s.startswith("The CVAE clusters better") or "sharply" in s]
    assert {found[s] for s in found if s not in contradicting} == {HOLDS}
    assert found["With a small latent the digit changes more continuously along a walk (so the summary)."] == FAILS


def test_claims_fail_where_the_numbers_are_turned_round():
    order = {AE: 1, VAE: 2, CVAE_TRUE: 3, CVAE_NONE: 2.5, CVAE_WRONG: 1.5}
    numbers = synthetic(
        nll=lambda m, z: (100 + 10 * order[m]) * z, v=lambda m, z: 0.5, offset=lambda m, z: 0.1 if m == AE else 1.0
    )
    claims = judged.claims(numbers, (2, 4, 16))
    found = {claim.statement: claim.verdict for claim in claims}
    assert found["A larger latent reconstructs better, in all three models."] == FAILS
    assert found["The VAE reconstructs more cleanly than the AE."] == FAILS
    assert found["The AE's latents lie off centre, those of VAE and CVAE near the origin."] == FAILS
    assert found["The CVAE clusters better than the VAE (encoder given no label)."] == WITHIN
    summary, details = judged.tables(claims)
    assert [row[3] for row in summary.rows] == list(found.values())
    assert len(details.rows) == sum(len(claim.comparisons) for claim in claims)


def test_claims_about_sizes_that_were_not_trained_are_left_out():
    numbers = synthetic(lambda m, z: 1.0, lambda m, z: 0.5, lambda m, z: 1.0)
    statements = [claim.statement for claim in judged.claims(numbers, (2,))]
    assert not any("latent of 4" in s or "latent of 16" in s or "along a walk" in s for s in statements)
