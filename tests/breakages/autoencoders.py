"""Breakages of likelihoods, divergences, and the autoencoders."""

from tests.breakages.breakage import Breakage

LOSSES, NETWORKS, M2 = "tests/test_losses.py", "tests/autoencoders/test_networks.py", "tests/autoencoders/test_m2.py"
KL = (f"{LOSSES}::test_kl_agrees_with_monte_carlo",)
MARGINAL = (f"{M2}::test_marginalising_all_classes_at_once_equals_a_loop_over_them",)
UNLABELLED = (f"{NETWORKS}::test_unlabelled_images_give_label_embeddings_no_gradient",)

BREAKAGES = (
    Breakage(
        "the divergence has its sign turned",
        "genjax/losses/divergence.py",
        "return 0.5 * jnp.sum(mean**2 + jnp.expm1(log_variance) - log_variance, axis=-1)",
        "return -0.5 * jnp.sum(mean**2 + jnp.expm1(log_variance) - log_variance, axis=-1)",
        KL,
    ),
    Breakage(
        "the divergence takes log-variances for log-deviations",
        "genjax/losses/divergence.py",
        "jnp.expm1(log_variance) - log_variance, axis",
        "jnp.expm1(2 * log_variance) - 2 * log_variance, axis",
        KL,
    ),
    Breakage(
        "the divergence is averaged over latents",
        "genjax/losses/divergence.py",
        "return 0.5 * jnp.sum(mean**2",
        "return 0.5 * jnp.mean(mean**2",
        KL,
    ),
    Breakage(
        "a warm-up never ends",
        "genjax/losses/divergence.py",
        "return lambda step: weight * jnp.minimum(1.0, step / steps)",
        "return lambda step: weight * step / steps",
        (f"{LOSSES}::test_weights_by_step",),
    ),
    Breakage(
        "the Bernoulli likelihood is averaged over pixels",
        "genjax/losses/reconstruction.py",
        "nll = jnp.sum(jnp.where(logits > 0",
        "nll = jnp.mean(jnp.where(logits > 0",
        (f"{LOSSES}::test_bernoulli_nll_is_the_cross_entropy_summed_over_pixels",),
    ),
    Breakage(
        "the Bernoulli likelihood's gradient has its sign turned",
        "genjax/losses/reconstruction.py",
        "change = (sigmoid - _flat(images)) * _flat(d_logits)",
        "change = (_flat(images) - sigmoid) * _flat(d_logits)",
        (f"{LOSSES}::test_bernoulli_nll_keeps_value_and_gradient_where_a_sigmoid_is_saturated",),
    ),
    Breakage(
        "the Gaussian likelihood forgets the variance's own term",
        "genjax/losses/reconstruction.py",
        " / variance + jnp.log(variance) + _LOG_2PI)",
        " / variance + _LOG_2PI)",
        (f"{LOSSES}::test_gaussian_nll_is_the_normal_density",),
    ),
    Breakage(
        "the VAE takes variances for deviations",
        "genjax/autoencoders/vae.py",
        "latent = mean[:, None] + jnp.exp(0.5 * log_variance)[:, None] * noise",
        "latent = mean[:, None] + jnp.exp(log_variance)[:, None] * noise",
        (f"{NETWORKS}::test_draws_are_independent_and_as_wide_as_the_posterior_and_beta_weighs_the_divergence",),
    ),
    Breakage(
        "the CVAE takes variances for deviations",
        "genjax/autoencoders/cvae.py",
        "latent = mean[:, None] + jnp.exp(0.5 * log_variance)[:, None] * noise",
        "latent = mean[:, None] + jnp.exp(log_variance)[:, None] * noise",
        (f"{NETWORKS}::test_draws_are_independent_and_as_wide_as_the_posterior_and_beta_weighs_the_divergence",),
    ),
    Breakage(
        "the VAE adds no noise",
        "genjax/autoencoders/vae.py",
        "latent = mean[:, None] + jnp.exp(0.5 * log_variance)[:, None] * noise",
        "latent = mean[:, None] + 0 * noise",
        (f"{NETWORKS}::test_draws_are_independent_and_as_wide_as_the_posterior_and_beta_weighs_the_divergence",),
    ),
    Breakage(
        "all of the VAE's draws for an image have one noise",
        "genjax/autoencoders/vae.py",
        "(outputs, mean, log_variance), vae = nets.vae(images, noise,",
        "(outputs, mean, log_variance), vae = nets.vae(images, 0 * noise + noise[:, :1],",
        (f"{NETWORKS}::test_draws_are_independent_and_as_wide_as_the_posterior_and_beta_weighs_the_divergence",),
    ),
    Breakage(
        "all images of a VAE's batch have one noise",
        "genjax/autoencoders/vae.py",
        "(outputs, mean, log_variance), vae = nets.vae(images, noise,",
        "(outputs, mean, log_variance), vae = nets.vae(images, 0 * noise + noise[:1],",
        (f"{NETWORKS}::test_draws_are_independent_and_as_wide_as_the_posterior_and_beta_weighs_the_divergence",),
    ),
    Breakage(
        "the VAE ignores beta",
        "genjax/autoencoders/vae.py",
        "return nll + weight * kl, aux(",
        "return nll + kl, aux(",
        (f"{NETWORKS}::test_beta_may_be_a_schedule_of_the_step",),
    ),
    Breakage(
        "the CVAE ignores beta",
        "genjax/autoencoders/cvae.py",
        "return nll + weight * kl, aux(",
        "return nll + kl, aux(",
        (f"{NETWORKS}::test_draws_are_independent_and_as_wide_as_the_posterior_and_beta_weighs_the_divergence",),
    ),
    Breakage(
        "the CVAE's decoder is not told the label",
        "genjax/autoencoders/cvae.py",
        "return self.decode(latent, labels[:, None], train), mean",
        "return self.decode(latent, None, train), mean",
        UNLABELLED,
    ),
    Breakage(
        "the CVAE's labels are shifted by one image",
        "genjax/autoencoders/cvae.py",
        'images, labels, model = batch["images"], batch["labels"], nets.cvae.module',
        'images, labels, model = batch["images"], jnp.roll(batch["labels"], 1), nets.cvae.module',
        (f"{NETWORKS}::test_the_cvaes_loss_takes_every_image_with_its_own_label",),
    ),
    Breakage(
        "missing labels are taken for class 0",
        "genjax/nn/dense.py",
        "jax.nn.one_hot(labels, self.classes), table",
        "jax.nn.one_hot(jnp.maximum(labels, 0), self.classes), table",
        UNLABELLED,
    ),
    Breakage(
        "joined inputs all meet the first rows of the kernel",
        "genjax/nn/dense.py",
        "            start += part.shape[-1]\n",
        "",
        (f"{NETWORKS}::test_joining_equals_a_dense_layer_over_the_concatenation",),
    ),
    Breakage(
        "M2 leaves out the entropy of q(y|x)",
        "genjax/autoencoders/m2.py",
        "+ jnp.log(classes) - entropy",
        "+ jnp.log(classes)",
        MARGINAL,
    ),
    Breakage(
        "M2's classification term is a mean over all images",
        "genjax/autoencoders/m2.py",
        "cross_entropy = -jnp.sum(given * log_q) / count",
        "cross_entropy = -jnp.mean(jnp.sum(given * log_q, -1))",
        MARGINAL,
    ),
    Breakage(
        "M2 ignores beta",
        "genjax/autoencoders/m2.py",
        "weights * (nll + beta * kl)",
        "weights * (nll + kl)",
        MARGINAL,
    ),
    Breakage(
        "M2 takes variances for deviations",
        "genjax/autoencoders/m2.py",
        "latent = mean + jnp.exp(0.5 * log_variance) * noise",
        "latent = mean + jnp.exp(log_variance) * noise",
        MARGINAL,
    ),
    Breakage(
        "M2 believes its classifier where the label is known",
        "genjax/autoencoders/m2.py",
        "weights = jnp.where(known[:, None], given, jnp.exp(log_q))",
        "weights = jnp.exp(log_q)",
        (f"{M2}::test_known_labels_leave_the_classifier_to_its_own_term",),
    ),
    Breakage(
        "M2's labels are shifted by one image",
        "genjax/autoencoders/m2.py",
        'objective(nll, kl, log_q, batch["labels"], alpha',
        'objective(nll, kl, log_q, jnp.roll(batch["labels"], 1), alpha',
        (f"{M2}::test_labels_of_a_few_are_enough_to_predict_the_rest",),
    ),
)
