"""Four columns that never mix, each against numbers that somebody else counted."""

import itertools
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from mobilellm_lab import zoo
from mobilellm_lab.measuring import (
    InMemory,
    Latency,
    Measured,
    OnDisk,
    Theoretical,
    in_memory,
    measured,
    on_disk,
    resident,
    theoretical_kv,
    theoretical_weights,
)
from mobilellm_lab.model import KVCache, Transformer

CONFIG = zoo.solve(60_000, 2, vocab_size=64, n_heads=4, n_kv_heads=2, max_seq_len=32)
MIB = 2**20
# Prints how many MiB a process grows by a block of 64: as `resident` says, and as the system does.
GROW = """
import os, psutil
from mobilellm_lab.measuring import resident
ours, theirs = resident(), psutil.Process().memory_info().rss
block = bytearray(b"x") * (64 * 2**20)
print((resident(os.getpid()) - ours).mib, (psutil.Process().memory_info().rss - theirs) / 2**20)
"""
ONE_OF_EACH = (Theoretical(bytes=MIB), OnDisk(bytes=MIB), InMemory(bytes=MIB), Measured(ms=float(MIB)))


@pytest.mark.parametrize("a, b", list(itertools.permutations(ONE_OF_EACH, 2)), ids=lambda column: column.KIND)
@pytest.mark.parametrize(
    "operation",
    [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a / b,
        lambda a, b: a < b,
        lambda a, b: a <= b,
        lambda a, b: a > b,
        lambda a, b: a >= b,
        lambda a, b: a == b,
        lambda a, b: a != b,
        lambda a, b: a * b,
        lambda a, b: sum([a, b]),
        lambda a, b: max(a, b),
        lambda a, b: sorted([a, b]),
    ],
)
def test_different_columns_refuse_each_other(a, b, operation):
    with pytest.raises(TypeError, match=r"(?s)cannot .*(column of its own|plain number)"):
        operation(a, b)


@pytest.mark.parametrize("column", ONE_OF_EACH, ids=lambda column: column.KIND)
def test_a_plain_number_scales_but_does_not_add(column):
    assert 2 * column == column * 2 == column + column
    assert (column * 3) / 3 == column and (column * 3) / column == 3
    for operation in (
        lambda: column + 1,
        lambda: 1 + column,
        lambda: column < 1,
        lambda: column == 1,
        lambda: 0.0 + column,
    ):
        with pytest.raises(TypeError, match="plain"):
            operation()


def test_one_column_adds_up_and_compares():
    small, large = Theoretical(bytes=MIB), Theoretical(bytes=3 * MIB)
    assert sum([small, large]) == Theoretical(bytes=4 * MIB) and large - small == 2 * small
    assert small < large and small <= large and large > small and large >= small and small != large
    assert large / small == 3 and max(small, large) is large and large.mib == 3
    assert len({small, Theoretical(bytes=MIB), large}) == 2


def test_the_message_names_both_and_the_way_out():
    with pytest.raises(TypeError, match=r"cannot add 1 MiB \(theoretical\) and on disk: .*\.bytes"):
        Theoretical(bytes=MIB) + OnDisk(bytes=MIB)


def test_a_column_does_not_wrap_another():
    with pytest.raises(TypeError, match="bytes"):
        OnDisk(bytes=Theoretical(bytes=1))
    with pytest.raises(TypeError, match="ms"):
        Measured(ms=Measured(ms=1.0))


def test_prints_say_what_they_are():
    assert str(OnDisk(bytes=475 * MIB)) == "475 MiB (on disk)"
    assert str(Measured(ms=12.34)) == "12.34 ms (measured)"


def test_theory_is_what_the_built_model_holds():
    model = Transformer(CONFIG)
    parameters = sum(p.numel() * p.element_size() for p in model.parameters())
    assert theoretical_weights(CONFIG, bits_per_weight=32).bytes == parameters
    cache = KVCache(CONFIG, batch_size=3, max_len=20)
    assert theoretical_kv(CONFIG, context=20, batch=3, bits_per_value=32).bytes == cache.kv.nbytes
    tables = model.cos.nbytes + model.sin.nbytes
    assert in_memory(model).bytes == parameters + tables


def test_theory_of_the_published_model():
    """MobileLLM-125M in 16 bits: 249.3 MB of weights and 22.5 KiB of KV cache per position."""
    config = zoo.SHAPES["MobileLLM-125M"].config
    assert theoretical_weights(config).bytes / 1e6 == pytest.approx(249.3, abs=0.05)
    assert theoretical_kv(config, context=1).bytes == 22.5 * 1024


def test_storage_that_is_shared_counts_once():
    module = torch.nn.Module()
    module.a = torch.nn.Parameter(torch.zeros(100))
    module.b = torch.nn.Parameter(module.a.data[:50])
    assert in_memory(module).bytes == 400


def test_disk_is_what_the_system_says(tmp_path):
    save_file({"x": torch.zeros(1000)}, tmp_path / "a.safetensors")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.txt").write_bytes(b"12345")
    assert on_disk(tmp_path / "a.safetensors").bytes == os.stat(tmp_path / "a.safetensors").st_size > 4000
    assert on_disk(tmp_path).bytes == os.stat(tmp_path / "a.safetensors").st_size + 5
    assert on_disk(tmp_path / "deep" / "b.txt", tmp_path / "a.safetensors") == on_disk(tmp_path)


def test_resident_follows_the_system():
    """In a fresh process: this one may serve the block from memory that it already holds."""
    done = subprocess.run([sys.executable, "-c", GROW], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ours, theirs = map(float, done.stdout.split())
    assert ours == pytest.approx(64, abs=8)
    assert ours == pytest.approx(theirs, abs=2)


def test_measured_is_the_median():
    assert measured(Latency(samples_ms=(1.0, 2.0, 9.0), warmup=0)).ms == 2


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: theoretical_kv(CONFIG, context=-1), "context=-1"),
        (lambda: theoretical_kv(CONFIG, context=1, batch=0), "batch=0"),
        (lambda: theoretical_kv(CONFIG, context=1, bits_per_value=0), "bytes_per_value=0"),
        (lambda: theoretical_weights(CONFIG, bits_per_weight=-4), "bits_per_weight=-4"),
        (lambda: on_disk("no/such/file"), "no/such/file"),
        (lambda: on_disk(__file__, "no/such/file"), "no/such/file"),
        (lambda: resident(2**22 + 1), "no such process"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
