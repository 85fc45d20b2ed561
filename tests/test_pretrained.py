"""Hugging Face folders both ways, against transformers, and everything that must be refused."""

import json
import time
from pathlib import Path

import pytest
import torch
from llama import UNROLLED, model, twin
from safetensors.torch import load_file, save_file
from test_model import SHAPES, config_of, tokens_for
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from mobilellm_lab.model import generate
from mobilellm_lab.pretrained import files_read, from_pretrained, save_pretrained


@pytest.fixture
def llama(tmp_path) -> Path:
    """An untied Llama folder as transformers writes it."""
    twin(model(config_of(tie_embeddings=False))).save_pretrained(tmp_path / "llama")
    return tmp_path / "llama"


def edit(folder: Path, **changes) -> None:
    """Changes fields of config.json; None removes one."""
    raw = json.loads((folder / "config.json").read_text())
    raw = {name: value for name, value in (raw | changes).items() if value is not None}
    (folder / "config.json").write_text(json.dumps(raw))


def change_tensors(folder: Path, change) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("name", SHAPES)
@torch.inference_mode()
def test_a_folder_of_transformers_gives_its_logits(name, tmp_path):
    config = config_of(**SHAPES[name])
    theirs = twin(model(config))
    theirs.save_pretrained(tmp_path)
    ours = from_pretrained(tmp_path)
    assert ours.config == config
    tokens = tokens_for(config, 2, 40)
    assert (ours(tokens) - theirs(tokens).logits).abs().max() < 1e-4


@pytest.mark.parametrize("name", SHAPES)
@torch.inference_mode()
def test_transformers_opens_what_we_write(name, tmp_path):
    ours = model(config_of(**SHAPES[name]))
    save_pretrained(ours, tmp_path / "out")
    theirs, report = AutoModelForCausalLM.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert isinstance(theirs, LlamaForCausalLM)
    assert not any(report.values())  # nothing missing, unexpected or of another shape
    tokens = tokens_for(ours.config, 2, 40)
    assert (ours(tokens) - theirs(tokens).logits).abs().max() < 1e-4
    back = from_pretrained(tmp_path / "out")
    assert back.config == ours.config
    assert all(torch.equal(back.state_dict()[key], value) for key, value in ours.state_dict().items())


def test_transformers_generates_what_we_do(tmp_path):
    """No end-of-text token sneaks in: LlamaConfig's default, 2, is an ordinary token here."""
    ours = model(config_of())
    save_pretrained(ours, tmp_path / "out")
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert theirs.config.bos_token_id is theirs.config.eos_token_id is None
    prompt = tokens_for(ours.config, 8, 4)
    expected = theirs.generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=50, do_sample=False, pad_token_id=0
    )[:, 4:]
    assert (expected == 2).any()
    assert torch.equal(torch.stack(list(generate(ours, prompt, 50)), 1), expected)


@pytest.mark.parametrize("sharing", ["immediate", "repeat", "reverse"])
@torch.inference_mode()
def test_shared_blocks_are_written_out(sharing, tmp_path):
    ours = model(config_of(sharing=sharing))
    save_pretrained(ours, tmp_path / "out")
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert theirs.config.num_hidden_layers == 6
    tokens = tokens_for(ours.config, 2, 40)
    assert (ours(tokens) - theirs(tokens).logits).abs().max() < 1e-4
    assert torch.equal(from_pretrained(tmp_path / "out")(tokens), ours(tokens))


@torch.inference_mode()
def test_mobilellm_shares_tables_and_layers_by_flags_of_its_own(tmp_path):
    """Its configs say tie_word_embeddings: false, its files have no lm_head, its layers run twice."""
    ours = model(config_of())
    save_pretrained(ours, tmp_path)
    edit(tmp_path, model_type="mobilellm", architectures=["MobileLLMForCausalLM"], tie_word_embeddings=False)
    with pytest.raises(ValueError, match="lm_head.weight is missing.*share_embedding"):
        from_pretrained(tmp_path)
    edit(tmp_path, share_embedding=True, layer_sharing=False)
    tokens = tokens_for(ours.config, 2, 40)
    assert torch.equal(from_pretrained(tmp_path)(tokens), ours(tokens))
    edit(tmp_path, layer_sharing=True)
    back = from_pretrained(tmp_path)
    assert (back.config.sharing, back.config.n_layers) == ("immediate", 3)
    assert (back(tokens) - twin(ours, UNROLLED["immediate"])(tokens).logits).abs().max() < 1e-4


@torch.inference_mode()
def test_shards_read_as_one(llama):
    whole = from_pretrained(llama).state_dict()
    shards = llama.parent / "shards"
    LlamaForCausalLM.from_pretrained(llama).save_pretrained(shards, max_shard_size="20KB")
    assert not (shards / "model.safetensors").exists()
    assert len(list(shards.glob("*.safetensors"))) > 3
    back = from_pretrained(shards).state_dict()
    assert all(torch.equal(back[name], tensor) for name, tensor in whole.items())

    first = sorted(shards.glob("*.safetensors"))[0]
    content = first.read_bytes()
    first.write_bytes(content[:-1])
    with pytest.raises(ValueError, match=f"{first.name} is damaged or cut short"):
        from_pretrained(shards)
    first.unlink()
    with pytest.raises(ValueError, match=f"{first.name} is missing"):
        from_pretrained(shards)
    first.write_bytes(content)
    (shards / "copy.safetensors").write_bytes(content)
    index = shards / "model.safetensors.index.json"
    raw = json.loads(index.read_text())
    index.write_text(json.dumps({"weight_map": raw["weight_map"] | {"more": "copy.safetensors"}}))
    with pytest.raises(ValueError, match="is in another file too"):
        from_pretrained(shards)
    for wrong in ({"a": "../model.safetensors"}, {"a": 3}, {"a": ["x"]}, {}, ["x"], None):
        index.write_text(json.dumps({"weight_map": wrong}))
        with pytest.raises(ValueError, match=r"index.json: weight_map must name files of this folder"):
            from_pretrained(shards)


def test_a_single_file_beside_shards_is_refused_with_both_names(llama):
    """As transformers leaves them when it saves shards over a single file, and then loads the older one."""
    older, theirs = from_pretrained(llama).norm.weight, LlamaForCausalLM.from_pretrained(llama)
    with torch.no_grad():
        theirs.model.norm.weight.add_(1)
    theirs.save_pretrained(llama, max_shard_size="20KB")
    names = r"weights twice, in model.safetensors and in model-00001-of-\d+.safetensors of model.safetensors.index.json"
    for read in (from_pretrained, files_read):
        with pytest.raises(ValueError, match=f"{names}: delete model.safetensors to load the shards"):
            read(llama)
    (llama / "model.safetensors").rename(llama / "old")
    assert torch.equal(from_pretrained(llama).norm.weight, theirs.model.norm.weight)
    assert sorted(path.name for path in files_read(llama)) == sorted(
        path.name for path in llama.iterdir() if path.name not in ("old", "generation_config.json")
    )
    (llama / "old").rename(llama / "model.safetensors")
    index = llama / "model.safetensors.index.json"
    raw = json.loads(index.read_text())
    for shard in llama.glob("model-*"):  # an index that is left of them: the weights are there once
        shard.unlink()
    assert torch.equal(from_pretrained(llama).norm.weight, older)
    assert [path.name for path in files_read(llama)] == ["config.json", "model.safetensors"]
    index.write_text(json.dumps({"weight_map": dict.fromkeys(raw["weight_map"], "model.safetensors")}))  # as MLX does
    assert torch.equal(from_pretrained(llama).norm.weight, older)


@pytest.mark.parametrize("stored", [torch.bfloat16, torch.float16])
@torch.inference_mode()
def test_half_precision_files_are_cast(stored, llama):
    change_tensors(llama, lambda t: t.update({name: tensor.to(stored) for name, tensor in t.items()}))
    ours = from_pretrained(llama)
    assert {p.dtype for p in ours.parameters()} == {torch.float32}
    theirs = LlamaForCausalLM.from_pretrained(llama, dtype=torch.float32).eval()
    tokens = tokens_for(ours.config, 1, 30)
    assert (ours(tokens) - theirs(tokens).logits).abs().max() < 1e-4
    kept = from_pretrained(llama, dtype=stored)
    assert kept(tokens).dtype == stored
    save_pretrained(kept, llama.parent / "half")
    assert json.loads((llama.parent / "half" / "config.json").read_text())["torch_dtype"] == str(stored)[6:]
    assert torch.equal(from_pretrained(llama.parent / "half", dtype=stored)(tokens), kept(tokens))


@torch.inference_mode()
def test_old_and_new_spellings_of_a_config_mean_the_same(llama):
    new = from_pretrained(llama).config
    edit(llama, rope_parameters=None, rope_theta=10000, rope_scaling={"rope_type": "default"})
    assert from_pretrained(llama).config == new
    edit(llama, rope_theta=500000, rms_norm_eps=1e-6, head_dim=None)
    old = from_pretrained(llama).config
    assert (old.rope_theta, old.norm_eps, old.head_dim) == (500000.0, 1e-6, 8)


@pytest.mark.parametrize(
    "spelling",
    [
        {"rope_scaling": {"rope_type": "default", "rope_theta": 500000}},
        {"rope_scaling": {"type": "default", "rope_theta": 500000.0}},
        {"rope_scaling": {"rope_type": "default"}, "rope_theta": 500000},
        {"rope_theta": 500000},
        {"rope_theta": 500000, "rope_scaling": {}, "partial_rotary_factor": 1.0},
        {"rope_parameters": {"rope_theta": 500000}},
        {"rope_parameters": {"rope_type": "default", "rope_theta": 500000, "factor": 8.0}},
        {"rope_parameters": {"rope_theta": 500000, "partial_rotary_factor": 1.0}, "partial_rotary_factor": 0.5},
        # Two that disagree
        {"rope_parameters": {"rope_type": "default", "rope_theta": 500000}, "rope_theta": 100},
        {"rope_scaling": {"rope_type": "default", "rope_theta": 500000}, "rope_theta": 100},
        {"rope_scaling": {"rope_theta": 500000}, "rope_parameters": {"rope_theta": 100}, "rope_theta": 200},
        {"rope_scaling": {"rope_type": "default"}, "rope_parameters": {"rope_theta": 100}, "rope_theta": 500000},
        {"rope_scaling": {"type": "linear", "rope_type": "default", "rope_theta": 500000, "factor": 2.0}},
        {
            "rope_scaling": {"rope_type": "default", "rope_theta": 500000},
            "rope_parameters": {"rope_type": "llama3", "rope_theta": 100, "factor": 8.0},
        },
        {"rope_parameters": {}, "rope_scaling": None, "rope_theta": 500000},
    ],
    ids=str,
)
@torch.inference_mode()
def test_every_spelling_of_rope_gives_the_logits_of_transformers(spelling, llama):
    raw = json.loads((llama / "config.json").read_text())
    del raw["rope_parameters"]
    (llama / "config.json").write_text(json.dumps(raw | spelling))
    ours, theirs = from_pretrained(llama), LlamaForCausalLM.from_pretrained(llama)
    assert ours.config.rope_theta == theirs.config.rope_parameters["rope_theta"] == 500000
    tokens = tokens_for(ours.config, 1, 60)
    assert (ours(tokens) - theirs(tokens).logits).abs().max() < 1e-4


@torch.inference_mode()
def test_what_a_config_leaves_out_is_llamas_default(tmp_path):
    theirs = twin(model(config_of(n_kv_heads=4, tie_embeddings=False, norm_eps=1e-6)))
    theirs.save_pretrained(tmp_path)
    left_out = ["num_key_value_heads", "head_dim", "rms_norm_eps", "rope_parameters", "tie_word_embeddings"]
    left_out += ["max_position_embeddings", "hidden_act", "attention_bias", "mlp_bias", "architectures"]
    edit(tmp_path, **dict.fromkeys(left_out))
    ours = from_pretrained(tmp_path)
    assert ours.config.n_kv_heads == LlamaConfig(num_attention_heads=4, hidden_size=32).num_key_value_heads
    assert ours.config.max_seq_len == LlamaConfig().max_position_embeddings
    tokens = tokens_for(ours.config, 1, 30)
    assert (ours(tokens) - LlamaForCausalLM.from_pretrained(tmp_path)(tokens).logits).abs().max() < 1e-4


def test_extras_that_change_nothing_are_accepted(tmp_path):
    twin(model(config_of())).save_pretrained(tmp_path)
    before = from_pretrained(tmp_path).state_dict()
    change_tensors(
        tmp_path,
        lambda t: t.update(
            {
                "lm_head.weight": t["model.embed_tokens.weight"].clone(),  # a tied table stored twice
                "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4),  # before transformers 4.32
            }
        ),
    )
    assert all(torch.equal(before[name], p) for name, p in from_pretrained(tmp_path).state_dict().items())
    change_tensors(tmp_path, lambda t: t["lm_head.weight"].mul_(2))
    with pytest.raises(ValueError, match="lm_head.weight differs from model.embed_tokens.weight"):
        from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "qwen2"}, "model_type='qwen2'"),
        ({"model_type": None}, "model_type=None"),
        ({"architectures": ["LlamaForSequenceClassification"]}, "architectures='LlamaForSequenceClassification'"),
        ({"attention_bias": True}, "attention_bias=True"),
        ({"mlp_bias": True}, "mlp_bias=True"),
        ({"hidden_act": "gelu"}, "hidden_act='gelu'"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_scaling='linear'"),
        ({"rope_parameters": {"rope_type": "llama3", "rope_theta": 5e5, "factor": 32.0}}, "rope_parameters='llama3'"),
        *(
            ({field: {"rope_theta": 1e4, "factor": 4.0, key: kind}}, f"{field}='{kind}'")
            for field in ("rope_scaling", "rope_parameters")
            for key in ("rope_type", "type")
            for kind in ("linear", "dynamic", "yarn", "longrope", "llama3", "su", "mrope", "proportional")
        ),
        ({"rope_scaling": {"rope_type": "yarn", "type": "default"}}, "rope_scaling='yarn'"),
        ({"rope_scaling": {"rope_type": None}}, "rope_scaling=None"),
        ({"rope_scaling": "linear"}, "rope_scaling='linear'"),
        ({"rope_scaling": {"full_attention": {"rope_theta": 1e6}}}, "rope_scaling=.*full_attention"),
        ({"rope_parameters": {"full_attention": {"rope_theta": 1e6}}}, "rope_parameters=.*full_attention"),
        ({"rope_parameters": {"rope_theta": None}}, "rope_theta=None: must be a number of type float"),
        ({"rope_parameters": {"rope_theta": "1e6"}}, "rope_theta='1e6'"),
        ({"rope_scaling": {"rope_theta": True}}, "rope_theta=True"),
        ({"rope_scaling": {"rope_theta": -1}}, "rope_theta=-1.0"),
        ({"rope_scaling": {"rope_theta": 1e4, "partial_rotary_factor": 0.5}}, "partial_rotary_factor=0.5"),
        ({"rope_parameters": {"rope_theta": 1e4, "partial_rotary_factor": 0.5}}, "partial_rotary_factor=0.5"),
        ({"partial_rotary_factor": 0.25}, "partial_rotary_factor=0.25"),
        ({"rope_interleaved": True}, "rope_interleaved=True"),
        ({"quantization_config": {"quant_method": "awq"}}, "quantization_config=.*awq"),
        ({"tie_word_embeddings": "false"}, "tie_word_embeddings='false': must be true or false"),
        ({"share_embedding": "no"}, "share_embedding='no'"),
        ({"layer_sharing": 2}, "layer_sharing=2"),
        ({"hidden_size": None}, "hidden_size=None: must be a number"),
        ({"num_attention_heads": None}, "num_attention_heads=None"),
        ({"num_hidden_layers": 3.5}, "num_hidden_layers=3.5"),
        ({"vocab_size": "61"}, "vocab_size='61'"),
        ({"rms_norm_eps": True}, "rms_norm_eps=True"),
        ({"rms_norm_eps": -1.0}, "norm_eps=-1.0"),
        ({"num_key_value_heads": 3}, "n_kv_heads=3 does not divide n_heads=4"),
        ({"num_hidden_layers": 4}, "config.json: n_layers=4, the weights are of 3 blocks"),
        ({"num_hidden_layers": 2}, "config.json: n_layers=2, the weights are of 3 blocks"),
        ({"hidden_size": 16}, r"model.embed_tokens.weight has shape \(61, 32\), the config asks for \(61, 16\)"),
        ({"num_key_value_heads": 4}, r"layers.0.self_attn.k_proj.weight has shape \(16, 32\).*\(32, 32\)"),
        ({"intermediate_size": 90}, r"layers.0.mlp.gate_proj.weight has shape \(88, 32\).*\(90, 32\)"),
    ],
)
def test_what_our_block_would_compute_differently_is_refused_by_name(changes, message, llama):
    edit(llama, **changes)
    with pytest.raises(ValueError, match=message):
        from_pretrained(llama)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda t: t.pop("model.layers.1.self_attn.v_proj.weight"),
            r"1.self_attn.v_proj.weight of shape \(16, 32\) is",
        ),
        (
            lambda t: t.update({"model.layers.0.self_attn.q_proj.bias": torch.ones(32)}),
            r"unexpected tensor .*q_proj.bias of shape \(32,\)",
        ),
        (lambda t: t.update({"model.norm.weight": torch.ones(31)}), r"model.norm.weight has shape \(31,\).*\(32,\)"),
        (
            lambda t: t["model.layers.2.mlp.up_proj.weight"].fill_(torch.nan),
            "layers.2.mlp.up_proj.weight is not finite",
        ),
        (lambda t: t["lm_head.weight"].fill_(torch.inf), "lm_head.weight is not finite"),
        (lambda t: t.update({"lm_head.weight": torch.ones(61, 32, dtype=torch.int8)}), "lm_head.weight is torch.int8"),
    ],
)
def test_a_wrong_tensor_is_refused_by_name(change, message, llama):
    change_tensors(llama, change)
    with pytest.raises(ValueError, match=message):
        from_pretrained(llama)


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"config.json is missing"):
        from_pretrained(tmp_path)
    GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=8, n_head=1, vocab_size=9)).save_pretrained(tmp_path / "gpt2")
    with pytest.raises(ValueError, match="model_type='gpt2'"):
        from_pretrained(tmp_path / "gpt2")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_hidden_layers": 10**9}, "n_layers=1000000000, the weights are of 3 blocks: copy both files again"),
        ({"intermediate_size": 10**12}, "hidden_dim=1000000000000, no tensor is longer than 88: copy both files again"),
        ({"max_position_embeddings": 10**12}, "1000000000000 positions are beyond 1048576: copy it again"),
    ],
)
def test_a_size_far_from_the_weights_is_refused_at_once(changes, message, llama):
    edit(llama, **changes)
    start = time.process_time()
    with pytest.raises(ValueError, match=f"config.json: {message}"):
        from_pretrained(llama)
    assert time.process_time() - start < 1


def test_an_overwrite_that_died_between_its_moves_is_found_again(tmp_path):
    save_pretrained(model(config_of()), tmp_path / "mine")
    (tmp_path / "mine").rename(tmp_path / ".mine.replaced")
    assert from_pretrained(tmp_path / "mine").config == config_of()


def test_pickles_are_not_opened(llama):
    torch.save(load_file(llama / "model.safetensors"), llama / "pytorch_model.bin")
    (llama / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"model.safetensors is missing"):
        from_pretrained(llama)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ffn": "relu"}, "ffn='relu'.*checkpoints.save"),
        ({"embed_dim": 8}, "embed_dim=8.*dim=32"),
        ({"dim": 30, "head_dim": 8}, "n_heads=4.*dim=30"),
        (
            {"hidden_dims": (88, 88, 40)},
            "hidden_dims=40 in block 2 and 88 in block 0: Llama's blocks all have one size",
        ),
        ({"kv_heads": (2, 1, 1)}, "kv_heads=1 in block 1 and 2 in block 0"),
    ],
)
def test_what_llama_cannot_express_is_not_written(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        save_pretrained(model(config_of(**changes)), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match="it holds other files"):
        save_pretrained(model(config_of()), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.json"]
