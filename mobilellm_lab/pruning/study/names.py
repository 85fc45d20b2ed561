"""Names of chapter 4's stored sweeps, which the command line reads without the chapter's code"""

NAMES = {  # module whose `SWEEPS` declares them: name, and caption of the file
    "mobilellm_lab.pruning.study.sweep": {
        "pruning": "chapter 4: models pruned in every way, and what is left of them",
    },
    "mobilellm_lab.pruning.study.recovery": {
        "pruning_recovery": "chapter 4: pruned models fine-tuned, beside dense ones and small ones from random weights",
    },
    "mobilellm_lab.pruning.study.speed": {
        "pruning_speed": "chapter 4: speed of pruned models and of CSR products beside dense",
    },
}
