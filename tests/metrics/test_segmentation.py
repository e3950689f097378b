import numpy as np
import pytest
from sklearn.metrics import accuracy_score, jaccard_score

from genjax.metrics.segmentation import segmentation_scores

RANDOM = np.random.default_rng(5)
LABELS = RANDOM.integers(0, 4, (3, 8, 9))
PREDICTED = np.where(RANDOM.random(LABELS.shape) < 0.6, LABELS, RANDOM.integers(0, 4, LABELS.shape))


def test_scores_equal_those_of_scikit_learn():
    found = segmentation_scores(PREDICTED, LABELS, 4)
    expected = jaccard_score(LABELS.ravel(), PREDICTED.ravel(), average=None)
    np.testing.assert_allclose(found.iou, expected, rtol=1e-12)
    assert found.mean_iou == pytest.approx(expected.mean())
    assert found.pixel_accuracy == pytest.approx(accuracy_score(LABELS.ravel(), PREDICTED.ravel()))
    assert found.pixels == 216


def test_absent_classes_are_left_out_and_ignored_labels_count_nowhere():
    wide = segmentation_scores(PREDICTED, LABELS, 6)
    assert np.isnan(wide.iou[4:]).all()
    assert wide.mean_iou == segmentation_scores(PREDICTED, LABELS, 4).mean_iou
    one = segmentation_scores(np.zeros_like(LABELS), np.minimum(LABELS, 1), 2)
    assert one.iou[1] == 0 and one.mean_iou == one.iou[0] / 2
    unlabelled = np.where(RANDOM.random(LABELS.shape) < 0.3, 255, LABELS).astype(np.uint8)
    found = segmentation_scores(PREDICTED, unlabelled, 4, ignored=255)
    kept = unlabelled != 255
    np.testing.assert_allclose(found.iou, jaccard_score(LABELS[kept], PREDICTED[kept], average=None), rtol=1e-12)
    assert found.pixels == kept.sum()
    # bytes do not wrap around
    assert segmentation_scores(unlabelled, unlabelled, 256).mean_iou == 1


def test_bad_input_teaches():
    with pytest.raises(ValueError, match="must have one shape"):
        segmentation_scores(PREDICTED, LABELS[:, :-1], 4)
    with pytest.raises(ValueError, match=r"true labels must be integers within 0 \.\. 2, not int64 from 0 to 3"):
        segmentation_scores(np.minimum(PREDICTED, 2), LABELS, 3)
    with pytest.raises(ValueError, match="predicted labels must be integers"):
        segmentation_scores(PREDICTED / 2, LABELS, 4)
    with pytest.raises(ValueError, match="no pixel to score"):
        segmentation_scores(PREDICTED, np.full_like(LABELS, 9), 4, ignored=9)
