"""Published measurements on devices: file size and resident memory, power and energy per token"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Resident:
    """A model's file and the resident memory of the process that ran it, in MiB."""

    file_mib: int
    resident_mib: int


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Mean power during decode in W, and energy per token in J."""

    power_w: float
    token_j: float
    parameters: float

    @property
    def per_billion_j(self) -> float:
        """J per token and billion parameters, since the models differ in size."""
        return self.token_j / (self.parameters / 1e9)


# Llama-3.2-1B on a OnePlus 12. Source: https://github.com/pytorch/executorch, examples/models/llama/README.md.
EXECUTORCH = {
    "bfloat16": Resident(file_mib=2358, resident_mib=3185),
    "SpinQuant": Resident(file_mib=1083, resident_mib=1921),
    "QAT+LoRA": Resident(file_mib=1127, resident_mib=2255),
}

# iPhone 14 Pro, Zephyr-3B in 4 bits, as reported of arXiv 2403.12844; Raspberry Pi 5 with a Hailo-10H,
# Qwen2.5-1.5B at 6.914 tokens/s: arXiv 2603.23640 v1.
POWER = {
    "iPhone 14 Pro": Draw(power_w=13.8, token_j=0.72, parameters=3e9),
    "Hailo-10H": Draw(power_w=1.87, token_j=1.87 / 6.914, parameters=1.5e9),
}
