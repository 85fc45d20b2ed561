"""Records: saved and loaded without loss, whole or not at all, and compared without pretending too much."""

import json
import math
import os
from dataclasses import replace

import pytest

from mobilellm_lab.measuring import Measure, Record, compare_records, load_record

PLACE = {
    "command": "mobilellm-lab bench tiny",
    "commit": "a" * 40,
    "machine": "one, 2 cores, Linux",
    "python": "3.11.7",
    "torch": "2.13.0",
    "numpy": "2.4.6",
    "threads": 1,
    "date": "2026-11-25",
}


def record(tpot_ms=2.0, *, fingerprint="f" * 64, **provenance) -> Record:
    return Record(
        model="tiny",
        source="checkpoint",
        fingerprint=fingerprint,
        config={"dim": 64, "n_layers": 2},
        settings={"prompt_tokens": 32, "seed": 0},
        measures=(
            Measure(name="weights_mib", column="theoretical", value=0.25),
            Measure(name="tpot_p50_ms", column="measured", value=tpot_ms, low=1.5, high=4.0, runs=155),
            Measure(name="accuracy", column="quality", value=0.0, low=0.0, high=0.01, runs=256, note="held-out shells"),
        ),
        provenance={**PLACE, **provenance},
    )


def files(folder) -> list[str]:
    """What lies there, but for the empty file that stands for the lock."""
    return [name for name in os.listdir(folder) if not name.endswith(".lock")]


def test_what_is_saved_is_loaded(tmp_path):
    path = tmp_path / "new folder" / "record.json"
    record().save(path)
    assert load_record(path) == record()
    assert files(path.parent) == ["record.json"]


def test_an_interrupted_save_leaves_the_old_record(tmp_path, monkeypatch):
    path = tmp_path / "record.json"
    record().save(path)

    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        record(9.0).save(path)
    assert load_record(path) == record() and files(tmp_path) == ["record.json"]


def test_lines_are_found_by_name():
    assert record()["tpot_p50_ms"].value == 2 and "accuracy" in record() and "energy_j" not in record()
    with pytest.raises(KeyError, match="this record has weights_mib, tpot_p50_ms, accuracy"):
        record()["energy_j"]


def test_the_table_keeps_the_columns_apart():
    lines = record().table().splitlines()
    assert [line for line in lines if line in ("theoretical", "measured", "quality")] == [
        "theoretical",
        "measured",
        "quality",
    ]
    assert lines[lines.index("measured") + 1].split() == ["tpot_p50_ms", "2", "1.5", "to", "4,", "155", "samples"]
    where = " ".join(lines[-2:])
    assert "1 torch thread, torch 2.13.0" in where and "commit aaaaaaa, 2026-11-25" in where


def test_a_long_note_goes_on_below_itself():
    reason = " ".join(["no counter can be read here"] * 9)
    estimate = Measure(name="joules", column="estimate", value=0.08, note=f"a table; {reason}")
    lines = replace(record(), measures=(estimate,)).table().splitlines()
    own = [line for line in lines if line.startswith(" ")]
    assert len(own) > 2 and max(map(len, lines)) <= 80
    assert {line.index(line.split()[0]) for line in own[1:]} == {own[0].index("a table")}
    assert " ".join(" ".join(own).split()).endswith(reason)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "damaged"),
        pytest.param("[" * 10**5, "damaged", id="nested without end"),
        ('{"format": "mobilellm-lab record", "vers', "damaged"),
        ("[1, 2]", "is not a mobilellm-lab record: give a file that `mobilellm-lab bench` wrote"),
        ('{"format": "mobilellm-lab checkpoint"}', "is not a mobilellm-lab record"),
        ('{"format": "mobilellm-lab record", "version": 9}', "version=9, this package reads 1"),
        ('{"format": "mobilellm-lab record", "version": 1}', "fields missing or unknown: config, fingerprint"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused_by_name(tmp_path, text, message):
    path = tmp_path / "record.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"record\.json.*{message}"):
        load_record(path)


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda raw: raw["measures"][0].pop("column"), "measures are damaged"),
        (lambda raw: raw["measures"][0].update(column="guessed"), "column='guessed' of weights_mib"),
        (lambda raw: raw["measures"].append(3), "measures are damaged"),
        (lambda raw: raw["measures"][0].update(value=-1), "value=-1 of weights_mib: a size is never negative"),
        (lambda raw: raw["measures"][1].update(low=5.0), "low=5.0 of tpot_p50_ms is above high=4.0"),
        (lambda raw: raw["measures"][1].update(runs=0), "runs=0 of tpot_p50_ms"),
        (lambda raw: raw["measures"].append(raw["measures"][0]), "weights_mib given twice"),
        (lambda raw: raw.update(provenance=None), "provenance lacks"),
        (lambda raw: raw["provenance"].pop("threads"), "provenance lacks threads"),
        (lambda raw: raw.update(mood="good"), "fields missing or unknown: mood"),
    ],
)
def test_a_record_with_something_amiss_is_refused(tmp_path, damage, message):
    path = tmp_path / "record.json"
    record().save(path)
    raw = json.loads(path.read_text())
    damage(raw)
    path.write_text(json.dumps(raw))
    with pytest.raises(ValueError, match=rf"record\.json.*{message}"):
        load_record(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"nothing\.json cannot be read \(No such file"):
        load_record(tmp_path / "nothing.json")


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_what_json_cannot_hold_is_refused(number):
    with pytest.raises(ValueError, match="value=.* of perplexity: only finite"):
        Measure(name="perplexity", column="quality", value=number)


def test_ratios_are_b_over_a_of_what_both_have():
    b = replace(record(3.0), measures=(*record(3.0).measures, Measure(name="file_mib", column="on disk", value=1.0)))
    found = compare_records(record(), b)
    assert found.ratios == {"weights_mib": 1.0, "tpot_p50_ms": 1.5}  # a's accuracy is 0: no ratio
    assert found.differences == {} and found.same_place
    assert "differences are noise" in found.verdict


def test_a_number_of_another_column_is_not_set_beside():
    measured = replace(record(), measures=(Measure(name="energy_j", column="measured", value=1.0),))
    estimated = replace(record(), measures=(Measure(name="energy_j", column="estimate", value=2.0),))
    assert compare_records(measured, estimated).ratios == {}


def test_another_machine_is_no_verdict_on_the_model():
    found = compare_records(record(), record(1.0, machine="two, 8 cores, Darwin", threads=8))
    assert list(found.differences) == ["machine", "threads"] and not found.same_place
    assert found.differences["threads"] == ("1", "8")
    assert "machine and threads differ: ratios of times compare machines, and are no verdict on the model" in str(found)
    assert "b / a = 0.5" in str(found)


def test_another_model_and_another_machine_tell_nothing():
    found = compare_records(record(), record(fingerprint="0" * 64, torch="2.14.0"))
    assert "torch differ, and so do model" in found.verdict and "measure both on one machine" in found.verdict


def test_another_model_on_the_same_machine_is_referred_to_compare():
    found = compare_records(record(), record(fingerprint="0" * 64))
    assert list(found.differences) == ["model"] and "compare(a, b) in one process decides" in found.verdict


def test_other_settings_are_other_work():
    b = replace(record(), settings={"prompt_tokens": 512, "seed": 0})
    found = compare_records(record(), b)
    assert found.differences == {"settings": ("prompt_tokens=32", "prompt_tokens=512")}
    assert "the work is not the same" in found.verdict


def test_commit_and_date_are_told_and_no_obstacle():
    found = compare_records(record(), record(commit="b" * 40, date="2026-11-26"))
    assert list(found.differences) == ["commit", "date"] and found.same_place
