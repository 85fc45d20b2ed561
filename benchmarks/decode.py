"""Cached greedy decoding beside transformers.generate, with the same weights and the same tokens."""

import torch

from benchmarks.peers import twin
from benchmarks.record import finish, mark
from mobilellm_lab.layout import for_decoding
from mobilellm_lab.measuring import Throughput, compare
from mobilellm_lab.model import ModelConfig, Transformer, generate

PROMPT = 8  # tokens
TINY = ModelConfig(vocab_size=512, dim=64, n_layers=8, n_heads=4, n_kv_heads=2, hidden_dim=192, max_seq_len=256)
# The published shape of MobileLLM-125M (arXiv 2402.14905), but for its context length.
MOBILELLM_125M = ModelConfig(
    vocab_size=32000, dim=576, n_layers=30, n_heads=9, n_kv_heads=3, hidden_dim=1536, max_seq_len=256
)
# name, shape, new tokens per timing, pairs, must, aim
SHAPES = (
    ("tiny, 8 x 64", TINY, 128, 20, 1.8, 3.0),
    ("MobileLLM-125M, 30 x 576", MOBILELLM_125M, 16, 12, 1.05, 1.3),
)


def main() -> None:
    """Measures both shapes, prints the table, writes results/decode.json.

    Raises:
        RuntimeError: the two models do not say the same tokens, so that their times mean nothing.
    """
    rows, samples = [], {}
    for name, config, count, pairs, must, aim in SHAPES:
        model = for_decoding(Transformer(config))
        peer = twin(model)
        prompt = torch.randint(config.vocab_size, (1, PROMPT), generator=torch.Generator().manual_seed(0))
        attend = torch.ones_like(prompt)

        def ours(model=model, prompt=prompt, count=count) -> torch.Tensor:
            return torch.stack(list(generate(model, prompt, count)), 1)

        @torch.inference_mode()
        def theirs(peer=peer, prompt=prompt, attend=attend, count=count) -> torch.Tensor:
            said = peer.generate(
                prompt, attention_mask=attend, do_sample=False, max_new_tokens=count, min_new_tokens=count
            )
            return said[:, PROMPT:]

        if not torch.equal(ours(), theirs()):
            raise RuntimeError(f"{name}: transformers says other tokens, so that the times cannot be compared")
        result = compare(ours, theirs, repeats=pairs, warmup=1)
        ours_per_s, peer_per_s = (Throughput(latency=side, items=count, unit="tokens") for side in (result.a, result.b))
        rows.append(
            {
                "shape": name,
                "ours tok/s": f"{ours_per_s.median_per_s:.1f} ({ours_per_s.p10_per_s:.1f}-{ours_per_s.p90_per_s:.1f})",
                "peer tok/s": f"{peer_per_s.median_per_s:.1f} ({peer_per_s.p10_per_s:.1f}-{peer_per_s.p90_per_s:.1f})",
                "times faster": f"{result.ratio:.2f} ({result.ratio_low:.2f}-{result.ratio_high:.2f})",
                "must / aim": f"{must} / {aim}",
                "": mark(result.ratio, must, aim),
            }
        )
        samples[name] = {"ours_ms": result.a.samples_ms, "peer_ms": result.b.samples_ms, "tokens": count}
    finish("decode", rows, samples=samples)
