"""How well predicted label maps agree with the true ones: mean intersection over union, and the accuracy of pixels."""

from typing import NamedTuple

import numpy as np


class Segmentation(NamedTuple):
    """mean_iou over the classes that occur; pixel_accuracy; iou: float[classes], nan for one that does not; pixels."""

    mean_iou: float
    pixel_accuracy: float
    iou: np.ndarray
    pixels: int


def segmentation_scores(predicted, labels, classes: int, *, ignored: int | None = None) -> Segmentation:
    """Return IoU_c = |predicted c and labelled c| / |predicted c or labelled c| over all pixels of all images together.

    predicted, labels: int[images, height, width] in 0 .. classes - 1; a class that neither shows is left out of the
    mean, one that only one of them shows counts 0. ignored: a label whose pixels count nowhere.
    A map of one class throughout gets 1 / classes at most; the same segmenter on real images of the same maps is what
    generated images can reach. Published figures are over a whole validation set (500 to 5,000 images): the counts of
    small sets are dominated by large classes. Source: Everingham et al. 2010, The Pascal Visual Object Classes
    Challenge (IJCV 88). Raises ValueError for different shapes, or labels out of range.
    """
    predicted, labels = np.asarray(predicted), np.asarray(labels)
    if predicted.shape != labels.shape:
        raise ValueError(
            f"predicted maps {list(predicted.shape)} and true ones {list(labels.shape)} must have one shape; resize "
            "the prediction's logits to the labels' size"
        )
    counted = np.ones(labels.shape, bool) if ignored is None else labels != ignored
    predicted, labels = predicted[counted], labels[counted]
    if not labels.size:
        raise ValueError("there is no pixel to score: every label is the ignored one, or the maps are empty")
    for name, values in (("predicted", predicted), ("true", labels)):
        if values.dtype.kind not in "iu" or values.min() < 0 or values.max() >= classes:
            raise ValueError(
                f"{name} labels must be integers within 0 .. {classes - 1}, not {values.dtype} from {values.min()} to "
                f"{values.max()}; pass a label that stands for no class as `ignored`"
            )
    pairs = np.bincount(classes * labels.astype(np.int64) + predicted, minlength=classes**2).reshape(classes, classes)
    both = np.diag(pairs)
    either = pairs.sum(0) + pairs.sum(1) - both
    iou = np.divide(both, either, out=np.full(classes, np.nan), where=either > 0)
    return Segmentation(float(np.nanmean(iou)), float(both.sum() / pairs.sum()), iou, int(pairs.sum()))
