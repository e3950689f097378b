"""The models in the words of a person who looks for one: what each is for, in one line."""

from typing import NamedTuple


class Model(NamedTuple):
    """title: how the model is called.  kind: its group.  use: when to take it."""

    title: str
    kind: str
    use: str


AUTOENCODERS, SAMPLES, CLASSES, TRANSLATION = (
    "Autoencoders", "Images out of nothing", "Images that are told what to show", "Images out of images",
)  # fmt: skip

MODELS = {
    "ae": Model("AE", AUTOENCODERS, "you want to compress images, and to draw none"),
    "vae": Model("VAE", AUTOENCODERS, "you want a latent space to walk in, or a likelihood, from few images"),
    "cvae": Model("CVAE", AUTOENCODERS, "you want a latent space for each class, and know the classes"),
    "m2": Model("M2", AUTOENCODERS, "you want to classify, and few images have labels"),
    "gan": Model("GAN", SAMPLES, "you want the smallest game there is, to learn or to change it"),
    "dcgan": Model("DCGAN", SAMPLES, "you want a first generator for photos of 32 to 64 pixels"),
    "wgan": Model("WGAN", SAMPLES, "you study critics; for results take WGAN-GP"),
    "wgan_gp": Model("WGAN-GP", SAMPLES, "other GANs are unstable on your data, and time matters less"),
    "unrolled": Model("Unrolled GAN", SAMPLES, "you study mode collapse"),
    "sngan": Model("SNGAN", SAMPLES, "you want stable training at the price of one power iteration"),
    "presgan": Model("PresGAN", SAMPLES, "variety matters more than sharpness, or you want log p(x)"),
    "pggan": Model("PGGAN", SAMPLES, "you have thousands of images of 256 pixels or more"),
    "stylegan": Model("StyleGAN", SAMPLES, "you want large images whose coarse and fine traits can be mixed"),
    "hologan": Model("HoloGAN", SAMPLES, "objects are seen from all sides, and you want to turn them"),
    "singan": Model("SinGAN", SAMPLES, "you have one image"),
    "infogan": Model("InfoGAN", SAMPLES, "you want to find classes and traits without labels"),
    "cgan": Model("CGAN", CLASSES, "images are small and have labels"),
    "sagan": Model("SAGAN", CLASSES, "images have labels, and parts far apart belong together"),
    "biggan": Model("BigGAN", CLASSES, "you have many classes and large machines"),
    "stackgan": Model("StackGAN", CLASSES, "images have captions"),
    "spade": Model("SPADE", TRANSLATION, "images have label maps, and you want to paint new ones"),
    "pix2pix": Model("pix2pix", TRANSLATION, "you have pairs: a drawing and its photo, grey and colour"),
    "cyclegan": Model("CycleGAN", TRANSLATION, "you have two kinds of images and no pairs"),
    "srgan": Model("SRGAN", TRANSLATION, "you want images enlarged four times"),
    "cagan": Model("CAGAN", TRANSLATION, "you want persons in other garments, without pairs"),
}  # fmt: skip
