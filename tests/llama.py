"""A transformers Llama with the weights of one of our models: somebody else's code as the reference."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from mobilellm_lab.model import ModelConfig, Transformer

# What the paper says about each way of sharing three blocks, written out by hand.
UNROLLED = {
    "none": [0, 1, 2],
    "immediate": [0, 0, 1, 1, 2, 2],
    "repeat": [0, 1, 2, 0, 1, 2],
    "reverse": [0, 1, 2, 2, 1, 0],
}


def model(config: ModelConfig, *, seed: int = 0) -> Transformer:
    """Ours, with norm weights that are not all 1, so that no norm can be swapped or forgotten unseen."""
    ours = Transformer(config, seed=seed).eval()
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for p in ours.parameters():
            if p.ndim == 1:
                p.copy_(0.5 + torch.rand(p.shape, generator=generator))
    return ours


def twin(ours: Transformer, order: list[int] | None = None) -> LlamaForCausalLM:
    """The Llama that computes the same; its layer i carries our block order[i], by default our block i."""
    config = ours.config
    order = list(range(config.n_layers)) if order is None else order
    theirs = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.dim,
            intermediate_size=config.hidden_dim,
            num_hidden_layers=len(order),
            num_attention_heads=config.n_heads,
            num_key_value_heads=config.n_kv_heads,
            head_dim=config.head_dim,
            max_position_embeddings=config.max_seq_len,
            rms_norm_eps=config.norm_eps,
            rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
            tie_word_embeddings=config.tie_embeddings,
            bos_token_id=None,
            eos_token_id=None,
        )
    ).eval()
    q, kv = config.n_heads * config.head_dim, config.n_kv_heads * config.head_dim
    with torch.no_grad():
        theirs.model.embed_tokens.weight.copy_(ours.embed.weight)
        theirs.model.norm.weight.copy_(ours.norm.weight)
        if not config.tie_embeddings:
            theirs.lm_head.weight.copy_(ours.head.weight)
        for layer, stored in zip(theirs.model.layers, order, strict=True):
            block = ours.blocks[stored]
            wq, wk, wv = block.attention.qkv.weight.split((q, kv, kv))
            gate, up = block.ffn.up.weight.split(config.hidden_dim)
            for target, source in (
                (layer.input_layernorm, block.attention_norm.weight),
                (layer.self_attn.q_proj, wq),
                (layer.self_attn.k_proj, wk),
                (layer.self_attn.v_proj, wv),
                (layer.self_attn.o_proj, block.attention.out.weight),
                (layer.post_attention_layernorm, block.ffn_norm.weight),
                (layer.mlp.gate_proj, gate),
                (layer.mlp.up_proj, up),
                (layer.mlp.down_proj, block.ffn.down.weight),
            ):
                target.weight.copy_(source)
    return theirs
