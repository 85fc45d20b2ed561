"""Names of the stored sweeps of chapter 1, constants that the command line reads without the chapter's code"""

NAMES = {  # module whose `SWEEPS` declares them: name, and caption of the file
    "mobilellm_lab.constraints.study.sweep": {
        "constraints_machine": "chapter 1: the probes of the machine that measured",
        "constraints": "chapter 1: decoding speed over size, context, batch and bits",
    },
}
