"""The stored sweeps of chapter 7: constants, which the command line reads without the chapter's code"""

NAMES = {  # module whose `SWEEPS` declares them: name, and caption of the file
    "mobilellm_lab.metrics.study.sweep": {
        "metrics": "chapter 7: how often each rule is right about a known difference",
        "metrics_lies": "chapter 7: the wrong and the right number of each lie",
    },
}
