"""What passes between devices in one step: gradients and batch norm's sums, once each, and nothing else."""

import jax
import numpy as np
import pytest

from benchmarks import _devices, traffic
from genjax import parallel
from genjax.run.describe import parameters

SIZE, WIDTH = 16, 4


def counted(make, devices, batch=16):
    images = np.zeros((4, SIZE, SIZE, 3), np.float32)
    return traffic.traffic(_devices.dcgan(SIZE, WIDTH), make(jax.devices()[:devices]), images, batch)


def test_collectives_are_read_with_the_bytes_of_all_their_results():
    text = """
      %a.1 = f32[8]{0} all-reduce(%x), channel_id=1
      %b = (f32[3,4]{1,0}, bf16[5]{0}, /*index=2*/f32[]) all-reduce-start(%x, %y, %z), channel_id=2
      %c = f32[64,8]{1,0} all-gather(%d), dimensions={0}
      %d = f32[8]{0} add(%all-reduce.1, %y)
    """
    assert traffic.collectives(text) == [("all-reduce", 32), ("all-reduce", 48 + 10 + 4), ("all-gather", 2048)]


@pytest.mark.parametrize(
    ("make", "devices"),
    [
        (parallel.jit_plan, 2),
        pytest.param(parallel.jit_plan, 8, marks=pytest.mark.slow),
        pytest.param(parallel.pmap_plan, 2, marks=pytest.mark.slow),
        pytest.param(parallel.pmap_plan, 8, marks=pytest.mark.slow),
    ],
)
def test_only_gradients_and_statistics_pass_between_devices_and_work_is_shared(make, devices):
    found, game = counted(make, devices), _devices.dcgan(SIZE, WIDTH)
    assert set(found.bytes) == {"all-reduce"}
    # Beside gradients: metrics, batch norm's sums, of up to 2 * WIDTH channels, with their gradients, and by jit the
    # discriminator's gradients twice, those of real and of generated images apart. Of three channels, kernels of
    # [4, 4] meet pairs of pixels as two in [4, 6], and so do their gradients.
    held, twice = traffic.parameter_bytes(game), 4 * parameters(game)["discriminator"]
    pairs = 4 * (2 * 4 * 6 - 4 * 4) * 3 * WIDTH * 2
    assert held <= found.bytes["all-reduce"] < held + twice * (make is parallel.jit_plan) + 60 * 4 * 2 * WIDTH + pairs
    # What is left to each beside its share is the optimizers' update of all parameters.
    assert found.flops < 1.4 * counted(make, 1).flops / devices, "devices compute the same instead of their share"


@pytest.mark.slow
def test_traffic_does_not_grow_with_the_batch():
    assert counted(parallel.jit_plan, 4, 16).bytes == counted(parallel.jit_plan, 4, 32).bytes


def test_one_device_moves_nothing_by_jit():
    assert counted(parallel.jit_plan, 1).bytes == {}
