#!/usr/bin/env bash
# transformers 5.23.0, torch 2.13.0 (2026-11-30)
#
# A config's entries may be overridden as keywords of AutoConfig.from_pretrained, RoPE's base as `rope_theta=1e6`. A
# checkpoint that transformers 5 saved keeps the base in rope_parameters, and the keyword changes nothing there: the
# model is built with the base of the file, without a warning. `rope_parameters={...}` with both entries is obeyed.
#
# Output seen:
#   rope_theta=1e6: 500000.0
#   rope_parameters: 1000000.0
#
# Exit status 0 while that is so, 1 once it is not.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3}" -m venv "$place/env"
"$place/env/bin/pip" install --quiet --retries 0 --extra-index-url https://download.pytorch.org/whl/cpu \
    torch==2.13.0 transformers==5.23.0
"$place/env/bin/python" - "$place/model" <<'END'
import sys

from transformers import AutoConfig, LlamaConfig, LlamaForCausalLM

folder, settings = sys.argv[1], {"rope_type": "default", "rope_theta": 500000.0}
config = LlamaConfig(
    vocab_size=61, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
    rope_parameters=settings,
)
LlamaForCausalLM(config).save_pretrained(folder)


def base(**overrides):
    """The base that the model was built with, from the second frequency: base ** (-2 / head width)."""
    model = LlamaForCausalLM(AutoConfig.from_pretrained(folder, **overrides))
    return round(model.model.rotary_emb.inv_freq[1].item() ** -4.0, -2)


by_name, by_settings = base(rope_theta=1e6), base(rope_parameters=settings | {"rope_theta": 1e6})
print(f"rope_theta=1e6: {by_name}\nrope_parameters: {by_settings}")
sys.exit((by_name, by_settings) != (500000.0, 1000000.0))
END
