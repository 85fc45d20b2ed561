"""The hash against plain integers of Python, and how even it is."""

import numpy as np
import pytest
from scipy import stats

from mobilellm_lab.arms import SEEDS, VALIDATION_SEED
from mobilellm_lab.tasks.randomness import hash_u32, integers, split_seed

SPLITS = ("train", "validation", "test")


def mix(x: int) -> int:
    """lowbias32 as its author wrote it in C, in Python's unlimited integers cut to 32 bits."""
    x ^= x >> 16
    x = x * 0x7FEB352D & 0xFFFFFFFF
    x ^= x >> 15
    x = x * 0x846CA68B & 0xFFFFFFFF
    return x ^ x >> 16


def plain(seed: int, sequence: int, draw: int) -> int:
    return mix(mix(mix(seed & 0xFFFFFFFF) ^ sequence) ^ draw)


def draws(high, *, seed=5, sequences=500, length=40):
    return integers(high, seed, np.arange(sequences)[:, None], np.arange(length))


def test_known_values():
    # Fixed for good: another language can check its generator against them.
    numbers = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (7, 123, 45)]
    found = [hash_u32(seed, np.array([sequence]), draw).item() for seed, sequence, draw in numbers]
    assert found == [0, 1753845952, 1492470133, 604019821, 541429027] == [plain(*three) for three in numbers]


def test_the_published_inverse_takes_the_hash_back():
    """Hash Prospector prints the inverse's multipliers as well; a wrong digit in ours would not survive them."""
    x = hash_u32(0, np.arange(1000), 0)  # mix(mix(i))
    with np.errstate(over="ignore"):
        for _ in range(2):
            x = (x ^ x >> np.uint32(16)) * np.uint32(0x43021123)
            x = (x ^ x >> np.uint32(15) ^ x >> np.uint32(30)) * np.uint32(0x1D69E2A5)
            x = x ^ x >> np.uint32(16)
    assert x.tolist() == list(range(1000))


def test_every_value_is_that_of_plain_integers():
    numbers = [0, 1, 2, 95, 2**16, 2**31 - 1, 2**31, 2**32 - 1]
    for seed in numbers:
        found = hash_u32(seed, np.array(numbers)[:, None], np.array(numbers))
        assert found.dtype == np.uint32
        assert found.tolist() == [[plain(seed, sequence, draw) for draw in numbers] for sequence in numbers]


@pytest.mark.parametrize("high", [1, 2, 6, 10, 1000, 2**31])
def test_integers_are_the_high_bits_of_hash_times_high(high):
    found = draws(high, sequences=20, length=10)
    assert found.dtype == np.int64
    assert found.tolist() == [[plain(5, i, t) * high >> 32 for t in range(10)] for i in range(20)]
    assert 0 <= found.min() and found.max() < high


def test_each_element_may_have_its_own_range():
    high = np.array([1, 2, 6, 100])
    found = integers(high, 0, np.arange(50)[:, None], np.arange(4))
    assert found.tolist() == [[plain(0, i, t) * int(h) >> 32 for t, h in enumerate(high)] for i in range(50)]


def test_the_shape_is_that_of_sequence_and_draw_broadcast():
    assert hash_u32(0, np.arange(3)[:, None], np.arange(4)).shape == (3, 4)
    assert hash_u32(0, np.arange(3), 2).shape == (3,)


@pytest.mark.parametrize("high", [2, 6, 7, 64])
def test_draws_are_even_and_neighbours_independent(high):
    """Chi-square on 20,000 draws, and on pairs that follow in a sequence, in the next sequence, under the next seed."""
    here, next_seed = draws(high), draws(high, seed=6)
    assert 1e-4 < stats.chisquare(np.bincount(here.ravel(), minlength=high)).pvalue < 1 - 1e-4
    if high > 7:
        return  # too many pairs for so few draws
    for a, b in ((here[:, :-1], here[:, 1:]), (here[:-1], here[1:]), (here, next_seed)):
        pairs = np.bincount((a * high + b).ravel(), minlength=high**2)
        assert 1e-4 < stats.chisquare(pairs).pvalue < 1 - 1e-4


def test_every_bit_is_set_half_of_the_time():
    bits = hash_u32(3, np.arange(400)[:, None], np.arange(50))[..., None] >> np.arange(32, dtype=np.uint32) & 1
    assert np.abs(bits.mean((0, 1)) - 0.5).max() < 4.5 * 0.5 / np.sqrt(20_000)


def test_the_course_trains_on_no_sequence_that_it_measures():
    """Sequence q of one seed is sequence q ^ mix(a) ^ mix(b) of another: ours are far enough apart."""
    for trained in (*SEEDS, VALIDATION_SEED):
        for held_out in ("validation", "test"):
            assert mix(split_seed(trained, "train")) ^ mix(split_seed(0, held_out)) > 2**20


def test_the_inputs_are_left_alone():
    sequence, draw = np.arange(5), np.arange(5)
    hash_u32(1, sequence, draw)
    assert sequence.tolist() == draw.tolist() == [0, 1, 2, 3, 4]


def test_no_two_splits_or_seeds_share_a_seed():
    seeds = [split_seed(seed, split) for seed in [*range(1000), 2**30 - 1] for split in SPLITS]
    assert len(set(seeds)) == len(seeds)
    assert 0 <= min(seeds) and max(seeds) < 2**32  # the hash tells them apart


@pytest.mark.parametrize(
    ("seed", "split", "message"),
    [
        (0, "dev", "split='dev': choose one of train, validation, test"),
        (-1, "train", "seed=-1: must be between 0 and 1073741823"),
        (2**30, "test", "seed=1073741824"),
    ],
)
def test_refused(seed, split, message):
    with pytest.raises(ValueError, match=message):
        split_seed(seed, split)
