"""Every recipe at its smallest: what a run does to its folder, without what makes it long."""

STEPS = 8
_GROWING = "--image-size 8 --first-size 4 --base 16 --limit 4 --first-images 32 --fade-images 32 --stable-images 32"
_TINY = {
    "ae": "--hidden 8 --latent 2",
    "biggan": "--image-size 8 --generator-multiples 1 --discriminator-multiples 1 1 --halvings 1 --width 4 --latent 8 "
    "--embedding 4 --no-judge",
    "cagan": "--image-size 16 --width 2 --halvings 2 --discriminator-width 2 --discriminator-halvings 2",
    "cgan": "",
    "classifier": "--image-size 8",
    "cvae": "--hidden 8 --latent 2 --importance-samples 0",
    "cyclegan": "--image-size 8 --width 2 --blocks 1 --discriminator-width 2 --discriminator-layers 1",
    "dcgan": "--image-size 8 --width 2 --latent 4",
    "gan": "",
    "hologan": "--image-size 16 --template 4 --volumes 4 --flat 8 --images 6 --width 4 --layers 2 --hidden 8 "
    "--latent 5",
    "infogan": "--width 2 --latent 16",
    "m2": "--hidden 8 --latent 2",
    "pggan": _GROWING,
    "pix2pix": "--image-size 16 --width 2 --halvings 3 --discriminator-width 2 --discriminator-layers 1",
    "presgan": "--units 8",
    "sagan": "--image-size 8 --first 8 --generator-widths 8 --discriminator-widths 8 8 --halvings 1 --latent 4 "
    "--no-judge --generator-attention 8 --discriminator-attention 4",
    "singan": "--batch-size 1 --min-size 12 --max-size 20 --scale-steps 4 --width 2 --limit 4 --layers 3",
    "sngan": "",
    "spade": "--image-size 16 --width 2 --doublings 2 --hidden 4 --discriminator-width 2 --discriminator-layers 2 "
    "--encoder-size 16",
    "srgan": "--image-size 16 --factor 2 --width 4 --blocks 1 --discriminator-width 2 --pretraining 4",
    "stackgan": "--image-size 16 --text-size 4 --word-size 4 --text-steps 2 --text-batch 4 --sketch-steps 3 "
    "--refine-batch 4 --latent 4 --condition 4 --width 4 --discriminator-width 4",
    "stylegan": f"{_GROWING} --data digits --cutoff 2 --depth 2 --latent 4",
    "unrolled": "--look-ahead 2 --units 8",
    "vae": "--hidden 8 --latent 2 --importance-samples 0",
    "wgan": "--warm-up 2 --critic-steps 2",
    "wgan_gp": "--units 8 --critic-steps 2",
}
OPTIONS = {name: ["--batch-size", "8", "--devices", "1", *text.split()] for name, text in _TINY.items()}
"""What makes the small preset of every recipe tiny."""
