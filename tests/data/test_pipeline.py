"""The order of the images and the chunks that feed the step."""

import threading
import time

import jax
import numpy as np
import pytest

from genjax.data import Arrays, DataError, Files
from genjax.data.pipeline import batches, chunks, fits_on_device, order, permutation

LENGTH = 103


@pytest.fixture(scope="module")
def resident():
    generator = np.random.default_rng(0)
    return Arrays(
        {
            "images": generator.integers(0, 256, (LENGTH, 4, 5, 3), np.uint8),
            "labels": np.arange(LENGTH, dtype=np.int32),
        }
    )


@pytest.fixture(scope="module")
def streamed(resident):
    images = resident.arrays["images"]
    return Files(lambda index: images[index], LENGTH, resident.shape, resident.arrays["labels"])


def same(one, other):
    for (step, k, batch), (other_step, other_k, other_batch) in zip(one, other, strict=True):
        assert (step, k) == (other_step, other_k)
        assert batch.keys() == other_batch.keys()
        for name in batch:
            assert batch[name].dtype == other_batch[name].dtype
            np.testing.assert_array_equal(batch[name], other_batch[name])


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 64, 65, 1000])
def test_permutation_is_one(length):
    assert sorted(permutation(length, 3, 7)) == list(range(length))


def test_permutation_is_pinned():
    # The order of a stored run must never change with a release of this library or of NumPy.
    assert permutation(10, 0, 0).tolist() == [0, 2, 9, 1, 8, 5, 4, 3, 6, 7]


def test_permutations_differ_and_are_uniform():
    kinds = {tuple(permutation(20, seed, epoch)) for seed in range(4) for epoch in range(4)}
    assert len(kinds) == 16
    assert not np.array_equal(permutation(20, 1, 0), permutation(20, 0, 1))
    # Where element 0 lands over 2000 epochs: chi-square with 9 degrees of freedom, 99.9 % point 27.9.
    places = np.array([np.flatnonzero(permutation(10, 5, epoch) == 0)[0] for epoch in range(2000)])
    assert ((np.bincount(places, minlength=10) - 200) ** 2 / 200).sum() < 27.9
    # Successive elements are unrelated (a sort by low bits alone would make them ascend).
    assert abs(np.corrcoef(permutation(5000, 0, 0)[:-1], permutation(5000, 0, 0)[1:])[0, 1]) < 0.05


def test_order_is_random_access_and_covers_each_epoch():
    whole = order(LENGTH, 10, seed=4, start=0, count=35)
    assert whole.dtype == np.int32 and whole.shape == (35, 10)
    for start in (0, 3, 9, 10, 11, 24):
        np.testing.assert_array_equal(order(LENGTH, 10, 4, start, 5), whole[start : start + 5])
    for epoch in range(3):
        rows = whole[epoch * 10 : (epoch + 1) * 10].ravel()
        assert len(set(rows.tolist())) == 100 and set(rows.tolist()) <= set(range(LENGTH))
    assert not np.array_equal(whole, order(LENGTH, 10, 5, 0, 35))
    assert not np.array_equal(whole[:10], whole[10:20])


def test_order_is_fast():
    permutation(60000, 0, 0)
    times = []
    for epoch in range(1, 8):
        begin = time.perf_counter()
        permutation(60000, 0, epoch)
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.005


@pytest.mark.parametrize("batch_size", [0, LENGTH + 1])
def test_batch_size_is_refused(resident, batch_size):
    with pytest.raises(DataError, match=rf"batch size {batch_size} is not in 1 .. {LENGTH}.*choose a smaller"):
        order(LENGTH, batch_size, 0, 0, 1)
    with pytest.raises(DataError, match="batch size"):  # at once, not at the first batch
        chunks(resident, batch_size=batch_size, seed=0, stop=3)


def test_chunks_follow_the_order(resident):
    got = list(chunks(resident, batch_size=10, repeats=3, fuse=4, seed=1, start=5, stop=15, put=lambda batch: batch))
    assert [(step, k) for step, k, _ in got] == [(5, 4), (9, 4), (13, 2)]
    for step, k, batch in got:
        assert batch["images"].shape == (k, 3, 10, 4, 5, 3) and batch["images"].dtype == np.uint8
        expected = order(LENGTH, 10, 1, step * 3, k * 3).reshape(k, 3, 10)
        np.testing.assert_array_equal(batch["labels"], expected)
        np.testing.assert_array_equal(batch["images"], resident.arrays["images"][expected])


def test_a_resumed_run_sees_the_same_batches(resident):
    options = {"batch_size": 10, "repeats": 2, "seed": 1, "put": lambda batch: batch}
    whole = list(chunks(resident, fuse=1, stop=20, **options))
    same(list(chunks(resident, fuse=1, start=7, stop=20, **options)), whole[7:])


@pytest.mark.parametrize("workers", [1, 3])
def test_streaming_equals_resident(resident, streamed, workers):
    options = {"batch_size": 16, "repeats": 2, "fuse": 5, "seed": 9, "start": 2, "stop": 19, "put": lambda batch: batch}
    same(list(chunks(streamed, workers=workers, **options)), list(chunks(resident, **options)))


def test_slow_decodes_do_not_change_the_order(resident):
    images = resident.arrays["images"]

    def decode(index):
        time.sleep(0.002 * (index % 3))
        return images[index]

    slow = Files(decode, LENGTH, resident.shape, resident.arrays["labels"])
    options = {"batch_size": 8, "fuse": 3, "seed": 0, "stop": 12, "put": lambda batch: batch}
    same(list(chunks(slow, workers=6, **options)), list(chunks(resident, **options)))


def test_a_memory_mapped_split_gives_plain_arrays(resident, tmp_path):
    np.save(tmp_path / "images.npy", resident.arrays["images"])
    mapped = Arrays({**resident.arrays, "images": np.load(tmp_path / "images.npy", mmap_mode="r")})
    taken = mapped.take(np.array([3, 1]))
    assert type(taken["images"]) is np.ndarray
    np.testing.assert_array_equal(taken["images"], resident.arrays["images"][[3, 1]])


def test_chunks_are_put_on_the_device_ahead(resident):
    put = []

    def note(batch):
        put.append(threading.current_thread().name)
        return jax.device_put(batch)

    iterator = chunks(resident, batch_size=10, fuse=2, seed=0, stop=20, put=note, depth=2)
    _, _, batch = next(iterator)
    assert isinstance(batch["images"], jax.Array)
    deadline = time.time() + 5
    while len(put) < 3 and time.time() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(put) == 3  # the one in use and two ahead, no more
    assert all(name.startswith("genjax-data") for name in put)
    iterator.close()


def own_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith(("genjax-data", "grain"))]


@pytest.mark.parametrize("kind", ["resident", "streamed"])
def test_closing_ends_the_threads(request, kind):
    iterator = chunks(request.getfixturevalue(kind), batch_size=10, fuse=2, seed=0, stop=1000, put=lambda batch: batch)
    next(iterator)
    assert own_threads()
    iterator.close()
    deadline = time.time() + 5
    while own_threads() and time.time() < deadline:
        time.sleep(0.01)
    assert not own_threads()


def test_nothing_is_read_after_closing(resident):
    begun = []

    def put(batch):
        begun.append(1)
        time.sleep(0.05)
        return batch

    iterator = chunks(resident, batch_size=10, seed=0, stop=1000, put=put, depth=5)
    next(iterator)
    iterator.close()
    count = len(begun)
    assert count <= 3  # what waited was dropped, not worked off
    time.sleep(0.2)
    assert len(begun) == count


def test_an_error_while_decoding_reaches_the_caller(resident):
    def decode(index):
        raise DataError(f"picture-{index}.png is not a readable image")

    broken = Files(decode, LENGTH, resident.shape)
    with pytest.raises(DataError, match="picture-.* is not a readable image"):
        next(chunks(broken, batch_size=10, seed=0, stop=3))
    with pytest.raises(DataError, match=r"picture-.* is not a readable image"):
        next(batches(broken, 10))


def test_evaluation_batches_are_in_order(resident, streamed):
    for split in (resident, streamed):
        got = list(batches(split, 40))
        assert [len(batch["images"]) for batch in got] == [40, 40, 23]
        np.testing.assert_array_equal(np.concatenate([batch["labels"] for batch in got]), np.arange(LENGTH))
        np.testing.assert_array_equal(np.concatenate([batch["images"] for batch in got]), resident.arrays["images"])
    with pytest.raises(DataError, match="batch size 0"):
        next(batches(resident, 0))


def test_fits_on_device(resident, streamed):
    size = LENGTH * (4 * 5 * 3 + 4)
    assert fits_on_device(resident) and fits_on_device(resident, size)
    assert not fits_on_device(resident, size - 1)
    assert not fits_on_device(streamed)


@pytest.mark.parametrize("option", ["repeats", "fuse", "depth"])
def test_empty_chunks_are_refused(resident, option):
    with pytest.raises(DataError, match=f"{option} 0"):
        chunks(resident, batch_size=10, seed=0, stop=3, **{option: 0})
