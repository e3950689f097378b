"""HoloGAN (Nguyen-Phuoc et al. 2019, arXiv 1904.01326).

    python -m train.hologan [preset] [options]

Presets; "code" is the authors', thunguyenphuoc/HoloGAN @76c35a8, config_HoloGAN.json
    small     drawn solids that a camera circles, 16 pixels: minutes on two CPU cores; our own
    paper     CelebA at 64 pixels, code: latent U(-1, 1)^128, azimuth 220 to 320 and elevation 70 to 110 degrees, Adam
              (1e-4, 0.5, 0.999), batch 32, 50 epochs of all 202,599 images, the generator moves twice a step, no
              identity loss
    paper128  CelebA at 128 pixels, the networks of the code's `..._res128` with its style discriminator, weight 1; no
              configuration was published, so the rest is that of 64 pixels, but for the identity loss, which the code's
              guide calls useful there: weight 1, as users report
Other views: --azimuth 0 360 is the code's default for objects; --elevation, --scale and --shift likewise.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from genjax.data import Dataset
from genjax.data.ranges import TANH
from genjax.engine.phases import Feed, Phase
from genjax.gans import hologan
from genjax.latent import SYMMETRIC
from genjax.run.cli import main
from genjax.run.gan import AdamOptions, GanOptions, adam_of, square
from genjax.run.options import Limits, above, at_least, steps_of
from genjax.run.run import Run, compute_type
from genjax.tasks.generation import drawing
from genjax.tasks.posed import PosedGeneration
from genjax.views import Views


@dataclass(frozen=True, kw_only=True)
class Hyper(GanOptions, AdamOptions):
    """Options of the HoloGAN."""

    azimuth: Annotated[tuple[float, float], Limits(least=-360, most=720)]
    """Range of azimuths in degrees."""
    elevation: Annotated[tuple[float, float], Limits(least=0, most=180)]
    """Range of elevations in degrees, counted from the upright axis."""
    scale: Annotated[tuple[float, float], above(0)]
    """Range of factors by which volumes are enlarged."""
    shift: Annotated[tuple[float, float], Limits(least=-64, most=64)]
    """Range of shifts along each axis, in voxels."""
    template: Annotated[int, at_least(1)]
    """Channels of the learned constant, 4 x 4 x 4 voxels."""
    volumes: Annotated[tuple[int, ...], at_least(1)]
    """Channels of the 3-D convolutions in front of the rotation, each of which doubles the volume."""
    projections: Annotated[tuple[int, ...], at_least(1)]
    """Channels of the 3-D convolutions behind the rotation."""
    flat: Annotated[int, at_least(1)]
    """Channels of the 1x1 convolution that folds the depth."""
    images: Annotated[tuple[int, ...], at_least(1)]
    """Channels of the 2-D convolutions, each of which doubles the image."""
    slope: Annotated[float, at_least(0)]
    """Slope of the generator's leaky ReLU; 0 for a ReLU."""
    rectified: bool
    """Put a ReLU behind the styles, so that no scale or shift is negative."""
    style_deviation: Annotated[float, above(0)]
    """Standard deviation of the styles' first weights."""
    turning: bool
    """Turn the volume into its pose; else the pose is told to the styles beside the latent."""
    official_border: bool
    """Lose the last plane of voxels of each axis, as the authors' code does."""
    width: Annotated[int, at_least(1)]
    """Channels of the discriminator's first convolution; each further one has twice as many."""
    layers: Annotated[int, at_least(1)]
    """Convolutions of the discriminator, each of which halves the image."""
    hidden: Annotated[int, at_least(1)]
    """Units in front of the predicted latent."""
    normalised: bool
    """Give the discriminator spectral norm and instance norm."""
    styles: Literal["none", "batch", "channels"]
    """Style discriminator: none; mean and variance one after the other, as in the authors' code; or together."""
    identity: Annotated[float, at_least(0)]
    """Weight of the identity loss in both losses."""
    style: Annotated[float, at_least(0)]
    """Weight of the style losses."""
    fool_styles: bool
    """Add the style losses to the generator's loss too."""
    generator_steps: Annotated[int, at_least(1)]
    """Moves of the generator in a step."""


PAPER = Hyper(
    data="tfds:celeb_a", image_size=64, steps=316_550, batch_size=32, latent=128, generator_rate=1e-4,
    discriminator_rate=1e-4, beta1=0.5, beta2=0.999, decay_from=None, azimuth=(220.0, 320.0), elevation=(70.0, 110.0),
    scale=(1.0, 1.0), shift=(0.0, 0.0), template=512, volumes=(128, 64), projections=(), flat=1024, images=(256, 64),
    slope=0.0, rectified=True, style_deviation=0.02, turning=True, official_border=True, width=64, layers=4, hidden=128,
    normalised=True, styles="none", identity=0.0, style=1.0, fool_styles=False, generator_steps=2, ema=None,
    evaluate_every=5000, checkpoint_every=5000,
)  # fmt: skip
PRESETS = {
    "small": Hyper(
        data="orbit:scenes", image_size=16, steps=1000, batch_size=16, latent=8, generator_rate=1e-3,
        discriminator_rate=1e-3, beta1=0.5, beta2=0.99, decay_from=None, azimuth=(0.0, 360.0), elevation=(55.0, 75.0),
        scale=(1.0, 1.0), shift=(0.0, 0.0), template=16, volumes=(8,), projections=(), flat=64, images=(32,),
        slope=0.2, rectified=False, style_deviation=0.25, turning=True, official_border=False, width=32, layers=3,
        hidden=64, normalised=False, styles="none", identity=1.0, style=1.0, fool_styles=False, generator_steps=1,
        ema=None, evaluate_every=500,
    ),
    "paper": PAPER,
    "paper128": replace(
        PAPER, image_size=128, volumes=(256, 128), projections=(64, 64), flat=512, images=(256, 64, 32), slope=0.2,
        layers=5, styles="batch", identity=1.0,
    ),
}  # fmt: skip
SCORE = ("azimuth_fit", "share of the variance of the solids' horizontal places that a sinusoid of azimuth explains")
CONTROLS = {"poses told to the styles instead": ("--no-turning",)}


def views_of(hyper: Hyper) -> Views:
    """Return the ranges of poses; ValueError for one that ends before it begins."""
    spans = {name: getattr(hyper, name) for name in ("azimuth", "elevation", "scale", "shift")}
    for name, (low, high) in spans.items():
        if low > high:
            raise ValueError(f"--{name} {low:g} {high:g} ends before it begins; give the smaller number first")
    return Views(**spans)


def build(hyper: Hyper, dataset: Dataset) -> Run:
    """Return the HoloGAN's run on `dataset`; ValueError for sizes that its doublings do not reach."""
    steps, views = steps_of(hyper, len(dataset.train), hyper.generator_steps), views_of(hyper)
    dtype, size = compute_type(hyper), square(dataset)
    generator = hologan.Generator(
        size, dataset.shape[-1], template=hyper.template, volumes=hyper.volumes, projections=hyper.projections,
        flat=hyper.flat, images=hyper.images, slope=hyper.slope, rectified=hyper.rectified,
        style_deviation=hyper.style_deviation, turning=hyper.turning, official_border=hyper.official_border,
        dtype=dtype,
    )  # fmt: skip
    discriminator = hologan.Discriminator(
        hyper.latent, hyper.width, hyper.layers, hyper.hidden, hyper.normalised, hyper.styles, dtype
    )
    optimizers = {
        "generator": adam_of(hyper, hyper.generator_rate),
        "discriminator": adam_of(hyper, hyper.discriminator_rate),
    }
    game = hologan.game(
        generator, discriminator, generator_tx=optimizers["generator"].transformation(steps * hyper.generator_steps),
        discriminator_tx=optimizers["discriminator"].transformation(steps), views=views,
        weights=hologan.Weights(hyper.identity, hyper.style, hyper.fool_styles),
        generator_steps=hyper.generator_steps, image_shape=dataset.shape, latent=hyper.latent, prior=SYMMETRIC,
        ema=hyper.ema,
    )  # fmt: skip
    task = PosedGeneration(
        dataset=dataset, pixels=TANH, prior=SYMMETRIC, latent=hyper.latent,
        draw=drawing(generator, hyper.ema is not None), prepare=TANH.prepare, views=views,
    )  # fmt: skip
    return Run((Phase(game, steps, Feed(dataset.train, hyper.batch_size, TANH.prepare)),), optimizers, task)


if __name__ == "__main__":
    raise SystemExit(main("hologan"))
