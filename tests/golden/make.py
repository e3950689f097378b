"""Choose what the tests need of the full golden values, and write it beside this file.

    python -m tests.golden.make ../shared/data/golden

Source of the numbers, all computed in float64 by PyTorch 2.14.1 on a CPU from random float32 weights:
    dcgan     layers of pytorch/examples dcgan/main.py, transcribed, one stage fewer
    wgan_gp   WGANPGenerator32 and WGANPDiscriminator32 of kwotsin/mimicry @a7fda06, with the growth of the authors
    sngan     SNGAN..32 and CGANPD..32 of the same, with growth, activation and epsilon of the authors' Chainer code
    pggan     written from the facts of the authors' Theano code
    cyclegan  layers of junyanz/pytorch-CycleGAN-and-pix2pix models/networks.py @000f298, transcribed
Left out: variants with the peers' known departures, gradients to inputs and, of images of 24 pixels and more which a
network draws, two rows and two columns of three.
"""

import pathlib
import re
import sys

import numpy as np

from tests.gans.golden import FOLDER, thinned

KEPT = {
    "dcgan": r"in/.*|./state/.*|./after.*|out/(?!.*_after_train).*|loss/.*|grad/.*main.*",
    "wgan_gp": r"in/.*|./state/.*|authors/(?!.*(in_x|in_z|_after_train)).*",
    "sngan": r"(plain|projection)/(in/.*|D/embedding.*|([GD]/state|D/converged)/(?!.*(_v|sn_u|sn_sigma)$).*"
    r"|authors/(?!.*(in_x|in_z|_after_train|D_eval_real$|sn_)).*)",
    "pggan": r"16px_alpha_0.3/(?!.*(in_x|in_z|fused)).*",
    "cyclegan": r".*",
}


def main(source: str) -> None:
    """Write MODEL.npz for every model."""
    for model, names in KEPT.items():
        with np.load(pathlib.Path(source) / f"{model}.npz") as file:
            kept = {name: x for name, x in file.items() if re.fullmatch(names, name)}
        for name, x in kept.items():
            if "out/" in name and x.ndim == 4:
                kept[name] = thinned(x)
        np.savez_compressed(FOLDER / f"{model}.npz", **kept)
        print(f"{model}: {len(kept)} arrays, {(FOLDER / f'{model}.npz').stat().st_size} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
