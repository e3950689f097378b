"""Breakages of PresGAN, of Hamiltonian chains, and of annealed importance sampling."""

from tests.breakages.breakage import Breakage

HMC, PRESGAN = "tests/test_hmc.py", "tests/gans/test_presgan.py"
LEARNING = "tests/gans/test_fast_learning_presgan.py"
CHAINS, MODEL, LIKELIHOOD = "genjax/hmc.py", "genjax/gans/presgan.py", "genjax/metrics/likelihood.py"

BREAKAGES = (
    Breakage(
        "every end of a trajectory is taken",
        CHAINS,
        "acceptance.shape) < acceptance",
        "acceptance.shape) < 2 + 0 * acceptance",
        (f"{HMC}::test_a_skewed_step_leaves_the_target_invariant",),
    ),
    Breakage(
        "the momentum is not negated",
        CHAINS,
        "return end, -momentum",
        "return end, momentum",
        (f"{HMC}::test_the_same_leaps_lead_back",),
    ),
    Breakage(
        "a leap begins with a whole step of the momentum",
        CHAINS,
        "momentum = momentum + step_size / 2 * point.force\n        point",
        "momentum = momentum + step_size * point.force\n        point",
        (f"{PRESGAN}::test_trajectories", f"{HMC}::test_energy_drifts_by_the_square_of_the_step"),
    ),
    Breakage(
        "steps grow where too little is accepted",
        CHAINS,
        "(1 + chains.rate *",
        "(1 - chains.rate *",
        (f"{PRESGAN}::test_the_step_size_follows_the_acceptance",),
    ),
    Breakage(
        "a trajectory that runs away is taken",
        CHAINS,
        "jnp.isnan(loss), 0.0,",
        "jnp.isnan(loss), 1.0,",
        (f"{HMC}::test_a_trajectory_that_runs_away_is_not_taken",),
    ),
    Breakage(
        "chains always follow the prior's gradient alone",
        MODEL,
        "    if prior_only:\n",
        "    if True:\n",
        (f"{PRESGAN}::test_trajectories",),
    ),
    Breakage(
        "the score of the entropy's gradient is differentiated",
        MODEL,
        "score = jax.lax.stop_gradient((images - posterior_means) / sigma**2)",
        "score = (images - posterior_means) / sigma**2",
        (f"{PRESGAN}::test_the_surrogate_of_the_entropy_and_its_gradients",),
    ),
    Breakage(
        "images get no noise",
        MODEL,
        "nets.discriminator(images + noise)",
        "nets.discriminator(images)",
        (f"{PRESGAN}::test_images_and_samples_get_the_same_noise",),
    ),
    Breakage(
        "the entropy is made small",
        MODEL,
        "return fooling - weight * entropy",
        "return fooling + weight * entropy",
        (f"{LEARNING}::test_the_entropy_widens_the_noise_and_chains_accept_two_thirds",),
    ),
    Breakage(
        "the generator flees from where the discriminator sees data",
        MODEL,
        "fooling = adversarial.non_saturating_generator(nets.discriminator.output(fake))",
        "fooling = adversarial.non_saturating_generator(-nets.discriminator.output(fake))",
        (f"{LEARNING}::test_samples_come_to_where_the_data_are",),
    ),
    Breakage(
        "sigma leaves its bounds",
        MODEL,
        "bounded = optax.chain(noise_tx, clip_between(*noise.bounds))",
        "bounded = noise_tx",
        (f"{PRESGAN}::test_sigma_stays_within_its_bounds_where_the_entropy_pulls",),
    ),
    Breakage(
        "chains see a batch's statistics a tenth as large",
        MODEL,
        "share / (1 - MOMENTUM)",
        "share",
        (f"{PRESGAN}::test_mu_is_held_at_the_statistics_of_its_batch",),
    ),
    Breakage(
        "the step size is forgotten",
        MODEL,
        'memory={"step_size": found.step_size}, **metrics',
        "**metrics",
        (f"{PRESGAN}::test_the_step_size_is_remembered",),
    ),
    Breakage(
        "the likelihood leaves out the noise's volume",
        MODEL,
        " - jnp.log(sigma) - 0.5",
        " - 0.5",
        (f"{PRESGAN}::test_the_likelihood_is_that_of_independent_normals",),
    ),
    Breakage(
        "annealed weights gain the whole likelihood at every stair",
        LIKELIHOOD,
        "(power - before) * likelihoods(z)",
        "power * likelihoods(z)",
        (f"{PRESGAN}::test_annealing_finds_the_density",),
    ),
    Breakage(
        "the paper's PresGAN has another weight of the entropy",
        "train/presgan.py",
        "latent=100, weight=0.01",
        "latent=100, weight=0.1",
        ("tests/presets/test_values.py::test_a_published_preset_has_its_sources_values",),
    ),
)
