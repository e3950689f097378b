"""Data sets without their images, for what needs to know of a set but not to see it: descriptions, finished runs."""

import numpy as np

from genjax.data.dataset import Arrays, Dataset, Unpaired
from genjax.data.facts import Facts


def placeholder(facts: Facts) -> Dataset:
    """Return a data set of which the facts are true and every image is black: it takes no memory, and is `absent`.

    >>> ring = Facts("ring", {"images": ((8, 8, 1), "uint8")}, train=60_000, test=10_000)
    >>> placeholder(ring).train.take([0])["images"].shape
    (1, 8, 8, 1)
    """

    def zeros(count: int, names: dict[str, str]) -> Arrays:
        columns = {new: facts.columns[old] for old, new in names.items() if old in facts.columns}
        return Arrays(
            {name: np.broadcast_to(np.zeros((), kind), (count, *shape)) for name, (shape, kind) in columns.items()}
        )

    def split(number: int) -> Arrays | Unpaired:
        count = (facts.train, facts.test)[number]
        if facts.second is None:
            return zeros(count, dict(zip(facts.columns, facts.columns, strict=True)))
        return Unpaired(
            zeros(count, {"images": "images", "labels": "labels"}),
            zeros(facts.second[number], {"targets": "images", "target_labels": "labels"}),
        )

    return Dataset(
        name=facts.name,
        train=split(0),
        test=split(1),
        class_names=facts.class_names,
        mixture=facts.mixture,
        channels_of=facts.channels_of,
        words=facts.words,
        map_names=facts.map_names,
        fingerprint=facts.fingerprint,
        absent=True,
    )
