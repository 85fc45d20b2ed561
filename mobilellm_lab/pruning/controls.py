"""Control of every recovery: a small dense model of as many parameters, trained from random weights"""

from dataclasses import replace

from mobilellm_lab import zoo
from mobilellm_lab.footprint import flops_per_token
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.pruning.masks import PrunedModel


def kept_parameters(pruned: PrunedModel | Transformer) -> int:
    """Weights of all kinds that are not masked, a tied table counted once."""
    if isinstance(pruned, PrunedModel):
        masked = sum((~mask).sum().item() for mask in pruned.masks.values())
        return kept_parameters(pruned.model) - masked
    return sum(p.numel() for p in pruned.parameters())


def small_twin(config: ModelConfig, parameters: int) -> ModelConfig:
    """The dense shape of the same depth, heads and ratios, but narrower, with `parameters` weights within 2 %.

    Raises:
        ValueError: no width fits; names the smallest budget that does.
    """
    twin = zoo.solve(
        parameters,
        config.n_layers,
        vocab_size=config.vocab_size,
        n_heads=config.n_heads,
        n_kv_heads=config.n_kv_heads,
        embed_dim=config.embed_dim if config.embed_dim != config.dim else 0,
        sharing=config.sharing,
        ffn=config.ffn,
        ffn_ratio=config.hidden_dim / config.dim,
        tie_embeddings=config.tie_embeddings,
        max_seq_len=config.max_seq_len,
    )
    return replace(twin, rope_theta=config.rope_theta, norm_eps=config.norm_eps)


def equal_updates(updates: int | float, config: ModelConfig, twin: ModelConfig, *, context: int) -> int:
    """Updates of the twin that take as many operations as `updates` of the pruned model, at equal batches.

    Which budget is fair? Held masks make no update cheaper, so the pruned model pays for the dense shape; the narrower
    twin gets more updates for the same operations ("Scratch-B"). Small matrices run at fewer operations a second, so
    the same seconds are fewer updates: on one core, a twin with a tenth of the blocks' weights takes twice as long for
    the same operations. Pruning that wins at equal operations also wins at equal seconds, not the other way round.
    Seconds are what a reader has, but cannot be repeated to the bit: live runs count them, and the stored sweep turns
    them into updates once. Pruning itself counts, too. What the dense model cost before is on nobody's account.

    Source: Liu et al., Rethinking the Value of Network Pruning, arXiv 1810.05270.
    """
    ratio = flops_per_token(config, context=context) / flops_per_token(twin, context=context)
    return round(updates * ratio)
