"""Chapter 4, pruning: importance, masks, smaller dense models, recovery and what each buys"""

import lazy_loader

_HOMES = {
    "calibration": ["DATA", "pruning_data"],
    "combined": ["quantize_pruned", "with_zeros", "zeros_in_backend", "zeros_kept"],
    "controls": ["equal_updates", "kept_parameters", "small_twin"],
    "importance": ["IMPORTANCES", "gradients", "scores", "signed_taylor"],
    "libraries.sparsity": ["article_sparsity", "count_zeros"],
    "masks": ["Masks", "PrunedModel", "apply", "require_dense"],
    "recovery": ["HOLDS", "Gradual", "RecoveryRun"],
    "selection": ["COMPARE", "n_of_m", "select"],
    "sensitivity": ["LayerCost", "allocate", "scan"],
    "unstructured": ["prune"],
}
__getattr__, __dir__, _ = lazy_loader.attach(__name__, submod_attrs=_HOMES)

__all__ = [
    "COMPARE",
    "DATA",
    "HOLDS",
    "IMPORTANCES",
    "Gradual",
    "LayerCost",
    "Masks",
    "PrunedModel",
    "RecoveryRun",
    "allocate",
    "apply",
    "article_sparsity",
    "count_zeros",
    "equal_updates",
    "gradients",
    "kept_parameters",
    "n_of_m",
    "prune",
    "pruning_data",
    "quantize_pruned",
    "require_dense",
    "scan",
    "scores",
    "select",
    "signed_taylor",
    "small_twin",
    "with_zeros",
    "zeros_in_backend",
    "zeros_kept",
]
