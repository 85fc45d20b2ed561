"""Every kind of model of ours, as changes of one with 4 heads and 2 keys: what rewrites weights must know them."""

SHAPES = {
    "gqa": {},
    "mha": {"n_kv_heads": 4},
    "mqa": {"n_kv_heads": 1},
    "wide heads": {"head_dim": 10},
    "relu": {"ffn": "relu"},
    "untied": {"tie_embeddings": False},
    "shared": {"sharing": "immediate"},
    "factorised": {"embed_dim": 12},
    "factorised and untied": {"embed_dim": 12, "tie_embeddings": False},
    "blocks of several sizes": {"hidden_dims": (24, 16), "kv_heads": (1, 2)},
}
