"""Breakages of exact derivatives, the maps made of them, and what judges maps."""

from tests.breakages.breakage import Breakage

DERIVATIVES, MAPS = "tests/saliency/test_derivatives.py", "tests/saliency/test_maps.py"
WINDOWS = "tests/saliency/test_windows.py"
SMOOTH, PROOF = "tests/saliency/test_smooth_layer.py", "tests/saliency/test_proof.py"
FAITHFUL, SANITY = "tests/saliency/test_faithfulness.py", "tests/saliency/test_sanity.py"
DIGITS = (f"{DERIVATIVES}::test_derivatives_match_seventy_digit_arithmetic",)
ALPHA = (f"{MAPS}::test_alpha_statistics_for_a_positive_linear_head",)
# Skipped where the reference data are not beside the checkout.
REFERENCE = (f"{MAPS}::test_maps_and_weights_match_the_float64_reference",)
ONE_LAYER = (f"{SMOOTH}::test_one_smooth_layer_needs_backward_passes_only",)
CALCULUS = "genjax/saliency/calculus"

BREAKAGES = (
    # Maps
    Breakage(
        "alpha drops the third derivative",
        "genjax/saliency/gradcam_pp.py",
        "denominator = 2 * second + coupled",
        "denominator = 2 * second",
        ALPHA,
    ),
    Breakage(
        "alpha forgets the sum of the activations",
        "genjax/saliency/gradcam_pp.py",
        "    coupled = total * third",
        "    coupled = third",
        ALPHA,
    ),
    Breakage(
        "denominators that cancel are not guarded",
        "genjax/saliency/gradcam_pp.py",
        "guarded = jnp.abs(denominator) <= guard * (2 * jnp.abs(second) + jnp.abs(coupled))",
        "guarded = denominator == 0",
        (f"{MAPS}::test_guarded_denominators_are_counted",),
    ),
    Breakage(
        "Grad-CAM++ weighs negative gradients too",
        "genjax/saliency/gradcam_pp.py",
        "weights = jnp.sum(share * jax.nn.relu(first), (0, 1))",
        "weights = jnp.sum(share * first, (0, 1))",
        REFERENCE,
    ),
    Breakage(
        "units that the score does not see are not counted as dead",
        "genjax/saliency/gradcam_pp.py",
        "(total * third == 0) & (used | (first == 0))",
        "(total * third == 0) & used",
        (f"{MAPS}::test_guarded_denominators_are_counted",),
    ),
    Breakage(
        "the authors' alpha is not normalised",
        "genjax/saliency/gradcam_pp.py",
        "return alpha / jnp.where(norm == 0, 1, norm), guarded",
        "return alpha, guarded",
        REFERENCE,
    ),
    Breakage(
        "Grad-CAM takes positive gradients alone",
        "genjax/saliency/gradcam.py",
        "weights = jnp.mean(_gradient(head, activations, class_index), (0, 1))",
        "weights = jnp.mean(jax.nn.relu(_gradient(head, activations, class_index)), (0, 1))",
        REFERENCE,
    ),
    Breakage(
        "CAM's weights are averaged instead of summed",
        "genjax/saliency/gradcam.py",
        "    weights = jnp.sum(gradient, (0, 1))",
        "    weights = jnp.mean(gradient, (0, 1))",
        (f"{MAPS}::test_cam_is_the_weights_of_the_dense_layer_and_refuses_other_heads",),
    ),
    Breakage(
        "maps show negative evidence",
        "genjax/saliency/explanation.py",
        "    values = jax.nn.relu(values)\n    peak = jnp.max(values)",
        "    values = jnp.abs(values)\n    peak = jnp.max(values)",
        (f"{MAPS}::test_a_zero_map_stays_zero_and_so_does_its_gradient",),
    ),
    Breakage(
        "maps are not scaled",
        "genjax/saliency/explanation.py",
        "return jnp.where(peak == 0, 0, values / jnp.where(peak == 0, 1, peak))",
        "return values",
        (f"{MAPS}::test_maps_are_the_weighted_channel_sum_scaled_to_one",),
    ),
    # Derivatives
    Breakage(
        "the third derivative of an exponential lacks a factor",
        f"{CALCULUS}/forward.py",
        "return u1, u1**2 + u2, u1**3 + 3 * u1 * u2 + u3",
        "return u1, u1**2 + u2, u1**3 + u1 * u2 + u3",
        DIGITS,
    ),
    Breakage(
        "a score sees a curve without its third derivative",
        f"{CALCULUS}/forward.py",
        "s0 + t * (s1 + t * (s2 / 2 + t * (s3 / 6)))",
        "s0 + t * (s1 + t * (s2 / 2))",
        DIGITS,
    ),
    Breakage(
        "the second derivative of a probability has its sign turned",
        f"{CALCULUS}/closed_form.py",
        "return -e1, 2 * e1**2 - e2, -6",
        "return -e1, e2 - 2 * e1**2, -6",
        DIGITS,
    ),
    Breakage(
        "the third derivative of a probability drops its third moment",
        f"{CALCULUS}/closed_form.py",
        "-6 * e1**3 + 6 * e1 * e2 - e3",
        "-6 * e1**3 + 6 * e1 * e2",
        DIGITS,
    ),
    Breakage(
        "the explained class is kept in sums in which it cancels",
        f"{CALCULUS}/closed_form.py",
        "others = jnp.where(jnp.arange(probabilities.size, dtype=jnp.int32) == class_index, 0, probabilities)",
        "others = probabilities",
        (f"{DERIVATIVES}::test_derivatives_close_to_certainty_keep_their_digits",),
    ),
    Breakage(
        "a logit of a piecewise linear head has a second derivative",
        f"{CALCULUS}/closed_form.py",
        "return derivatives._replace(second=nothing, third=nothing, residual=residual)",
        "return derivatives",
        DIGITS,
    ),
    Breakage(
        "entries of a window belong to the point of the lattice before theirs",
        f"{CALCULUS}/windows.py",
        "number = -((offset - first) // period)",
        "number = -((offset - first) // period) - 1",
        (f"{WINDOWS}::test_auto_takes_lattices_and_agrees_with_three_gradients",),
    ),
    Breakage(
        "dilated kernels have the window of dense ones",
        f"{CALCULUS}/windows.py",
        "Window(stride, low, low + (taps - 1) * dilation)",
        "Window(stride, low, low + taps - 1)",
        (f"{WINDOWS}::test_a_lattice_of_probes_has_the_derivatives_of_forward_mode",),
    ),
    Breakage(
        "a sum that is taken early counts a constant once",
        f"{CALCULUS}/sums.py",
        "return jnp.sum(jnp.broadcast_to(value, shape), axes, keepdims=True)",
        "return jnp.sum(value, axes, keepdims=True)",
        ("tests/saliency/test_series.py::test_sums_are_taken_before_linear_layers",),
    ),
    Breakage(
        "directions through attention take the rows of the first channel in their block",
        f"{CALCULUS}/directions.py",
        "[m.read(t)[channel, :, position + offset] for t in moved[m.variable]]",
        "[m.read(t)[0 * channel, :, position + offset] for t in moved[m.variable]]",
        ("tests/saliency/test_attention.py",),
    ),
    Breakage(
        "a sum of scaled values forgets what is fixed and the same everywhere",
        f"{CALCULUS}/sums.py",
        "return math.prod(fixed, start=jnp.expand_dims(sums, tuple(axes)))",
        "return jnp.expand_dims(sums, tuple(axes))",
        ("tests/saliency/test_series.py::test_sums_are_taken_before_linear_layers",),
    ),
    Breakage(
        "the third derivative of a logit drops its mixed term",
        f"{CALCULUS}/smooth.py",
        "f3 * s1**3 + 3 * f2 * s1 * s2 + f1 * s3)",
        "f3 * s1**3 + f1 * s3)",
        (f"{SMOOTH}::test_scores_of_one_logit_need_three_backward_passes",),
    ),
    Breakage(
        "the third derivative through a smooth layer takes the square of its kernel",
        f"{CALCULUS}/smooth_layer.py",
        "activations)[1] for n in (2, 3)])",
        "activations)[1] for n in (2, 2)])",
        ONE_LAYER,
    ),
    Breakage(
        "slopes before a smooth layer are not raised to the derivative's power",
        f"{CALCULUS}/smooth_layer.py",
        "tangent = tangent * slope**power",
        "tangent = tangent * slope",
        ONE_LAYER,
    ),
    Breakage(
        "more than one smooth layer is taken for one",
        f"{CALCULUS}/smooth_layer.py",
        "    if not linear:\n        raise _NotSmoothLayerError\n",
        "",
        (f"{SMOOTH}::test_other_heads_are_not_taken_for_one_smooth_layer",),
    ),
    Breakage(
        "every operation is taken for piecewise linear",
        f"{CALCULUS}/proof.py",
        "specs(inexact), specs(fixed)) <= STEP",
        "specs(inexact), specs(fixed)) >= CONSTANT",
        (f"{PROOF}::test_curved_is_refused_and_has_a_second_derivative",),
    ),
    # Scores, and what judges maps
    Breakage(
        "a log-probability counts its own class among the others",
        "genjax/saliency/scores.py",
        "others = jnp.arange(logits.shape[0], dtype=jnp.int32) != class_index",
        "others = jnp.arange(logits.shape[0], dtype=jnp.int32) >= 0",
        DIGITS,
    ),
    Breakage(
        "curves change the least important pixels first",
        "genjax/saliency/faithfulness.py",
        "jnp.argsort(-maps.reshape(batch, -1), axis=-1, stable=True)",
        "jnp.argsort(maps.reshape(batch, -1), axis=-1, stable=True)",
        (f"{FAITHFUL}::test_curves_go_by_falling_value_with_ties_in_reading_order",),
    ),
    Breakage(
        "the area under a curve counts its ends in full",
        "genjax/saliency/faithfulness.py",
        "(jnp.sum(curve, axis=-1) - (curve[..., 0] + curve[..., -1]) / 2) / (curve.shape[-1] - 1)",
        "jnp.mean(curve, axis=-1)",
        (f"{FAITHFUL}::test_percentages_by_hand",),
    ),
    Breakage(
        "imputed pixels weigh corners as sides",
        "genjax/saliency/faithfulness.py",
        "(i, j, 1 / 6 if i == 0 or j == 0 else 1 / 12)",
        "(i, j, 1 / 8)",
        (f"{FAITHFUL}::test_imputation_solves_the_linear_system_of_a_sparse_direct_solver",),
    ),
    Breakage(
        "equal values have different ranks",
        "genjax/saliency/sanity.py",
        "return (first + last) / 2",
        "return first.astype(jnp.float32)",
        (f"{SANITY}::test_rank_correlation_against_scipy_with_ties",),
    ),
    Breakage(
        "an overlay mixes the other way round",
        "genjax/saliency/overlay.py",
        "(1 - strength) * rgb + strength * heat",
        "strength * rgb + (1 - strength) * heat",
        ("tests/saliency/test_overlay.py::test_overlay_mixes_image_and_colours",),
    ),
)
