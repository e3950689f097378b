"""Choose what the tests need of the full reference numbers, and write it beside this file.

    python -m tests.golden.make ../shared/data

Source of the numbers
    dcgan     layers of pytorch/examples dcgan/main.py, transcribed, one stage fewer
    wgan_gp   WGANPGenerator32 and WGANPDiscriminator32 of kwotsin/mimicry @a7fda06, with the growth of the authors
    sngan     SNGAN..32 and CGANPD..32 of the same, with growth, activation and epsilon of the authors' Chainer code
    sagan     SAGAN..32 of the same, with growth and activation of the authors' code
              of both also what the generators draw as mimicry has them
    biggan, biggan_deep_ajbrock  BigGAN.py and BigGANdeep.py of ajbrock/BigGAN-PyTorch @9845943
    biggan_deep  the generator of huggingface/pytorch-pretrained-BigGAN @1e18aed
    pggan     written from the facts of the authors' Theano code
    srgan     leftthomas/SRGAN @7ddfdf2, widths divided by 16
    singan    layers, penalty and pyramid of tamarott/SinGAN @38fd0ad, transcribed
    spade     NVlabs/SPADE @fecacc9, 8 channels behind its label maps instead of 128
    cyclegan, pix2pix
              layers of junyanz/pytorch-CycleGAN-and-pix2pix models/networks.py @000f298, transcribed
    cagan     formulas of the paper on fixed arrays
    infogan   losses of openai/InfoGAN @6e41232 on fixed logits
    presgan   closed forms of a linear generator, and trajectories of adjidieng/PresGANs @161abad hmc.py, with its
              gradient and with the true one
    hologan   numpy from the facts of thunguyenphuoc/HoloGAN @76c35a8: resampling, styles, projection, style judge
    stylegan  written from the facts of NVlabs/stylegan @1e0d5c7 training/networks_stylegan.py
    stackgan  hanzhanggit/StackGAN-Pytorch @e72ef88, its variant for COCO; of stage II every fourth pixel
    higher_order_golden  derivatives of two small heads by central differences in 70-digit arithmetic (mpmath)
Those of networks were computed in float64 by PyTorch 2.14.1 on a CPU from random float32 weights.
Left out: other variants with the peers' known departures, gradients to inputs and, of images of 24 pixels and more
which a network draws, two rows and two columns of three.
"""

import pathlib
import re
import sys

import numpy as np

from tests.gans.golden import thinned
from tests.golden import FOLDER

KEPT = {
    "golden/dcgan": r"in/.*|./state/.*|./after.*|out/(?!.*_after_train).*|loss/.*|grad/.*main.*",
    "golden/wgan_gp": r"in/.*|./state/.*|authors/(?!.*(in_x|in_z|_after_train)).*",
    "golden/sngan": r"(plain|projection)/(in/.*|D/embedding.*|([GD]/state|D/converged)/(?!.*(_v|sn_u|sn_sigma)$).*"
    r"|authors/(?!.*(in_x|in_z|_after_train|D_eval_real$|sn_)).*|peer/out/G_eval$)",
    "golden/sagan": r"in/.*|G/state/.*|D/(embedding.*|(state|converged)/(?!.*_v$).*)|peer/out/G_eval$"
    r"|authors/(?!.*(in_x|in_z|_v$)).*",
    "golden/biggan": r"(?!.*(sv0|in_x|in_z|shared$|D_eval_real|G_eval_after)).*",
    "golden/biggan_deep_ajbrock": r"(?!.*(sv0|in_x|in_z|shared$|D_eval_real|G_eval_after)).*",
    "golden/biggan_deep": r"(in|out|G)/.*|grad/.*in_z",
    "golden/pggan": r"16px_alpha_0.3/(?!.*(in_x|in_z|fused)).*",
    "golden/stylegan": r".*",
    "golden/cyclegan": r".*",
    "golden/srgan": r"(?!.*(peer|in_low)).*",
    "golden/singan": r"(?!.*(gradient_at_mix|per_image_norm|D_train_fake)).*",
    "golden/spade": r"(?!.*_v$|kld|.*_fake$|out/edges$).*|out/D._feature4_fake|kld/.*|out/edges|loss/.*",
    "golden/cagan": r".*",
    "golden/pix2pix": r"(?!.*(in_real_A|_eval_after_train)).*",
    "golden/presgan": r"(?!out/monte_carlo).*",
    "golden/infogan": r".*",
    "golden/hologan": r".*",
    "golden/stackgan": r".*",
    "higher_order_golden": r"A|.*_param_.*|.*_(value|d1|d2|d3)",
}


def main(source: str) -> None:
    """Write all files."""
    for path, names in KEPT.items():
        with np.load(pathlib.Path(source) / f"{path}.npz") as file:
            kept = {name: x for name, x in file.items() if re.fullmatch(names, name)}
        for name, x in kept.items():
            if "out/" in name and x.ndim == 4:
                kept[name] = thinned(x)
        written = FOLDER / f"{pathlib.Path(path).name}.npz"
        np.savez_compressed(written, **kept)
        print(f"{written.name}: {len(kept)} arrays, {written.stat().st_size} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
