"""The peer: transformers' Llama of the same shape, with fresh weights or with ours."""

import tempfile

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.pretrained import save_pretrained


def llama(config: ModelConfig, *, seed: int = 0) -> LlamaForCausalLM:
    """A Llama of this shape as transformers draws it."""
    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.dim,
            intermediate_size=config.hidden_dim,
            num_hidden_layers=config.n_layers,
            num_attention_heads=config.n_heads,
            num_key_value_heads=config.n_kv_heads,
            head_dim=config.head_dim,
            max_position_embeddings=config.max_seq_len,
            rms_norm_eps=config.norm_eps,
            tie_word_embeddings=config.tie_embeddings,
            use_cache=False,
            bos_token_id=None,
            eos_token_id=None,
            pad_token_id=None,
        )
    )


def twin(model: Transformer) -> LlamaForCausalLM:
    """A Llama with the weights of `model`, through a folder as transformers reads it."""
    with tempfile.TemporaryDirectory() as folder:
        save_pretrained(model, folder)
        return LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


class Logits:
    """A Llama behind the call that our tasks evaluate: tokens in, logits out."""

    def __init__(self, model: LlamaForCausalLM):
        self.model, self.embed = model, model.model.embed_tokens

    def __call__(self, tokens: Tensor) -> Tensor:
        return self.model(input_ids=tokens).logits
