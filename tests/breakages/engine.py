"""Breakages of the step, the loop, resuming, phases, networks as values and devices."""

from tests.breakages.breakage import Breakage

STEP, LOOP, NETWORK = "genjax/engine/step.py", "genjax/engine/loop.py", "genjax/engine/network.py"
OF_STEP, OF_LOOP, OF_NETWORK = "tests/engine/test_step.py", "tests/engine/test_loop.py", "tests/engine/test_network.py"
CHECKPOINT, OF_CHECKPOINT = "genjax/engine/checkpoint.py", "tests/engine/test_checkpoint.py"
FOLDER, OF_FOLDER = "genjax/run/folder.py", "tests/run/test_folder.py"
DAMAGED = f"{OF_CHECKPOINT}::test_a_damaged_checkpoint_is_never_restored_as_something_else"
CONTRACT = "tests/test_contracts.py::test_four_mapped_devices_that_split_the_batch_equal_one_device_with_sgd"
NOISE = (f"{OF_STEP}::test_noise_is_an_examples_own_however_devices_split_the_batch",)
PARTS = (f"{OF_STEP}::test_one_device_eight_by_jit_and_eight_by_pmap_agree_with_batch_norm",)
RESUMED = (f"{OF_LOOP}::test_a_resumed_run_ends_with_the_bits_of_an_uninterrupted_one",)

BREAKAGES = (
    # The step
    Breakage(
        "the updates of a move are not carried to the next",
        STEP,
        "state = state.replace(params=params, opt_state={**state.opt_state, player.name: opt_state})",
        "state = state.replace(params=params)",
        ("tests/gans/test_golden.py::test_dcgan_trains_for_two_steps",),
    ),
    Breakage(
        "a gradient is taken with its sign turned",
        STEP,
        "jax.tree.map(lambda p, u: (p + u).astype(p.dtype), own, updates)",
        "jax.tree.map(lambda p, u: (p - u).astype(p.dtype), own, updates)",
        (f"{OF_STEP}::test_a_move_is_one_optax_step_on_the_gradient_of_what_the_player_owns",),
    ),
    Breakage(
        "the average never moves",
        STEP,
        "d * old + (1 - d) * x, state.ema[net]",
        "old + 0 * x, state.ema[net]",
        (f"{OF_STEP}::test_the_average_starts_as_a_copy_and_follows_its_recursion",),
    ),
    Breakage(
        "the average has its weights the other way round",
        STEP,
        "d * old + (1 - d) * x, state.ema[net]",
        "(1 - d) * old + d * x, state.ema[net]",
        (f"{OF_STEP}::test_the_average_starts_as_a_copy_and_follows_its_recursion",),
    ),
    Breakage(
        "the average is evaluated with the newest weights' statistics",
        "genjax/engine/state.py",
        'for name, x in variables.items() if name == "batch_stats"}}',
        "for name, x in variables.items() if name is None}}",
        (f"{OF_STEP}::test_the_average_starts_as_a_copy_and_follows_its_recursion",),
    ),
    Breakage(
        "an average that starts late starts at once",
        STEP,
        "jnp.where(state.step < game.ema_start, 0.0, decay)",
        "decay",
        (f"{OF_STEP}::test_an_average_that_starts_late_is_a_copy_until_then",),
    ),
    Breakage(
        "repeats of a player are ignored",
        STEP,
        "            if player.repeats == 1:",
        "            if True:",
        (f"{OF_STEP}::test_a_player_repeats_over_the_last_sub_batches_in_order",),
    ),
    Breakage(
        "a player's repeats use the first sub-batches instead of the last",
        STEP,
        "lambda x, n=player.repeats: x[-n:], batch)",
        "lambda x, n=player.repeats: x[:n], batch)",
        (f"{OF_STEP}::test_a_player_repeats_over_the_last_sub_batches_in_order",),
    ),
    Breakage(
        "all repeats of a player draw the same random numbers",
        STEP,
        "keys = jax.random.split(player_key, player.repeats)",
        "keys = jax.numpy.broadcast_to(player_key, (player.repeats,))",
        (f"{OF_STEP}::test_no_two_draws_of_a_step_and_no_two_networks_are_the_same",),
    ),
    Breakage(
        "all parts of an accumulated batch draw the same random numbers",
        STEP,
        "batch, jax.random.fold_in(key, index), scale=scale)",
        "batch, key, scale=scale)",
        (f"{OF_STEP}::test_no_two_draws_of_a_step_and_no_two_networks_are_the_same",),
    ),
    Breakage(
        "accumulated gradients are summed instead of averaged",
        STEP,
        "jax.tree.map(lambda g: g / parts, total)",
        "jax.tree.map(lambda g: g, total)",
        (f"{OF_STEP}::test_accumulated_gradients_equal_the_whole_batch",),
    ),
    Breakage(
        "all players of a step draw the same random numbers",
        STEP,
        "player_key = rng.named(key, player.name)",
        "player_key = key",
        (f"{OF_STEP}::test_no_two_draws_of_a_step_and_no_two_networks_are_the_same",),
    ),
    Breakage(
        "all steps of a run draw the same random numbers",
        STEP,
        "        key = rng.at_step(key, state.step)\n        metrics: Metrics",
        "        metrics: Metrics",
        NOISE,
    ),
    Breakage(
        "all examples of a batch are prepared with one key",
        STEP,
        "    keys = jax.vmap(lambda key: parallel.rows(jax.random.split, key, (count,)))",
        "    keys = jax.vmap(lambda key: jnp.broadcast_to(key, (count,)))",
        NOISE,
    ),
    Breakage(
        "gradients are not averaged over devices",
        STEP,
        "        gradient, metrics, variables = lax.pmean((gradient, metrics, variables), axis)",
        "        metrics, variables = lax.pmean((metrics, variables), axis)",
        PARTS,
    ),
    Breakage(
        "running statistics are each device's own",
        STEP,
        "        state = state.replace(variables={**state.variables, **variables})\n    if scale",
        "    if scale",
        (f"{OF_STEP}::test_statistics_that_a_network_takes_of_its_own_rows_are_averaged_over_devices",),
    ),
    Breakage(
        "the scale of a loss is not divided out of its gradient",
        STEP,
        "        gradient = precision.unscaled(gradient, scale)",
        "        pass",
        (f"{OF_STEP}::test_a_scaled_loss_moves_like_an_unscaled_one",),
    ),
    Breakage(
        "a move whose gradient overflowed is made all the same",
        STEP,
        "return new if new is old else jnp.where(finite, new, old)",
        "return new",
        (f"{OF_STEP}::test_an_overflow_is_skipped_without_a_trace_and_the_scale_recovers",),
    ),
    Breakage(
        "a network's statistics may be changed by another player",
        STEP,
        "    foreign = sorted(set(aux.variables) - set(player.owns))",
        "    foreign = []",
        (f"{OF_STEP}::test_statistics_of_a_network_change_only_in_its_owners_moves",),
    ),
    Breakage(
        "a loss's memory is thrown away",
        STEP,
        "memory={**state.memory, **aux.memory})",
        "memory=state.memory)",
        (f"{OF_STEP}::test_a_player_repeats_over_the_last_sub_batches_in_order",),
    ),
    # Networks as values, and games of two sides
    Breakage(
        "networks train in evaluation mode",
        NETWORK,
        "*inputs, train=True, mutable",
        "*inputs, train=False, mutable",
        ("tests/gans/test_golden.py::test_dcgan_generator_moves",),
    ),
    Breakage(
        "spectral norm's u moves in the generator's move",
        NETWORK,
        "        if not self.owned:\n            return self.output(*inputs, key=key, **options), self\n",
        "",
        ("tests/engine/test_network.py::test_another_players_network_sees_this_batch_and_comes_back_as_it_was",),
    ),
    Breakage(
        "a network forgets what its call changed",
        NETWORK,
        "return output, replace(self, variables={**self.variables, **changed})",
        "return output, self",
        (f"{OF_NETWORK}::test_an_owned_network_comes_back_with_all_that_a_call_changed",),
    ),
    Breakage(
        "the critic's steps are ignored",
        "genjax/engine/adversarial.py",
        "return Player(side.name, loss, side.tx, (side.name,), side.repeats)",
        "return Player(side.name, loss, side.tx, (side.name,))",
        (
            "tests/gans/test_games.py::test_the_critic_moves_five_times_a_step_on_a_batch_each_and_its_distance_is_minus_its_loss",
        ),
    ),
    Breakage(
        "players that move at once also move each other's network",
        "genjax/engine/adversarial.py",
        "held, total, whole = jax.lax.stop_gradient(state.params), jnp.float32(0), Aux()",
        "held, total, whole = state.params, jnp.float32(0), Aux()",
        ("tests/gans/test_games.py::test_simultaneous_moves_take_both_gradients_at_the_old_parameters",),
    ),
    Breakage(
        "the generator's average is left out of the game",
        "genjax/engine/adversarial.py",
        'ema={} if ema is None else {"generator": ema},',
        "ema={},",
        ("tests/gans/test_pggan.py::test_the_average_follows_its_recursion",),
    ),
    # The loop, resuming, phases
    Breakage(
        "first weights do not depend on the run's seed",
        LOOP,
        "key, begun = jax.random.key(seed), time.perf_counter()",
        "key, begun = jax.random.key(0), time.perf_counter()",
        (f"{OF_LOOP}::test_first_weights_order_and_noise_follow_from_the_seed",),
    ),
    Breakage(
        "noise does not depend on the run's seed",
        LOOP,
        "    key = jax.random.key(run.seed)\n",
        "    key = jax.random.key(0)\n",
        (f"{OF_LOOP}::test_first_weights_order_and_noise_follow_from_the_seed",),
    ),
    Breakage(
        "the order of the images does not depend on the run's seed",
        LOOP,
        "order(len(split), size, self.seed + retry, skip",
        "order(len(split), size, retry, skip",
        (f"{OF_LOOP}::test_first_weights_order_and_noise_follow_from_the_seed",),
    ),
    Breakage(
        "going back to a checkpoint repeats the random numbers that diverged",
        LOOP,
        '    key = rng.named(key, f"retry {retry}") if retry else key\n',
        "",
        (f"{OF_LOOP}::test_rolling_back_takes_other_random_numbers_and_gives_up_in_the_end",),
    ),
    Breakage(
        "a loss that is not finite goes on",
        "genjax/engine/divergence.py",
        "        bad = ~np.isfinite(losses)",
        "        bad = np.zeros(losses.shape, bool)",
        (f"{OF_LOOP}::test_a_loss_that_is_not_finite_stops_a_run_without_a_folder_too",),
    ),
    Breakage(
        "a later phase begins with the images of the first again",
        LOOP,
        "if other.feed.split is feed.split) // feed.batch_size",
        "if other.feed.split is None) // feed.batch_size",
        ("tests/engine/test_calls.py::test_a_later_phase_goes_on_with_the_images_where_the_one_before_stopped",),
    ),
    Breakage(
        "a resumed run drops its memory",
        "genjax/engine/checkpoint.py",
        "    return processes.arrays_from_first(state), meta",
        "    blank = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), state.memory)\n"
        "    return processes.arrays_from_first(state.replace(memory=blank)), meta",
        ("tests/test_contracts.py::test_saved_and_restored_it_continues_as_if_nothing_had_happened[cyclegan]",),
    ),
    Breakage(
        "a resumed run drops its averages",
        "genjax/engine/checkpoint.py",
        "    return processes.arrays_from_first(state), meta",
        "    return processes.arrays_from_first(state.replace(ema=state.params)), meta",
        RESUMED,
    ),
    Breakage(
        "a resumed run's optimizers start afresh",
        "genjax/engine/checkpoint.py",
        "    return processes.arrays_from_first(state), meta",
        "    blank = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), state.opt_state)\n"
        "    return processes.arrays_from_first(state.replace(opt_state=blank)), meta",
        RESUMED,
    ),
    Breakage(
        "networks are not carried into the next phase",
        "genjax/engine/phases.py",
        "        return other if fits else leaf",
        "        return leaf",
        ("tests/gans/test_pggan.py::test_growth_keeps_networks_and_averages_and_starts_optimizers_afresh",),
    ),
    Breakage(
        "optimizers go on with the old moments where they are to start afresh",
        "genjax/engine/phases.py",
        "    return carry_over(old, fresh).replace(opt_state=fresh.opt_state)",
        "    return carry_over(old, fresh)",
        ("tests/gans/test_pggan.py::test_growth_keeps_networks_and_averages_and_starts_optimizers_afresh",),
    ),
    Breakage(
        "all networks of a game are initialised with one key",
        "genjax/engine/state.py",
        "collections = dict(init(rng.named(key, net)))",
        "collections = dict(init(key))",
        (f"{OF_STEP}::test_no_two_draws_of_a_step_and_no_two_networks_are_the_same",),
    ),
    # Devices
    Breakage(
        "every mapped device draws the same rows",
        "genjax/parallel.py",
        "    return own_rows(draw(key, (count * jax.lax.axis_size(axis), *rest)), count)",
        "    return draw(key, (count, *rest))",
        NOISE,
    ),
    Breakage(
        "a replay pool sees its own device's images alone",
        "genjax/parallel.py",
        "    return x if axis is None else jax.lax.all_gather(x, axis, tiled=True)",
        "    return x",
        (f"{CONTRACT}[pggan]",),
    ),
    Breakage(
        "convolutions of steps are left to the library that keeps them on one core",
        "genjax/parallel.py",
        "out_shardings=(None, whole), compiler_options=options)",
        "out_shardings=(None, whole))",
        ("tests/test_cpu.py::test_steps_are_compiled_so",),
    ),
    Breakage(
        "programs give back their memory after every step",
        "genjax/cpu.py",
        "        mallopt(_MMAP_THRESHOLD, 2**31 - 1)",
        "        pass",
        ("tests/test_cpu.py::test_memory_is_kept_between_calls",),
    ),
    # Checkpoints, folders and metrics
    Breakage(
        "a checkpoint whose arrays have changed is restored",
        CHECKPOINT,
        '    if contents(state) != meta["contents"]:',
        "    if False:",
        (f"{OF_CHECKPOINT}::test_whole_arrays_that_are_not_those_that_were_saved_are_noticed",),
    ),
    Breakage(
        "there is no way back from a damaged checkpoint",
        CHECKPOINT,
        "                if step == steps[-1]:",
        "                if True:",
        (DAMAGED,),
    ),
    Breakage(
        "checkpoints that a kill has left stay for ever",
        CHECKPOINT,
        "    surplus = sorted(manager.all_steps())[:-keep]",
        "    surplus = []",
        (f"{OF_CHECKPOINT}::test_what_a_killed_run_had_no_time_to_remove_is_removed_when_it_is_resumed",),
    ),
    Breakage(
        "a writer that has been given up outlives the run",
        CHECKPOINT,
        "                thread.join(PATIENCE)",
        "                pass",
        (f"{OF_CHECKPOINT}::test_writers_that_are_given_up_have_ended_when_checkpoints_are_closed",),
    ),
    Breakage(
        "what a killed run did not report is never reported",
        LOOP,
        "            if start and run.due(start, settings.evaluate_every):",
        "            if False:",
        (f"{OF_CHECKPOINT}::test_what_a_killed_run_saved_and_did_not_report_is_reported_when_it_is_resumed",),
    ),
    Breakage(
        "a row of metrics that has changed is read",
        "genjax/engine/log.py",
        "    if row.pop(CHECK, _check(row)) != _check(row):",
        '    if row.pop(CHECK, None) == "":',
        (f"{OF_CHECKPOINT}::test_damaged_lines_of_metrics_are_left_out_and_named",),
    ),
    Breakage(
        "two runs write to one folder",
        FOLDER,
        "        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)",
        (f"{OF_FOLDER}::test_a_folder_has_one_writer_whose_lock_ends_with_it",),
    ),
    Breakage(
        "a run is continued with other values without a word",
        FOLDER,
        "for k in sorted(old | new) if old.get(k) != new.get(k)]",
        "for k in sorted(old | new) if False]",
        (
            "tests/test_cli.py::test_resuming_takes_what_is_not_given_from_the_run_and_refuses_other_values_unless_forced",
        ),
    ),
    Breakage(
        "a signal that is ignored is heard all the same",
        "genjax/engine/signals.py",
        "        if signal.getsignal(number) is signal.SIG_IGN:",
        "        if False:",
        (f"{OF_LOOP}::test_a_hang_up_is_a_wish_to_stop_unless_it_is_ignored",),
    ),
)
