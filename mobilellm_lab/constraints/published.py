"""Published measurements on phones: speed, energy, throttling and memory, with source and mark"""

from dataclasses import dataclass, replace

from mobilellm_lab import zoo
from mobilellm_lab.constraints.workload import Workload
from mobilellm_lab.model import ModelConfig

_PROFILE = "MobileLLM, arXiv 2402.14905, table of on-device latency"
_EXECUTORCH = "pytorch/executorch, examples/models/llama/README.md"
_LITERT = "google-ai-edge/LiteRT-LM, README.md, June 2025"
_HEAT_1, _HEAT_2 = "arXiv 2603.23640, version 1", "arXiv 2603.23640, version 2"


@dataclass(frozen=True, kw_only=True)
class ProfileRow:
    """One model on an iPhone 13: ExecuTorch, MPS backend, fp16, mean of 50 runs."""

    name: str
    config: ModelConfig
    load_ms: int | float
    init_ms: int | float
    execute_ms: int | float  # of one forward pass; the sequence length was not found
    source: str = _PROFILE
    mark: str = "secondary"

    @property
    def workload(self) -> Workload:
        return Workload(config=self.config, bits_per_weight=16, context=1)


@dataclass(frozen=True, kw_only=True)
class DecodeRow:
    """Prefill and decoding speed of one model with one runtime on one phone."""

    name: str
    device: str
    prefill_per_s: int | float
    decode_per_s: int | float
    workload: Workload | None = None  # where its bytes can be counted
    file_mib: int | float | None = None
    source: str
    mark: str = "read"


@dataclass(frozen=True, kw_only=True)
class EnergyRow:
    """Measured energy per generated token, of the whole phone or its chip; 4-bit weights."""

    name: str
    parameters: int | float  # as the model's name says
    j_per_token: int | float
    source: str
    mark: str = "secondary"

    @property
    def j_per_token_per_billion(self) -> float:
        return self.j_per_token * 1e9 / self.parameters


@dataclass(frozen=True, kw_only=True)
class ThrottleRow:
    """Decoding speed in one thermal state, when the same prompt is run again and again."""

    device: str
    state: str
    iteration: int  # the run at which the state was first seen; runs are counted from 1
    tokens_per_s: int | float
    source: str
    mark: str


def _deepened(config: ModelConfig) -> ModelConfig:
    """As many stored layers as the shared model executes."""
    return config.resized(n_layers=2 * config.n_layers)


_BODY = zoo.SHAPES["MobileLLM-125M"].config
IPHONE_13 = (
    ProfileRow(name="30 layers", config=_BODY, load_ms=39.2, init_ms=1361.7, execute_ms=15.6),
    ProfileRow(
        name="30 layers, each run twice",
        config=zoo.SHAPES["MobileLLM-LS-125M"].config,
        load_ms=43.6,
        init_ms=1388.2,
        execute_ms=16.0,
    ),
    ProfileRow(name="60 layers", config=_deepened(_BODY), load_ms=68.6, init_ms=3347.7, execute_ms=29.0),
)

# The length of their prompts was not found: 128 positions of KV cache are 0.2 % of the bytes.
_LLAMA = Workload(config=zoo.SHAPES["Llama-3.2-1B"].config, bits_per_weight=16, context=128)
# 4-bit weights in groups of 32, each with a 32-bit scale: 5 bits. The exporter stores input table and output layer
# separately, both in 8 bits. That makes 1081 MiB; the file has 1083. Only the output layer is read for every token.
_LLAMA_INT4 = replace(
    _LLAMA, config=replace(_LLAMA.config, tie_embeddings=False), bits_per_weight=4 + 32 / 32, table_bits=8
)
ONEPLUS_12 = (
    DecodeRow(
        name="Llama-3.2-1B, BF16",
        device="OnePlus 12",
        workload=_LLAMA,
        prefill_per_s=60.3,
        decode_per_s=19.2,
        file_mib=2358,
        source=_EXECUTORCH,
    ),
    DecodeRow(
        name="Llama-3.2-1B, SpinQuant 4-bit",
        device="OnePlus 12",
        workload=_LLAMA_INT4,
        prefill_per_s=260.5,
        decode_per_s=50.2,
        file_mib=1083,
        source=_EXECUTORCH,
    ),
)

CPU_AND_GPU = (
    DecodeRow(
        name="Gemma3-1B int4, CPU",
        device="Galaxy S24 Ultra",
        prefill_per_s=243,
        decode_per_s=43.6,
        source=_LITERT,
    ),
    DecodeRow(
        name="Gemma3-1B int4, GPU",
        device="Galaxy S24 Ultra",
        prefill_per_s=1876,
        decode_per_s=44.6,
        source=_LITERT,
    ),
)

ENERGY_ROWS = (
    EnergyRow(name="iPhone 14 Pro, Zephyr-3B, MLC", parameters=3e9, j_per_token=0.72, source="arXiv 2403.12844"),
    EnergyRow(name="iPhone 14 Pro, Zephyr-3B, LLMFarm", parameters=3e9, j_per_token=0.58, source="arXiv 2403.12844"),
    EnergyRow(name="Xiaomi 17, Qwen2.5-1.5B, NPU", parameters=1.5e9, j_per_token=0.43, source="arXiv 2607.05475"),
    EnergyRow(name="Xiaomi 17, Qwen2.5-1.5B, CPU", parameters=1.5e9, j_per_token=0.12, source="arXiv 2607.05475"),
    EnergyRow(name="Galaxy S24 Ultra, Qwen2.5-1.5B", parameters=1.5e9, j_per_token=0.146, source=_HEAT_2),
    EnergyRow(name="Pixel 7, TinyLlama-1.1B", parameters=1.1e9, j_per_token=0.40, source="arXiv 2507.02135"),
)

# iPhone 16 Pro with MLX, Galaxy S24 Ultra with MLC; Qwen2.5-1.5B in 4 bits, runs back to back. The second version of
# the paper gives other numbers for both phones: which one is meant has to be said. Pi 5: with a Hailo-10H.
THROTTLING = (
    ThrottleRow(device="iPhone 16 Pro", state="peak", iteration=1, tokens_per_s=40.35, source=_HEAT_1, mark="read"),
    ThrottleRow(device="iPhone 16 Pro", state="warm", iteration=3, tokens_per_s=25.31, source=_HEAT_1, mark="read"),
    ThrottleRow(device="iPhone 16 Pro", state="hot", iteration=8, tokens_per_s=22.56, source=_HEAT_1, mark="read"),
    ThrottleRow(
        device="Raspberry Pi 5 + Hailo-10H",
        state="never throttled",
        iteration=1,
        tokens_per_s=6.914,
        source=_HEAT_1,
        mark="read",
    ),
)


def pro_workload(*, mixed: bool) -> Workload:
    """MobileLLM-Pro's KV cache at 8,000 tokens, int8: all 30 layers global, or 21 of them with a window of 512."""
    return Workload(
        config=zoo.SHAPES["MobileLLM-Pro"].config.resized(max_seq_len=8192),
        bits_per_weight=4.5,
        kv_bits=8,
        context=8000,
        window=512 if mixed else 0,
        window_layers=21 if mixed else 0,
    )


PRO_KV_MB = {"all layers global": 117.0, "21 of 30 layers local": 40.0}  # as printed, rounded; read in its model card
PRO_SOURCE = "MobileLLM-Pro's model card; arXiv 2511.06719"
