"""What chapter 4 says in words, held against the stored rows; its claims derive themselves, see tests/teaching."""

import pytest

from mobilellm_lab.pruning.study import evidence, evidence_combined, evidence_recovery, evidence_speed
from mobilellm_lab.pruning.study.sweep import AMOUNTS, DEEP
from mobilellm_lab.reference import open_sweep
from mobilellm_lab.reference.rows import one, seeds

STORE, TRAINED, TIMED = (open_sweep(f"pruning{name}") for name in ("", "_recovery", "_speed"))
STORIES, TEXT = DEEP
GRID = evidence.runs(STORE, "grid")
RECOVERED = evidence_recovery.recoveries(TRAINED)
SPEEDS = evidence_speed.model_speeds(TIMED)


def median(frame, **where) -> float:
    return seeds(frame if "seed" in frame else frame.assign(seed=0), "loss_increase_nats", **where).median()


@pytest.mark.parametrize("model", DEEP)
@pytest.mark.parametrize("amount", AMOUNTS)
def test_correcting_the_kept_weights_is_best_and_gradients_are_far_worse_than_magnitude(model, amount):
    ways = ("l1", "wanda", "taylor", "sparsegpt")
    lost = {way: median(GRID, model=model, amount=amount, importance=way, compare="row") for way in ways}
    assert min(lost, key=lost.get) == "sparsegpt" and max(lost, key=lost.get) == "taylor"


def test_rows_are_not_the_better_groups_for_wanda():
    row, matrix = (
        median(GRID, model=TEXT, amount=0.5, importance="wanda", compare=compare) for compare in ("row", "matrix")
    )
    assert matrix < row


def test_what_the_model_writes_serves_as_well_as_the_task_and_random_tokens_do_not():
    data = evidence.runs(STORE, "data")
    lost = {
        kind: median(data, model=TEXT, importance="sparsegpt", data=kind) for kind in ("own", "other", "random", "self")
    }
    assert lost["self"] < 1.05 * lost["own"] and min(lost["other"], lost["random"]) > 1.5 * lost["own"]


def test_neurons_are_the_best_bargain():
    grains = evidence.runs(STORE, "grains")
    for model in DEEP:
        lost = {
            kind: median(grains, model=model, granularity=kind, amount=0.25)
            for kind in ("neuron", "head", "width", "layer")
        }
        assert min(lost, key=lost.get) == "neuron" and lost["head"] > 0.2
    neurons = evidence.runs(STORE, "neurons")
    assert median(neurons, model=TEXT, importance="taylor") > 1.5 * median(neurons, model=TEXT, importance="wanda")


def test_the_first_blocks_must_stay_and_at_half_a_run_of_neighbours_is_good():
    layers = evidence.runs(STORE, "layers")
    for model in DEEP:
        few = {choice: median(layers, model=model, amount=0.25, choice=choice) for choice in ("measured", "influence")}
        assert few["measured"] == pytest.approx(few["influence"], rel=0.01)
        run, influence = (
            median(layers, model=model, amount=0.5, choice=choice) for choice in ("consecutive", "influence")
        )
        assert run < influence
    drawn = layers[(layers["model"] == STORIES) & (layers["choice"] == "random")]
    assert drawn["loss_increase_nats"].max() > 5


def test_one_ranking_of_all_weights_is_worse_than_equal_amounts():
    scope = evidence.runs(STORE, "scope")
    for kind, way, amount in (("weight", "l1", 0.5), ("neuron", "l2", 0.25)):
        own = scope[(scope["granularity"] == kind) & (scope["importance"] == way)]
        lost = [median(own, model=TEXT, amount=amount, scope=how) for how in ("sensitivity", "uniform", "global")]
        assert lost == sorted(lost) and lost[1] > 1.5 * lost[0]


def test_what_is_left_grows_with_the_amount_on_text_and_falls_on_stories():
    once = RECOVERED.query("arm == 'one-shot' and masks == 'held' and granularity == 'weight' and amount > 0")
    for model, reverse in ((STORIES, True), (TEXT, False)):
        left = once[once["model"] == model].groupby("amount")["left"].median().tolist()
        assert left == sorted(left, reverse=reverse) and len(left) == 4


def test_gradual_pruning_does_not_pay_and_smaller_models_recover():
    single = RECOVERED.query("granularity == 'weight' and masks == 'held' and amount == 0.8")
    ends = single.groupby(["model", "arm"])["loss_nats"].median()
    assert all(ends[model, "gradual"] > ends[model, "one-shot"] for model in DEEP)
    groups = RECOVERED.query("granularity != 'weight' and arm == 'one-shot'")
    assert (groups.groupby(["granularity", "amount"])["damage_nats"].median() < 0.01).all()


def test_the_control_wins_at_the_largest_amount_and_only_by_operations():
    assert evidence_recovery.no_longer_pays(RECOVERED, STORIES, "scratch: operations") == 0.9
    assert all(evidence_recovery.no_longer_pays(RECOVERED, model) is None for model in DEEP)
    single = RECOVERED.query("model == @STORIES and granularity == 'weight' and masks == 'held' and amount == 0.8")
    right = single.groupby("arm")["score"].median()
    assert right["scratch: seconds"] < 0.6 * right["one-shot"]


def test_zeros_change_no_time_and_in_a_small_model_only_fewer_layers_do():
    zeros = SPEEDS[SPEEDS["granularity"] == "dense with zeros"]
    assert (zeros["verdict"] == "not distinguishable").all()
    small = {"size": "1M", "amount": 0.25, "work": "decode"}
    assert one(SPEEDS, granularity="neuron", **small)["verdict"] == "not distinguishable"
    assert one(SPEEDS, granularity="layer", **small)["verdict"] == "faster"


def test_a_whole_model_gains_from_csr_earlier_than_a_single_product():
    pays = evidence_speed.csr_crossovers(TIMED).set_index(["shape", "format", "batch"])["sparsity"].sort_index()
    assert pays["288 x 96"].isna().all() and pays.drop("288 x 96").min() > 0.5
    half = {"size": "125M", "amount": 0.5, "work": "decode"}
    whole = one(SPEEDS, granularity="csr int32", **half)
    assert whole["verdict"] == "faster" and one(SPEEDS, granularity="csr int64", **half)["verdict"] == "slower"
    assert whole["memory_bytes"] == pytest.approx(whole["dense_memory_bytes"], rel=0.01)


def test_grids_with_a_zero_keep_zeros_and_what_mixes_weights_does_not():
    kept = evidence_combined.zeros_kept(STORE).set_index(["kind", "name"])["kept"]
    grids = kept["grid"]
    assert (grids.drop("1 bits") == 1).all() and (grids["1 bits"] == 0).all() and (kept["rotation"] == 0).all()
    assert (
        kept["method", "gptq"].between(0.9, 0.999).all() and (kept["kernel", "torchao int4 (prototype)"] < 0.01).all()
    )


def test_outliers_leave_wanda_as_it_was():
    outliers = evidence_combined.outlier_losses(STORE)
    lost = {
        (way, factor): median(outliers, model=TEXT, factor=factor, importance=way, compare="row")
        for way in ("l1", "wanda", "sparsegpt")
        for factor in (1, 16)
    }
    assert lost["wanda", 16] == pytest.approx(lost["wanda", 1], abs=1e-3)
    assert lost["l1", 16] > 5 * lost["l1", 1] and lost["sparsegpt", 16] > 3 * lost["sparsegpt", 1]
