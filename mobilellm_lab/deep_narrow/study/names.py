"""The stored sweeps of chapter 2: constants, which the command line reads without the chapter's code"""

NAMES = {  # module whose `SWEEPS` declares them: name, and caption of the file
    "mobilellm_lab.deep_narrow.study.sweep": {
        "deep_narrow": "the measured runs of chapter 2, one per line, with their provenance",
        "deep_narrow_cost": "chapter 2: decoding speed of equal-parameter shapes",
    },
}
