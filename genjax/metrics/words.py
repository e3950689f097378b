"""What the scores of runs are called in words, which direction is better, and what each is to be compared with."""

from typing import Literal, NamedTuple


class Word(NamedTuple):
    """words: of one score, with its unit in brackets.  better: its good direction, None where there is none.

    beside: the names of scores that belong into the same picture: what real images or no network at all reach.
    """

    words: str
    better: Literal["higher", "lower"] | None = None
    beside: tuple[str, ...] = ()


NATS = "nats per image"
WORDS = {
    "sliced_wasserstein": Word("distance to test images (sliced Wasserstein)", "lower", ("real_against_real",)),
    "real_against_real": Word("training images instead of samples"),
    "frechet": Word("distance of features to test images (Frechet, scenes network)", "lower", ("frechet_real",)),
    "frechet_real": Word("training images instead of samples"),
    "class_accuracy": Word("samples seen as the class asked for (share)", "higher", ("class_accuracy_of_real",)),
    "class_accuracy_of_real": Word("real images"),
    "label_kept": Word("images whose nearest real image has the right label (share)", "higher", ("label_real",)),
    "label_real": Word("real images"),
    "kept_ab": Word("labels kept from A to B (share)", "higher", ("real_b",)),
    "kept_ba": Word("labels kept from B to A (share)", "higher", ("real_a",)),
    "real_a": Word("real images of A"),
    "real_b": Word("real images of B"),
    "cycle_a": Word("error after A to B and back (pixel range 2)", "lower"),
    "cycle_b": Word("error after B to A and back (pixel range 2)", "lower"),
    "modes": Word("modes of the mixture that samples cover", "higher"),
    "near": Word("samples near a mode (share)", "higher"),
    "overlap": Word("overlap with the modes' equal shares (1 at most)", "higher"),
    "mode_divergence": Word("divergence of the modes' shares from equal ones (nats)", "lower"),
    "code_accuracy": Word("samples with the class of their code (share)", "higher"),
    "code_purity": Word("samples of the commonest class of their code (share)", "higher"),
    "read_accuracy": Word("test images whose code tells their class (share)", "higher"),
    "azimuth_fit": Word("movement that a turn explains (share)", "higher"),
    "l1": Word("error of test images (mean absolute, of a range of 1)", "lower", ("l1_mean", "l1_copy", "l1_bicubic")),
    "psnr": Word("peak signal-to-noise ratio (dB)", "higher", ("psnr_mean", "psnr_copy", "psnr_bicubic")),
    "ssim": Word("structural similarity (1 at most)", "higher", ("ssim_mean", "ssim_copy", "ssim_bicubic")),
    **{
        f"{name}_{made}": Word(text)
        for name in ("l1", "psnr", "ssim")
        for made, text in (("mean", "the mean image"), ("copy", "the input itself"), ("bicubic", "bicubic"))
    },
    "sharpness_share": Word("sharpness, of that of the right images", "higher"),
    "ssim_y": Word("structural similarity of brightness (1 at most)", "higher", ("ssim_y_bicubic",)),
    "ssim_y_bicubic": Word("bicubic enlarging"),
    "psnr_y": Word("peak signal-to-noise ratio of brightness (dB)", "higher", ("psnr_y_bicubic",)),
    "psnr_y_bicubic": Word("bicubic enlarging"),
    "sharpness": Word("sharpness", None, ("sharpness_real", "sharpness_bicubic")),
    "sharpness_real": Word("the right images"),
    "sharpness_bicubic": Word("bicubic enlarging"),
    "mean_iou": Word("maps that a segmenter sees (mean IoU)", "higher", ("mean_iou_real",)),
    "mean_iou_real": Word("real images"),
    "pixel_accuracy": Word("pixels of the class asked for (share)", "higher", ("pixel_accuracy_real",)),
    "pixel_accuracy_real": Word("real images"),
    "match": Word("what the caption says and a classifier sees (share)", "higher", ("match_real",)),
    "match_real": Word("real images"),
    "mixing": Word("place follows coarse styles more than colours do", "higher"),
    "layout_follows": Word("place follows coarse styles (share)", "higher"),
    "colours_follow": Word("colours follow coarse styles (share)", "lower"),
    "mixing_cost": Word("how much farther mixed samples are from test images", "lower"),
    "reconstruction_error": Word("error of the reconstruction (root mean square, of a range of 2)", "lower"),
    "diversity": Word("variation of samples (1: as the image's own)"),
    "patch_distance": Word("distance of patches to the image's", "lower", ("patch_distance_shuffled",)),
    "patch_distance_shuffled": Word("shuffled patches"),
    "layout_distance": Word("distance of large patches to the image's", "lower"),
    "single_image_frechet": Word("single image Frechet distance", "lower"),
    "nll": Word(f"reconstruction, negative log-likelihood ({NATS})", "lower"),
    "nll_at_mean": Word(f"reconstruction from the mean code ({NATS})", "lower"),
    "kl": Word(f"divergence of codes from the prior ({NATS})"),  # neither way: less of it is a worse reconstruction
    "neg_elbo": Word(f"negative ELBO ({NATS})", "lower"),
    "neg_log_p_iwae": Word(f"neg. log-likelihood, importance weighted ({NATS})", "lower", ("neg_elbo_iwae_images",)),
    "neg_elbo_iwae_images": Word("negative ELBO of the same images"),
    "active_units": Word("latents that are used", "higher"),
    "accuracy": Word("test images classified right (share)", "higher"),
    "cross_entropy": Word("cross entropy (nats)", "lower"),
}  # fmt: skip
"""{name of a score: its word}; names that are not here are shown as they are."""


def word(name: str) -> Word:
    """Return the word of a score, of its own name where there is none."""
    return WORDS.get(name, Word(name.replace("_", " ")))
