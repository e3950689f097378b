"""Convolutions of compiled steps are XLA's own, on all cores, and their memory is kept from call to call."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from genjax import cpu, parallel

STEP = """
import resource, sys
import jax, jax.numpy as jnp
from genjax.run import devices
if "kept" in sys.argv:
    devices.configure(cache=False)
step = jax.jit(lambda x, rows: x.at[rows].add(1.0).sum())  # of a copy, 64 MiB
x, rows = jnp.ones((4096, 4096)), jnp.arange(3)
touched = []
for _ in range(16):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    step(x, rows).block_until_ready()
    touched.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(sorted(touched)[8])  # where small arrays are put keeps the first few calls from finding room again
"""


def convolution(x, kernel):
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def holders(program, state=(), *rest):
    """The computations of the compiled program that hold a convolution: YNNPACK's are fusions."""
    text = program.lower(state, jnp.ones((8, 16, 16, 16)), jnp.ones((3, 3, 16, 32)), *rest).compile().as_text()
    return [part.split()[0] for part in text.split("\n\n") if "convolution(" in part]


def test_convolutions_are_left_to_the_routine_that_uses_all_cores():
    options = cpu.compiler_options("cpu")
    assert options, "this XLA does not know the option"
    assert holders(jax.jit(lambda _, *inputs: convolution(*inputs), compiler_options=options)) == ["ENTRY"]


def test_steps_are_compiled_so():
    plan = parallel.jit_plan(jax.devices()[:1])
    run = plan.compile(lambda state, x, kernel, key: (state, {"y": convolution(x, kernel)}))
    assert holders(run, {}, None) == ["ENTRY"]


def test_other_platforms_and_a_compiler_without_the_option_get_none(monkeypatch):
    assert cpu.compiler_options("gpu") == {}
    monkeypatch.setattr(cpu, "_LIBRARY", {"xla_cpu_no_such_option": "1"})
    assert cpu.compiler_options.__wrapped__("cpu") == {}


@pytest.mark.skipif(sys.platform != "linux", reason="glibc keeps memory")
def test_memory_is_kept_between_calls():
    alone = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}  # without virtual devices

    def touched(*given):
        command = [sys.executable, "-c", STEP, *given]
        return int(subprocess.run(command, capture_output=True, check=True, text=True, env=alone).stdout)

    kept, returned = touched("kept"), touched()
    assert kept < returned / 10, f"{kept} pages were touched anew, {returned} without"


def test_a_program_is_compiled_so_too_with_what_else_jit_takes_and_may_be_part_of_another():
    run = cpu.program(lambda x, kernel, times: times * convolution(x, kernel), static_argnames="times")
    x, kernel = jnp.ones((1, 4, 4, 3)), jnp.ones((3, 3, 3, 2))
    right = 2 * convolution(x, kernel)
    assert jnp.array_equal(run(x, kernel, times=2), right)
    assert jnp.array_equal(jax.jit(lambda x: run(x, kernel, times=2))(x), right)
