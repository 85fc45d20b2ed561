"""The stored sweeps of chapter 2: constants, which the command line reads without the chapter's code"""

NAMES = {  # module whose `SWEEPS` declares them: name, and caption of the file
    "mobilellm_lab.deep_narrow.study.sweep": {
        "deep_narrow": "training runs of chapter 2, one per line with its provenance",
        "deep_narrow_cost": "decode speed of equal-parameter shapes (chapter 2)",
    },
}
