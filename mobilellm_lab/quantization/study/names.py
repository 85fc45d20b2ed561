"""Names of chapter 3's stored sweeps, which the command line reads without the chapter's code"""

NAMES = {  # module whose `SWEEPS` declares them: name, and caption of the file
    "mobilellm_lab.quantization.study.sweep": {
        "quantization": "chapter 3: models rounded in every way, and what is left of them",
    },
    "mobilellm_lab.quantization.study.sweep_qat": {
        "quantization_qat": "chapter 3: QAT runs beside the same without it",
    },
    "mobilellm_lab.quantization.study.speed": {
        "quantization_speed": "chapter 3: quantized kernels beside float32, by model size",
    },
}
