"""Names of importances, granularities and scopes in figures and panel"""

IMPORTANCE_WORDS = {
    "random": "random",
    "l1": "magnitude (L1)",
    "l2": "magnitude (L2)",
    "taylor": "Taylor",
    "wanda": "Wanda",
    "sparsegpt": "SparseGPT",
}
GRANULARITY_WORDS = {
    "weight": "single weights",
    "2:4": "2:4 pattern",
    "neuron": "FFN neurons",
    "head": "attention heads",
    "width": "hidden channels",
    "layer": "layers",
}
COMPARE_WORDS = {"row": "per output row", "matrix": "per matrix"}
SCOPE_WORDS = {"uniform": "uniform", "global": "global", "sensitivity": "by sensitivity"}
DATA_WORDS = {"own": "its task", "other": "another task", "random": "random tokens", "self": "its own samples"}
CHOICE_WORDS = {
    "measured": "measured loss",
    "influence": "block influence",
    "consecutive": "best consecutive",
    "last": "the last",
    "random": "random",
}


def percent(share: int | float) -> str:
    """12.5 % of 0.125."""
    return f"{100 * share:.3g} %"
