import numpy as np
import pytest

from genjax.run import cli

SMALL = {
    "cgan": ["small", "--batch-size", "20"],
    "dcgan": ["small", "--image-size", "16", "--width", "4", "--latent", "6", "--batch-size", "8"],
    "vae": ["small", "--hidden", "4", "--latent", "3", "--importance-samples", "0", "--batch-size", "20"],
    "ae": ["small", "--hidden", "4", "--latent", "3", "--batch-size", "20"],
    "classifier": ["small", "--batch-size", "20"],
}


def train(recipe, *options):
    assert cli.main(recipe, [*options, "--steps", "2", "--no-cache", "--devices", "1"]) == 0


@pytest.fixture(scope="session")
def gone(tmp_path_factory):
    """Return `run(recipe)`, the folder of a run whose data set, an archive, has been deleted since."""
    folder, runs = tmp_path_factory.mktemp("gone"), {}

    def run(recipe):
        if recipe not in runs:
            source, draw = folder / "some.npz", np.random.default_rng(0)
            images = draw.integers(0, 256, (100, 16, 16, 1), dtype=np.uint8)
            labels = np.arange(100) % 4
            np.savez(source, x_train=images, y_train=labels, x_test=images[:20], y_test=labels[:20])
            name, *options = SMALL[recipe]
            train(recipe, name, "--data", str(source), "--out", str(folder / recipe), *options)
            source.unlink()
            runs[recipe] = folder / recipe
        return runs[recipe]

    return run
