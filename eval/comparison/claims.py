"""The comparison article's claims, each as comparisons of measured numbers, and the rule that judges them."""

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np

from .probing import AE, CVAE_NONE, CVAE_TRUE, CVAE_WRONG, VAE
from .report import Numbers, Table, spread

HOLDS, FAILS, WITHIN = "holds", "does not hold", "within spread"
RULE = (
    "Rule: each claim is taken apart into comparisons. A comparison holds where the difference between the seeds' "
    "numbers, in the claimed direction, has a mean above the larger of its sample standard deviation over seeds and "
    "1 % of the numbers compared; it does not hold where the mean is as far below zero; else it is within the spread.\n"
    "A claim holds if all its comparisons do, does not hold if any of them does not, and is within the spread else."
)


class Comparison(NamedTuple):
    """larger, smaller: float[seeds]; the claim says that the first are greater."""

    what: str
    larger: np.ndarray
    smaller: np.ndarray

    @property
    def verdict(self) -> str:
        """Judge by `RULE`."""
        difference = self.larger - self.smaller
        deviation = difference.std(ddof=1) if len(difference) > 1 else 0.0
        margin = max(deviation, 0.01 * max(abs(self.larger.mean()), abs(self.smaller.mean())))
        mean = difference.mean()
        return HOLDS if mean > margin else FAILS if mean < -margin else WITHIN


class Claim(NamedTuple):
    """One statement of the article."""

    experiment: str
    statement: str
    comparisons: Sequence[Comparison]

    @property
    def verdict(self) -> str:
        """Judge by `RULE`."""
        found = {comparison.verdict for comparison in self.comparisons}
        return FAILS if FAILS in found else WITHIN if WITHIN in found else HOLDS


def _sharper(numbers: Numbers, better: str, worse: str, latents: Sequence[int]) -> list[Comparison]:
    nll = numbers["nll at the mean"]
    return [Comparison(f"error, latent {z}: {worse} > {better}", nll[worse, z], nll[better, z]) for z in latents]


def _clusters(numbers: Numbers, better: str, worse: str, latents: Sequence[int]) -> list[Comparison]:
    v = numbers["v-measure"]
    return [Comparison(f"V-measure, latent {z}: {better} > {worse}", v[better, z], v[worse, z]) for z in latents]


def _violent(numbers: Numbers, small: int, large: int) -> list[Comparison]:
    found = numbers["unevenness"]
    return [
        Comparison(f"unevenness, {model}: latent {small} > latent {large}", found[model, small], found[model, large])
        for model in (AE, VAE, CVAE_NONE)
    ]


def _agreement(numbers: Numbers, latents: Sequence[int]) -> list[Comparison]:
    """Of pairs of models, those where the better clustering goes with the smaller error, against the others."""
    nll, v = numbers["nll at the mean"], numbers["v-measure"]
    comparisons = []
    for z in latents:
        agree = np.mean(
            [
                (v[a, z] > v[b, z]) == (nll[a, z] < nll[b, z])
                for a, b in combinations((AE, VAE, CVAE_TRUE, CVAE_NONE), 2)
            ],
            axis=0,
        )
        comparisons.append(Comparison(f"share of pairs, latent {z}: agreeing > disagreeing", agree, 1 - agree))
    return comparisons


def claims(numbers: Numbers, latents: Sequence[int]) -> list[Claim]:
    """Return the article's claims that the measured sizes of the latent allow to be judged."""
    nll, offset, disagreement = numbers["nll at the mean"], numbers["offset"], numbers["disagreement"]
    latents = sorted(latents)
    four, large = [z for z in latents if z == 4], [z for z in latents if z >= 16]
    larger = [
        Comparison(f"error, {model}: latent {a} > latent {b}", nll[model, a], nll[model, b])
        for model in (AE, VAE, CVAE_TRUE)
        for a, b in pairwise(latents)
    ]
    label = [
        c
        for z in latents
        for c in (
            *_sharper(numbers, CVAE_TRUE, CVAE_NONE, [z]),
            *_sharper(numbers, CVAE_NONE, CVAE_WRONG, [z]),
        )
    ]
    gap = {z: nll[CVAE_WRONG, z] - nll[CVAE_TRUE, z] for z in latents}
    centred = [
        Comparison(f"offset, latent {z}: {AE} > {model}", offset[AE, z], offset[model, z])
        for z in latents
        for model in (VAE, CVAE_TRUE, CVAE_NONE)
    ]
    place = [
        Comparison("latent 2: distance from the origin > distance between seeds", -disagreement[AE, 2], np.zeros(1))
        for z in latents
        if z == 2 and (AE, 2) in disagreement
    ]
    ends = (latents[0], latents[-1])
    found = [
        Claim("1", "A larger latent reconstructs better, in all three models.", larger),
        Claim("1", "The VAE reconstructs more cleanly than the AE.", _sharper(numbers, VAE, AE, latents)),
        Claim(
            "1",
            "The CVAE, given the right label, reconstructs more cleanly than the AE.",
            _sharper(numbers, CVAE_TRUE, AE, latents),
        ),
        Claim("1", "The right label reconstructs best, none next, a wrong one worst.", label),
        Claim(
            "1",
            "The label matters less as the latent grows.",
            [
                Comparison(f"error, wrong - right label: latent {a} > latent {b}", gap[a], gap[b])
                for a, b in pairwise(latents)
            ],
        ),
        Claim(
            "2",
            "With a small latent the digit changes more violently along a walk (so the text).",
            _violent(numbers, *ends) if len(latents) > 1 else [],
        ),
        Claim(
            "2",
            "With a small latent the digit changes more continuously along a walk (so the summary).",
            _violent(numbers, *ends[::-1]) if len(latents) > 1 else [],
        ),
        Claim("3", "The AE's latents lie off centre, those of VAE and CVAE near the origin.", centred),
        Claim("3", "The AE's centre is a place of its own (the article's is at (-10, -10)), not chance.", place),
        Claim(
            "4",
            "With a latent of 4, the AE clusters better than VAE and CVAE.",
            [c for model in (VAE, CVAE_TRUE, CVAE_NONE) for c in _clusters(numbers, AE, model, four)],
        ),
        Claim(
            "4",
            "With a latent of 16 or more, the VAE clusters better than the AE.",
            _clusters(numbers, VAE, AE, large),
        ),
        *(
            Claim(
                "4",
                f"With a latent of 16 or more, the CVAE clusters better than the AE ({said}).",
                _clusters(numbers, model, AE, large),
            )
            for model, said in ((CVAE_TRUE, "encoder given the right label"), (CVAE_NONE, "encoder given no label"))
        ),
        *(
            Claim("4", f"The CVAE clusters better than the VAE ({said}).", _clusters(numbers, model, VAE, latents))
            for model, said in ((CVAE_TRUE, "encoder given the right label"), (CVAE_NONE, "encoder given no label"))
        ),
        Claim(
            "end",
            "The model that clusters better reconstructs more sharply.",
            _agreement(numbers, latents),
        ),
    ]
    return [claim for claim in found if claim.comparisons]


def tables(found: Sequence[Claim]) -> tuple[Table, Table]:
    """Return the claims with their verdicts, and all comparisons with means and spreads over seeds."""
    rows = []
    for number, claim in enumerate(found, 1):
        verdicts = [comparison.verdict for comparison in claim.comparisons]
        counts = ", ".join(f"{verdicts.count(v)} {v}" for v in (HOLDS, WITHIN, FAILS) if v in verdicts)
        rows.append((str(number), claim.experiment, claim.statement, claim.verdict, counts))
    header = ("claim", "experiment", "the article says", "in this run", "comparisons")
    summary = Table("The article's claims", header, rows)
    details = [
        (
            str(number),
            c.what,
            spread(c.larger, 3),
            spread(c.smaller, 3),
            spread(c.larger - c.smaller, 3),
            c.verdict,
        )
        for number, claim in enumerate(found, 1)
        for c in claim.comparisons
    ]
    columns = ("claim", "comparison", "claimed larger", "claimed smaller", "difference", "in this run")
    return summary, Table("Every comparison (mean ± spread over seeds)", columns, details)
