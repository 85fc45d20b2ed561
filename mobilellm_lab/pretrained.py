"""Hugging Face folders of the Llama architecture, read and written without transformers."""

from collections.abc import Iterable
from pathlib import Path

import torch

from mobilellm_lab.checkpoints import (
    CONFIG,
    WEIGHTS,
    TensorFiles,
    assemble,
    compare,
    read_json,
    shapes,
    write_folder,
)
from mobilellm_lab.config_checks import require_positions, require_sizes
from mobilellm_lab.model import ModelConfig, Transformer, execution_order
from mobilellm_lab.safe_files import restore

INDEX = "model.safetensors.index.json"
EMBED = "model.embed_tokens.weight"


def from_pretrained(folder: str | Path, *, dtype: torch.dtype = torch.float32) -> Transformer:
    """The model in a local folder: config.json and safetensors, in one file or several, cast to `dtype`.

    MobileLLM's own flags are understood: `share_embedding` ties the tables whatever `tie_word_embeddings` says, and
    `layer_sharing` runs each block twice in a row. Logits agree with transformers within 1e-4 in float32
    (tests/test_pretrained.py).

    Raises:
        ValueError: what our block would compute differently (another architecture, biases, scaled RoPE, another
            activation, quantized weights); a tensor that is missing, too many or of another shape; a weight that is
            not finite. Names the field or the tensor.
    """
    folder = Path(folder)
    restore(folder)
    config = _config(folder / CONFIG)
    require_positions(config, folder / CONFIG)
    weights, _ = _weight_files(folder)
    with TensorFiles(weights) as files:
        require_sizes(config, files.shapes, folder / CONFIG, blocks="model.layers")
        pieces, ours = _pieces(config, range(config.n_layers)), shapes(config)
        wanted = {name: (rows, *ours[our][1:]) for our, parts in pieces for name, rows in parts}
        found = {name: shape for name, shape in files.shapes.items() if not name.endswith("rotary_emb.inv_freq")}
        if config.tie_embeddings and "lm_head.weight" in found:  # some writers store a tied table twice
            if EMBED in found and not torch.equal(files.read("lm_head.weight"), files.read(EMBED)):
                raise ValueError(f"{folder}: lm_head.weight differs from {EMBED}, though {CONFIG} ties the two")
            del found["lm_head.weight"]
        if "lm_head.weight" in wanted.keys() - found.keys() and EMBED in found:
            raise ValueError(
                f"{folder}: tensor lm_head.weight is missing and {CONFIG} does not tie it to the embedding table: "
                "if the model shares its table, set tie_word_embeddings (or MobileLLM's share_embedding) to true"
            )
        compare(wanted, found, folder)
        tensors = {}
        for our, parts in pieces:
            tensors[our] = torch.cat([files.read(name).to(dtype) for name, _ in parts])
            if not tensors[our].isfinite().all():
                raise ValueError(f"{folder}: {', '.join(name for name, _ in parts)} is not finite in {dtype}")
    return assemble(config, tensors)


def save_pretrained(model: Transformer, folder: str | Path) -> None:
    """Writes a folder that `transformers.AutoModelForCausalLM.from_pretrained` opens, whole or not at all.

    Llama knows no layer sharing, so a shared block is written once per execution: same logits, larger file.

    Raises:
        ValueError: what Llama cannot express (ffn="relu", a factorised embedding, heads that do not divide the width,
            blocks of several sizes), weights that are not those of the model's config, or a folder with other things
            in it.
    """
    config = model.config
    if config.ffn != "swiglu":
        raise ValueError(f"ffn={config.ffn!r}: Llama's feed-forward is SwiGLU, keep this model with checkpoints.save")
    if config.embed_dim != config.dim:
        raise ValueError(
            f"embed_dim={config.embed_dim}: Llama's table is as wide as the model, dim={config.dim}; "
            "keep this model with checkpoints.save"
        )
    if config.dim % config.n_heads:
        raise ValueError(
            f"n_heads={config.n_heads}: transformers refuses heads that do not divide the width, dim={config.dim}; "
            "keep this model with checkpoints.save"
        )
    for field, sizes in (("hidden_dims", config.hidden_dims), ("kv_heads", config.kv_heads)):
        for block, size in enumerate(sizes):
            if size != sizes[0]:
                raise ValueError(
                    f"{field}={size} in block {block} and {sizes[0]} in block 0: Llama's blocks all have one size; "
                    "keep this model with checkpoints.save, or prune every block alike"
                )
    state = model.state_dict()
    compare(shapes(config), {name: tuple(tensor.shape) for name, tensor in state.items()}, "model")
    tensors = {}
    for our, parts in _pieces(config, execution_order(config)):
        for (name, _), rows in zip(parts, state[our].split([rows for _, rows in parts]), strict=True):
            tensors[name] = rows.cpu().clone(memory_format=torch.contiguous_format)  # safetensors takes no views
    raw = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": config.vocab_size,
        "hidden_size": config.dim,
        "intermediate_size": config.hidden_dim,
        "num_hidden_layers": len(execution_order(config)),
        "num_attention_heads": config.n_heads,
        "num_key_value_heads": config.n_kv_heads,
        "head_dim": config.head_dim,
        "max_position_embeddings": config.max_seq_len,
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_theta,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": config.tie_embeddings,
        "bos_token_id": None,  # left out, LlamaConfig says 1 and 2, which are ordinary tokens here
        "eos_token_id": None,
        "torch_dtype": str(model.embed.weight.dtype).removeprefix("torch."),
    }
    write_folder(Path(folder), raw, tensors)


def _pieces(config: ModelConfig, order: Iterable[int]) -> list[tuple[str, list[tuple[str, int]]]]:
    """(our tensor, the Llama tensors stacked in it with their rows); Llama's layer i is our block order[i].

    Both sides turn channel i with i + Dh/2, so rows are copied as they are.
    """
    q, kv = config.n_heads * config.head_dim, config.n_kv_heads * config.head_dim
    pieces = [("embed.weight", [(EMBED, config.vocab_size)])]
    for layer, stored in enumerate(order):
        llama = f"model.layers.{layer}"
        for our, parts in {
            "attention_norm": {"input_layernorm": config.dim},
            "attention.qkv": {"self_attn.q_proj": q, "self_attn.k_proj": kv, "self_attn.v_proj": kv},
            "attention.out": {"self_attn.o_proj": config.dim},
            "ffn_norm": {"post_attention_layernorm": config.dim},
            "ffn.up": {"mlp.gate_proj": config.hidden_dim, "mlp.up_proj": config.hidden_dim},
            "ffn.down": {"mlp.down_proj": config.dim},
        }.items():
            stack = [(f"{llama}.{name}.weight", rows) for name, rows in parts.items()]
            pieces.append((f"blocks.{stored}.{our}.weight", stack))
    pieces.append(("norm.weight", [("model.norm.weight", config.dim)]))
    if not config.tie_embeddings:
        pieces.append(("head.weight", [("lm_head.weight", config.vocab_size)]))
    return pieces


def files_read(folder: str | Path) -> list[Path]:
    """What `from_pretrained` reads of a folder: its config, its weights and their index.

    Raises:
        ValueError: weights twice, or an index that is damaged.
    """
    folder = Path(folder)
    weights, index = _weight_files(folder)
    return [folder / CONFIG, *weights, *index]


def _weight_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """The safetensors of a folder, the single file or the shards of an index; and the index, where it is needed.

    Both at once are refused. transformers takes the single file without a word, and it is the older one where a
    larger model was saved over a smaller.
    """
    single, index = folder / WEIGHTS, folder / INDEX
    if not index.exists():
        return [single], []
    weight_map = read_json(index).get("weight_map")
    names = list(weight_map.values()) if isinstance(weight_map, dict) else []
    if not names or any(not isinstance(name, str) or name != Path(name).name for name in names):
        raise ValueError(f"{index}: weight_map must name files of this folder: download it again")
    shards = [folder / name for name in sorted(set(names))]
    if not single.exists() or single in shards:
        return shards, [index]
    if there := [shard.name for shard in shards if shard.exists()]:
        raise ValueError(
            f"{folder}: weights twice, in {WEIGHTS} and in {there[0]} of {INDEX}: "
            f"delete {WEIGHTS} to load the shards, or {INDEX} to load the single file"
        )
    return [single], []


def _config(path: Path) -> ModelConfig:
    """Our shape for a Hugging Face config.json; refuses by name what our block would compute differently."""
    raw = read_json(path)
    rope_field, rope = _rope(raw)
    architecture = (raw.get("architectures") or ["LlamaForCausalLM"])[0]
    for field, value, allowed in (
        ("model_type", raw.get("model_type"), ("llama", "mobilellm")),
        ("architectures", architecture, ("LlamaForCausalLM", "MobileLLMForCausalLM")),
        ("hidden_act", raw.get("hidden_act", "silu"), ("silu",)),
        ("attention_bias", raw.get("attention_bias"), (False, None)),
        ("mlp_bias", raw.get("mlp_bias"), (False, None)),
        (rope_field, rope["rope_type"], ("default",)),
        ("rope_interleaved", raw.get("rope_interleaved"), (False, None)),
        ("partial_rotary_factor", rope["partial_rotary_factor"], (1, None)),
        ("quantization_config", raw.get("quantization_config"), (None,)),
    ):
        if value not in allowed:
            raise ValueError(f"{path}: {field}={value!r}: our block is {allowed[0]!r} there, take another model")
    for field in ("tie_word_embeddings", "share_embedding", "layer_sharing"):
        if raw.get(field) not in (True, False, None):
            raise ValueError(f"{path}: {field}={raw[field]!r}: must be true or false, download the file again")

    def number(name: str, default: int | float | None = None, *, of: dict = raw, kind: type = int) -> int | float:
        value = default if of.get(name) is None else of[name]
        if type(value) not in (int, kind):
            raise ValueError(f"{name}={value!r}: must be a number of type {kind.__name__}, download the file again")
        return kind(value)

    try:
        return ModelConfig(
            vocab_size=number("vocab_size"),
            dim=number("hidden_size"),
            n_layers=number("num_hidden_layers"),
            n_heads=number("num_attention_heads"),
            n_kv_heads=number("num_key_value_heads", raw["num_attention_heads"]),
            hidden_dim=number("intermediate_size"),
            head_dim=number("head_dim", 0),
            max_seq_len=number("max_position_embeddings", 2048),  # this and the next two: Llama's defaults
            norm_eps=number("rms_norm_eps", 1e-6, kind=float),
            rope_theta=number("rope_theta", of=rope, kind=float),
            tie_embeddings=bool(raw.get("tie_word_embeddings") or raw.get("share_embedding")),
            sharing="immediate" if raw.get("layer_sharing") else "none",
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _rope(raw: dict) -> tuple[str, dict]:
    """RoPE's type, theta and rotated share, and the field that they were read from.

    transformers 4 writes `rope_theta` at the top and a `rope_scaling`, transformers 5 one `rope_parameters`. Where
    they disagree we take what transformers 5 takes: `rope_scaling` replaces `rope_parameters`, `rope_type` an older
    `type`, and a value inside of them one at the top.
    """
    field = "rope_scaling" if raw.get("rope_scaling") else "rope_parameters"
    inside = raw.get(field) or {}
    if not isinstance(inside, dict) or any(isinstance(value, dict) for value in inside.values()):
        inside = {"rope_type": inside}  # another RoPE in every kind of layer, or no settings at all: shown as it is
    settings = {"rope_type": inside.get("type", "default"), "rope_theta": 10000, "partial_rotary_factor": 1}
    for source, names in ((raw, ("rope_theta", "partial_rotary_factor")), (inside, settings)):
        settings = settings | {name: source[name] for name in names if name in source}
    return field, settings
