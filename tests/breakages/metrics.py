"""Breakages of scores."""

from tests.breakages.breakage import Breakage

TESTS = "tests/metrics"
NEIGHBOURS, KERNEL, FRECHET = (f"genjax/metrics/{name}.py" for name in ("precision_recall", "kernel", "frechet"))
DEFINITIONS = (f"{TESTS}/test_precision_recall.py::test_scores_equal_the_definitions_in_any_chunks",)
ESTIMATE = (f"{TESTS}/test_kernel.py::test_the_estimate_equals_its_definition",)
INFORMATION = (f"{TESTS}/test_inception_score.py::test_it_is_the_exponential_of_the_mutual_information",)
SCIKIT = (f"{TESTS}/test_image.py::test_psnr_and_ssim_equal_those_of_scikit_image_in_colour_and_on_cut_luma",)
EVIDENCE = ("tests/test_latent_metrics.py::test_bound_is_exact_for_any_k_under_the_true_posterior",)

BREAKAGES = (
    Breakage(
        "balls count their sphere",
        NEIGHBOURS,
        "inside = distances < squared_radii",
        "inside = distances <= squared_radii",
        (f"{TESTS}/test_precision_recall.py::test_scores_equal_those_of_the_authors_package",),
    ),
    Breakage(
        "a sample is its own nearest neighbour",
        NEIGHBOURS,
        "        distances[np.arange(len(rows)), start + np.arange(len(rows))] = np.inf\n",
        "",
        DEFINITIONS,
    ),
    Breakage(
        "precision and recall are swapped",
        NEIGHBOURS,
        "precision=float((inside > 0).mean()),\n        recall=float((recalled > 0).mean()),",
        "precision=float((recalled > 0).mean()),\n        recall=float((inside > 0).mean()),",
        DEFINITIONS,
    ),
    Breakage(
        "density is not divided by the number of neighbours",
        NEIGHBOURS,
        "density=float(inside.mean() / neighbours)",
        "density=float(inside.mean())",
        DEFINITIONS,
    ),
    Breakage(
        "equal distances are rounded apart",
        NEIGHBOURS,
        "        distances[at] = ((rows[at[0]] - others[at[1]]) ** 2).sum(1)",
        "        pass",
        (f"{TESTS}/test_precision_recall.py::test_the_same_set_in_any_order_is_perfect_and_a_far_one_nothing",),
    ),
    Breakage(
        "the kernel distance is the biased estimate",
        KERNEL,
        "return (_total(x, x) - own.sum()) / (len(x) * (len(x) - 1))",
        "return _total(x, x) / len(x) ** 2",
        ESTIMATE,
    ),
    Breakage(
        "the kernel is a square",
        KERNEL,
        'np.einsum("ij,ij,ij->", base, base, base)',
        'np.einsum("ij,ij->", base, base)',
        ESTIMATE,
    ),
    Breakage(
        "the kernel distance is summed in single precision",
        KERNEL,
        "x, y = (a.astype(np.float64) for a in checked(x, y))",
        "x, y = (a.astype(np.float32) for a in checked(x, y))",
        (f"{TESTS}/test_kernel.py::test_large_features_are_summed_in_float64_and_too_large_ones_refused",),
    ),
    Breakage(
        "the sliced distance takes NaN",
        "genjax/metrics/sliced.py",
        "a, b = checked(*(np.reshape(x, (len(x), -1)) for x in (a, b)), least=1)",
        "a, b = (np.reshape(x, (len(x), -1)) for x in (a, b))",
        (f"{TESTS}/test_sliced.py::test_values_that_are_not_finite_are_refused",),
    ),
    Breakage(
        "the sliced distance does not sort",
        "genjax/metrics/sliced.py",
        "np.abs(np.sort(a @ u, 0) - np.sort(b @ u, 0)).mean()",
        "np.abs(a @ u - b @ u).mean()",
        ("tests/test_mixtures.py::test_the_sliced_distance_of_a_shift_is_the_mean_projection_of_the_shift",),
    ),
    Breakage(
        "the sliced distance's directions are not unit vectors",
        "genjax/metrics/sliced.py",
        "    u /= np.linalg.norm(u, axis=0)\n",
        "",
        ("tests/test_mixtures.py::test_the_sliced_distance_of_a_shift_is_the_mean_projection_of_the_shift",),
    ),
    Breakage(
        "the class score leaves out the samples of an incomplete run",
        "genjax/metrics/inception_score.py",
        "ends = [i * len(p) // splits for i in range(splits + 1)]",
        "ends = [i * (len(p) // splits) for i in range(splits + 1)]",
        INFORMATION,
    ),
    Breakage(
        "the class score is a logarithm",
        "genjax/metrics/inception_score.py",
        "return np.exp((p * np.log(ratio)).sum(1).mean())",
        "return (p * np.log(ratio)).sum(1).mean()",
        INFORMATION,
    ),
    Breakage(
        "the Frechet distance forgets the means",
        FRECHET,
        "max(float(shift @ shift + traces - 2 * cross), 0.0)",
        "max(float(traces - 2 * cross), 0.0)",
        (f"{TESTS}/test_frechet.py::test_gaussians_with_a_closed_form",),
    ),
    Breakage(
        "the Frechet distance subtracts the cross term once",
        FRECHET,
        "max(float(shift @ shift + traces - 2 * cross), 0.0)",
        "max(float(shift @ shift + traces - cross), 0.0)",
        (f"{TESTS}/test_frechet.py::test_gaussians_with_a_closed_form",),
    ),
    Breakage(
        "covariances are divided by the count",
        FRECHET,
        "return self.scatter / (self.samples - 1)",
        "return self.scatter / self.samples",
        (f"{TESTS}/test_frechet.py::test_streamed_moments_equal_those_at_once_far_from_zero",),
    ),
    Breakage(
        "moments of batches forget how far apart their means are",
        FRECHET,
        "scatter = a.scatter + b.scatter + np.outer(shift, shift) * (a.samples * b.samples / count)",
        "scatter = a.scatter + b.scatter",
        (f"{TESTS}/test_frechet.py::test_streamed_moments_equal_those_at_once_far_from_zero",),
    ),
    Breakage(
        "one stray covers a mode",
        "genjax/metrics/modes.py",
        "LEAST = 0.25",
        "LEAST = 1e-9",
        (f"{TESTS}/test_modes.py::test_a_mode_counts_from_a_quarter_of_its_share_on",),
    ),
    Breakage(
        "samples belong to a mode within four deviations",
        "genjax/metrics/modes.py",
        "REACH = 3\n",
        "REACH = 4\n",
        (f"{TESTS}/test_modes.py::test_a_sample_belongs_within_three_deviations",),
    ),
    Breakage(
        "the divergence of modes is the other way round",
        "genjax/metrics/modes.py",
        "return float(np.sum(p * np.log(p / data[held])))",
        "return float(np.sum(data[held] * np.log(data[held] / p)))",
        (f"{TESTS}/test_modes.py::test_reverse_divergence_of_classes",),
    ),
    Breakage(
        "PSNR counts amplitudes as powers",
        "genjax/metrics/image.py",
        "return -10 * jnp.log10(",
        "return -20 * jnp.log10(",
        SCIKIT,
    ),
    Breakage(
        "SSIM has one constant for both factors",
        "genjax/metrics/image.py",
        "c1, c2 = 0.01**2, 0.03**2",
        "c1, c2 = 0.01**2, 0.01**2",
        SCIKIT,
    ),
    Breakage(
        "luma takes blue for red",
        "genjax/metrics/image.py",
        "65.481 * red + 128.553 * green + 24.966 * blue",
        "24.966 * red + 128.553 * green + 65.481 * blue",
        SCIKIT,
    ),
    Breakage(
        "no border is cut",
        "genjax/metrics/image.py",
        "return images[inside], targets[inside]",
        "return images, targets",
        SCIKIT,
    ),
    Breakage(
        "active units are told by their mean",
        "genjax/metrics/latent.py",
        "return jnp.var(means, axis=0) > threshold",
        "return jnp.mean(means, axis=0) > threshold",
        ("tests/test_latent_metrics.py::test_active_units_and_the_floor",),
    ),
    Breakage(
        "one sign is enough for the alarm of a collapse",
        "genjax/metrics/latent.py",
        "return sum(self.signs.values()) >= 2",
        "return sum(self.signs.values()) >= 1",
        ("tests/test_latent_metrics.py::test_one_sign_of_three_is_no_alarm",),
    ),
    Breakage(
        "the importance-weighted bound forgets the posterior's width",
        "genjax/metrics/likelihood.py",
        "jnp.sum(noise**2 + log_variance[:, None] - z**2, axis=-1)",
        "jnp.sum(noise**2 - z**2, axis=-1)",
        EVIDENCE,
    ),
    Breakage(
        "the importance-weighted bound is a sum, not a mean",
        "genjax/metrics/likelihood.py",
        "    return total - math.log(samples)",
        "    return total",
        EVIDENCE,
    ),
    Breakage(
        "purity asks for each class's best code",
        "genjax/metrics/clustering.py",
        "counts[matched].sum(), counts.max(1).sum()",
        "counts[matched].sum(), counts.max(0).sum()",
        (
            f"{TESTS}/test_clustering.py::test_two_codes_of_one_class_are_pure_but_not_accurate_and_renamed_codes_are_perfect",
        ),
    ),
    Breakage(
        "absent classes count as wrong",
        "genjax/metrics/segmentation.py",
        "out=np.full(classes, np.nan)",
        "out=np.zeros(classes)",
        (f"{TESTS}/test_segmentation.py::test_absent_classes_are_left_out_and_ignored_labels_count_nowhere",),
    ),
)
