"""The shapes whose decoding is timed, and rows of a few tiny ones."""

import json

import pytest

from mobilellm_lab import footprint
from mobilellm_lab.deep_narrow import Cost, CostRun, cost, costs, measure
from mobilellm_lab.deep_narrow.cost import DEPTHS, TOKENS, VOCAB
from mobilellm_lab.model import ModelConfig
from mobilellm_lab.sweeps import Store, key

TINY = {"vocab_size": 32, "dim": 16, "n_heads": 4, "n_kv_heads": 2, "hidden_dim": 40, "max_seq_len": 64}


def tiny(budget: int, n_layers: int) -> Cost:
    return Cost(budget=budget, config=ModelConfig(n_layers=n_layers, **TINY))


def test_every_shape_is_within_two_percent_of_its_budget_and_has_room_to_decode():
    shapes = costs()
    assert len(set(shapes)) == len(shapes) == sum(map(len, DEPTHS.values()))
    for shape in shapes:
        assert abs(footprint.parameters(shape.config) - shape.budget) <= 0.02 * shape.budget
        assert shape.config.vocab_size == VOCAB[shape.budget]
        assert 1 + TOKENS[shape.budget] <= shape.config.max_seq_len


def test_deeper_is_narrower_at_every_budget():
    for budget, depths in DEPTHS.items():
        configs = [shape.config for shape in costs() if shape.budget == budget]
        assert [config.n_layers for config in configs] == list(depths)
        widths = [config.dim for config in configs]
        assert widths == sorted(widths, reverse=True) and widths[0] > widths[-1]


def test_a_row_holds_formulas_and_percentiles():
    row = tiny(60_000, 2).row([30.0, 10.0, 20.0, 40.0, 50.0])
    config = tiny(60_000, 2).config
    assert row["shape"] == {"dim": 16, "hidden_dim": 40, "n_layers": 2, "head_dim": 4}
    assert row["parameters"] == footprint.parameters(config)
    assert row["flops_per_token"] == footprint.flops_per_token(config, context=32)
    assert row["kv_bytes_per_token"] == footprint.kv_bytes_per_token(config)
    assert row["tokens_per_s"] == {"p10": 14.0, "p50": 30.0, "p90": 46.0} and row["rounds"] == 5
    assert row["provenance"]["command"] == "mobilellm-lab sweep deep_narrow_cost"


def test_every_shape_gets_a_row_of_its_own(tmp_path):
    shapes = [tiny(60_000, 1), tiny(1_000_000, 1), tiny(60_000, 6)]
    found = list(measure(shapes, rounds=3))
    assert [shape for shape, _ in found] == [shapes[0], shapes[2], shapes[1]]  # budget by budget
    store = Store(tmp_path / "cost.jsonl")
    for shape, row in found:
        rate = row["tokens_per_s"]
        assert 0 < rate["p10"] <= rate["p50"] <= rate["p90"] and row["rounds"] == 3
        assert row["shape"]["n_layers"] == shape.config.n_layers
        store.add(shape, row)
    assert json.loads(json.dumps(Store(store.path)[shapes[0]])) == store[shapes[0]]
    shallow, deep = (dict(found)[shape]["tokens_per_s"]["p50"] for shape in (shapes[0], shapes[2]))
    assert shallow > deep  # six layers for one


def test_what_is_timed_is_laid_out_for_decoding(monkeypatch):
    by_rows, timed = [], cost.decode_throughput

    def watched(model, **options):
        by_rows.append(model.blocks[0].ffn.up.weight.is_contiguous())
        return timed(model, **options)

    monkeypatch.setattr(cost, "decode_throughput", watched)
    list(measure([tiny(60_000, 1)], rounds=2))
    assert by_rows == [False, False]


def test_a_run_says_what_share_is_done_also_while_times_settle(monkeypatch):
    monkeypatch.setattr(cost, "settled", lambda times: len(times) >= 5)
    for limit_s, rounds in ((0.0, 3), (60.0, 5)):
        run = CostRun(shapes=[tiny(60_000, 1), tiny(60_000, 2)], rounds=3, limit_s=limit_s)
        *shares, last = run
        assert shares == sorted(shares) and 0 < shares[0] and shares[-1] < 1 == last
        assert [row["rounds"] for _, row in run.rows()] == [rounds, rounds]


def test_nothing_to_measure_is_no_row():
    assert list(measure([])) == []


@pytest.mark.parametrize("changes", [{"budget": 1_000_000}, {"config": ModelConfig(n_layers=3, **TINY)}], ids=str)
def test_budget_and_shape_both_name_a_cost(changes):
    assert key(Cost(**{"budget": 60_000, "config": tiny(60_000, 2).config} | changes)) != key(tiny(60_000, 2))
