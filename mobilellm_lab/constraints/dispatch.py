"""Count of the torch operations that one decode step starts"""

from functools import cache

from mobilellm_lab.constraints.decode import build, decode_steps
from mobilellm_lab.measuring import started_operations
from mobilellm_lab.model import ModelConfig, execution_order

# The smallest block there is: its arithmetic takes no time, so that starting its operations is all it does.
SMALLEST = ModelConfig(
    vocab_size=64, dim=8, n_layers=8, n_heads=2, n_kv_heads=2, hidden_dim=16, max_seq_len=64, tie_embeddings=True
)


def torch_operations(config: ModelConfig) -> int:
    """Operations that one decode step of this model starts; they do not depend on its widths or on the batch."""
    one, two = (_counted(config.ffn, config.tie_embeddings, config.embed_dim != config.dim, n) for n in (1, 2))
    return one + (len(execution_order(config)) - 1) * (two - one)


@cache
def _counted(ffn: str, tied: bool, factorised: bool, n_layers: int) -> int:
    small = SMALLEST.resized(
        n_layers=n_layers, ffn=ffn, tie_embeddings=tied, embed_dim=SMALLEST.dim // 2 if factorised else 0
    )
    steps = decode_steps(build(small), context=4)
    next(steps)  # what is made once is made now
    return started_operations(lambda: next(steps))
