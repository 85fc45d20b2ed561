"""The limit that leaves least memory, in cgroup trees of both versions, under MEM_LIMIT, and for a real process."""

import os

import psutil
import pytest

from mobilellm_lab import memory_limits
from mobilellm_lab.memory_limits import available_memory, limits

GIB = 2**30


@pytest.fixture
def cgroups(monkeypatch, tmp_path):
    """A machine of 8 GiB with 6 left, outside of any cgroup; the folder of the cgroup tree."""
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("M", (), {"total": 8 * GIB, "available": 6 * GIB}))
    monkeypatch.setattr(memory_limits, "CGROUPS", tmp_path)
    monkeypatch.setattr(memory_limits, "MEMBERSHIP", tmp_path / "membership")
    monkeypatch.delenv("MEM_LIMIT", raising=False)
    return tmp_path


def cgroup(folder, version: int, limit: int | str, used: int, cache: int = 0) -> None:
    """Writes the files of a cgroup that holds `used` bytes, `cache` of them file pages that can be dropped."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    limit_name, used_name, cache_name = names if version == 1 else ("memory.max", "memory.current", "inactive_file")
    (folder / limit_name).write_text(f"{limit}\n")
    (folder / used_name).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{cache_name} {cache}\nfile 7\n")


def found() -> tuple[str, float, float]:
    least = available_memory()
    return least.name, least.total_bytes / GIB, least.available_bytes / GIB


def test_the_machine_decides_where_nothing_else_does(cgroups):
    assert found() == ("the machine", 8, 6)
    (cgroups / "membership").write_text("0::/user.slice\n")
    assert found() == ("the machine", 8, 6)


@pytest.mark.parametrize(
    ("version", "membership", "place"),
    [
        (2, "0::/", "."),  # a container sees its own cgroup as the root
        (2, "0::/user.slice/hub", "user.slice/hub"),
        (2, "0::/user.slice/hub/kernel", "user.slice/hub"),  # the limit is further up
        (1, "9:cpu:/\n4:memory:/docker/abc\n0::/", "memory/docker/abc"),
        (1, "4:cpuacct,memory:/docker/abc", "memory"),  # mounted as the root, named as the host names it
    ],
)
def test_the_limit_of_a_container_is_found(cgroups, version, membership, place):
    (cgroups / "membership").write_text(membership + "\n")
    cgroup(cgroups / place, version, 2 * GIB, GIB, cache=GIB // 2)
    assert found() == ("the container (cgroup)", 2, 1.5)
    cgroup(cgroups / place, version, 2 * GIB, 3 * GIB)
    assert found() == ("the container (cgroup)", 2, 0)


def test_the_tightest_cgroup_counts_and_one_without_a_limit_does_not(cgroups):
    (cgroups / "membership").write_text("0::/a/b\n")
    cgroup(cgroups / "a", 2, 4 * GIB, 3 * GIB)
    cgroup(cgroups / "a" / "b", 2, 3 * GIB, GIB)
    assert found() == ("the container (cgroup)", 4, 1)
    assert len(limits()) == 3
    cgroup(cgroups / "a", 2, "max", 3 * GIB)
    cgroup(cgroups / "a" / "b", 2, 2**63 - 4096, GIB)  # version 1 writes no limit so
    assert found() == ("the machine", 8, 6)


@pytest.mark.parametrize("text", [str(64 * GIB), "64G", "65536m", "64GiB", "64.0gb"])
def test_the_variable_of_notebook_servers_is_read(cgroups, monkeypatch, text):
    monkeypatch.setenv("MEM_LIMIT", text)
    (limit,) = [limit for limit in limits() if limit.name == "MEM_LIMIT"]
    assert limit.total_bytes == 64 * GIB
    own = psutil.Process(os.getpid()).memory_info().rss
    assert 0 <= limit.available_bytes <= 64 * GIB - own + 2**20
    assert found()[0] == ("MEM_LIMIT" if limit.available_bytes < 6 * GIB else "the machine")


def test_the_smallest_of_all_three_counts(cgroups, monkeypatch):
    (cgroups / "membership").write_text("0::/\n")
    cgroup(cgroups, 2, 3 * GIB, GIB)
    assert found()[0] == "the container (cgroup)"
    monkeypatch.setenv("MEM_LIMIT", "1K")
    assert found() == ("MEM_LIMIT", 2**-20, 0)
    monkeypatch.setenv("MEM_LIMIT", "")
    assert found()[0] == "the container (cgroup)"


@pytest.mark.parametrize("text", ["two", "-1", "2GG", "nan", "1e9", "G"])
def test_a_variable_that_is_no_size_is_named(cgroups, monkeypatch, text):
    monkeypatch.setenv("MEM_LIMIT", text)
    with pytest.raises(ValueError, match=f"MEM_LIMIT='{text}': must be bytes, such as 2147483648 or 2G"):
        available_memory()


def test_this_process_has_memory_left():
    least = available_memory()
    assert 2**20 < least.available_bytes <= least.total_bytes
