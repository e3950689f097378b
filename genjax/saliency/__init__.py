"""CAM, Grad-CAM and Grad-CAM++ with exact second and third derivatives.

    layer = split(network, variables, "stage4", image, train=False)     # any Flax Linen network, cut at a layer
    explain_batch = compiled(partial(explain, partial(grad_cam_pp, score=SOFTMAX), layer))
    result = explain_batch(images, class_indices)                       # .map .raw .weights .alpha .route ...
    print(result.route, remarks(result))                                # how it was computed, and what is wrong with it

A method maps one image's `(head, activations[height, width, channels], class_index)` to an `Explanation`; methods and
their options are Python objects. `diagonal_derivatives` gives the derivatives alone.
"""

from genjax.saliency.calculus.closed_form import piecewise_linear
from genjax.saliency.calculus.derivatives import auto, diagonal_derivatives
from genjax.saliency.calculus.directions import series_mode
from genjax.saliency.calculus.forward import (
    Derivatives,
    Route,
    exp_trick,
    forward_mode,
    reverse_mode,
    taylor_mode,
)
from genjax.saliency.calculus.pooled import per_position, pooled
from genjax.saliency.calculus.proof import Proof, prove_piecewise_linear
from genjax.saliency.compiled import compiled, hoisted
from genjax.saliency.explanation import (
    AlphaStatistics,
    Explanation,
    explain,
    pytorch_final_map,
    remarks,
    resize_map,
    scale_by_max,
    scale_by_range,
    scale_like_pytorch,
)
from genjax.saliency.gradcam import cam, cam_from_weights, grad_cam, grad_cam_plus, hires_cam, layer_cam
from genjax.saliency.gradcam_pp import exact_alpha, grad_cam_pp, official_alpha, pytorch_alpha
from genjax.saliency.scores import (
    EXP,
    LOGIT,
    SIGMOID,
    SOFTMAX,
    Score,
    class_log_probability,
    class_log_sigmoid,
    class_logit,
    class_probability,
)
from genjax.saliency.split import Split, layer_names, split, split_tokens

__all__ = [
    "EXP",
    "LOGIT",
    "SIGMOID",
    "SOFTMAX",
    "AlphaStatistics",
    "Derivatives",
    "Explanation",
    "Proof",
    "Route",
    "Score",
    "Split",
    "auto",
    "cam",
    "cam_from_weights",
    "class_log_probability",
    "class_log_sigmoid",
    "class_logit",
    "class_probability",
    "compiled",
    "diagonal_derivatives",
    "exact_alpha",
    "exp_trick",
    "explain",
    "forward_mode",
    "grad_cam",
    "grad_cam_plus",
    "grad_cam_pp",
    "hires_cam",
    "hoisted",
    "layer_cam",
    "layer_names",
    "official_alpha",
    "per_position",
    "piecewise_linear",
    "pooled",
    "prove_piecewise_linear",
    "pytorch_alpha",
    "pytorch_final_map",
    "remarks",
    "resize_map",
    "reverse_mode",
    "scale_by_max",
    "scale_by_range",
    "scale_like_pytorch",
    "series_mode",
    "split",
    "split_tokens",
    "taylor_mode",
]
