"""Names and captions of chapter 7's stored sweeps"""

NAMES = {  # module whose `SWEEPS` declares them: name, and caption of the file
    "mobilellm_lab.metrics.study.sweep": {
        "metrics": "chapter 7: verdicts of each rule on a known difference",
        "metrics_lies": "chapter 7: wrong and right number of each pitfall",
    },
}
