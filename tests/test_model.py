"""The transformer against transformers' Llama, with and without a cache, and its errors."""

from dataclasses import replace

import pytest
import torch
from llama import UNROLLED, model, twin

from mobilellm_lab.decoding import decoder
from mobilellm_lab.model import (
    KVCache,
    ModelConfig,
    Transformer,
    _is_stock,
    execution_order,
    generate,
    rope_tables,
)

TINY = {"vocab_size": 61, "dim": 32, "n_layers": 3, "n_heads": 4, "n_kv_heads": 2, "hidden_dim": 88, "max_seq_len": 64}
SHAPES = {
    "gqa": {},
    "mha": {"n_kv_heads": 4},
    "mqa": {"n_kv_heads": 1},
    "one head": {"n_heads": 1, "n_kv_heads": 1},
    "untied": {"tie_embeddings": False},
    "wide heads": {"head_dim": 24},
    "narrow heads, untied": {"head_dim": 2, "tie_embeddings": False},
    "heads that do not add up to the width": {"dim": 28, "head_dim": 8},
    "one layer": {"n_layers": 1},
    "eleven layers": {"n_layers": 11, "dim": 16},
    "Llama 3's theta": {"rope_theta": 500_000.0},
    "fast rotation": {"rope_theta": 100.0, "n_kv_heads": 1},
    "large epsilon": {"norm_eps": 0.3},
    "narrow ffn": {"hidden_dim": 5},
    "nine heads, three for keys": {"dim": 36, "n_heads": 9, "n_kv_heads": 3, "tie_embeddings": False},
    "MobileLLM-125M, three of its layers": {"dim": 576, "n_heads": 9, "n_kv_heads": 3, "hidden_dim": 1536},
}


def config_of(**changes) -> ModelConfig:
    return ModelConfig(**{**TINY, **changes})


def tokens_for(config: ModelConfig, batch_size: int, length: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(config.vocab_size, (batch_size, length), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", SHAPES)
@torch.inference_mode()
def test_logits_equal_those_of_transformers(name):
    ours = model(config_of(**SHAPES[name]))
    theirs = twin(ours)
    for length in (1, 2, 17, ours.config.max_seq_len):
        tokens = tokens_for(ours.config, 2, length, seed=length)
        expected = theirs(tokens).logits
        assert expected.std() > 0.3  # a realistic scale: 1e-4 of it means something
        assert (ours(tokens) - expected).abs().max() < 1e-4


@pytest.mark.parametrize("positions", [2048, 8192])
@pytest.mark.parametrize("rope_theta", [10_000.0, 500_000.0])
@pytest.mark.parametrize("head_dim", [8, 18, 24, 64, 80])
def test_rope_tables_equal_those_of_transformers_bit_for_bit(head_dim, rope_theta, positions):
    config = config_of(n_layers=1, head_dim=head_dim, rope_theta=rope_theta, max_seq_len=positions)
    cos, sin = rope_tables(config)
    their_cos, their_sin = twin(Transformer(config)).model.rotary_emb(torch.zeros(1), torch.arange(positions)[None])
    assert torch.equal(cos[:, 0], their_cos[0])
    first, second = sin[:, 0].chunk(2, -1)
    assert torch.equal(torch.cat((-first, second), -1), their_sin[0])


@pytest.mark.parametrize("positions", [2048, 8192])
@torch.inference_mode()
def test_logits_of_a_long_context_equal_those_of_transformers(positions):
    ours = model(config_of(head_dim=24, max_seq_len=positions))
    tokens = tokens_for(ours.config, 1, positions)
    assert (ours(tokens) - twin(ours)(tokens).logits).abs().max() < 1e-5  # theta ** -x gave 4e-5 and 1e-4


@pytest.mark.parametrize("tie", [True, False])
@pytest.mark.parametrize("sharing", UNROLLED)
@torch.inference_mode()
def test_sharing_equals_an_unrolled_llama(sharing, tie):
    ours = model(config_of(sharing=sharing, tie_embeddings=tie))
    assert execution_order(ours.config) == UNROLLED[sharing]
    tokens = tokens_for(ours.config, 2, 33)
    assert (ours(tokens) - twin(ours, UNROLLED[sharing])(tokens).logits).abs().max() < 1e-4


@torch.inference_mode()
def test_the_ways_of_sharing_differ():
    tokens = tokens_for(config_of(), 1, 9)
    logits = [model(config_of(sharing=sharing))(tokens) for sharing in UNROLLED]
    for i, a in enumerate(logits):
        for b in logits[:i]:
            assert (a - b).abs().max() > 0.01


@pytest.mark.parametrize("name", ["gqa", "mha", "mqa", "wide heads"])
@pytest.mark.parametrize("chunks", [[1] * 20, [20], [7, 1, 1, 11], [1, 19], [19, 1]], ids=str)
@torch.inference_mode()
def test_the_cache_changes_nothing(name, chunks):
    ours = model(config_of(**SHAPES[name]))
    tokens = tokens_for(ours.config, 3, 20)
    full = ours(tokens)
    cache = KVCache(ours.config, batch_size=3, max_len=20)
    pieces = [ours(piece, cache) for piece in tokens.split(chunks, 1)]
    assert cache.length == 20
    assert (torch.cat(pieces, 1) - full).abs().max() < 1e-5 * max(1, full.abs().max())


@pytest.mark.parametrize("sharing", UNROLLED)
@torch.inference_mode()
def test_each_execution_of_a_shared_block_has_its_own_cache_entry(sharing):
    ours = model(config_of(sharing=sharing))
    tokens = tokens_for(ours.config, 2, 15)
    full = ours(tokens)
    cache = KVCache(ours.config, batch_size=2)
    assert len(cache.shapes) == len(UNROLLED[sharing])
    pieces = [ours(piece, cache) for piece in tokens.split([4, 1, 6, 1, 1, 2], 1)]
    assert (torch.cat(pieces, 1) - full).abs().max() < 1e-5 * max(1, full.abs().max())


@pytest.mark.parametrize("sharing", UNROLLED)
@torch.inference_mode()
def test_no_token_sees_a_later_one(sharing):
    ours = model(config_of(sharing=sharing, n_kv_heads=1))
    tokens = tokens_for(ours.config, 1, 24)
    before = ours(tokens)
    for position in (1, 11, 23):
        changed = tokens.clone()
        changed[0, position] = (changed[0, position] + 1) % ours.config.vocab_size
        after = ours(changed)
        assert torch.equal(after[:, :position], before[:, :position])
        assert (after[:, position] - before[:, position]).abs().max() > 1e-3


@torch.inference_mode()
def test_sequences_of_a_batch_do_not_see_each_other():
    ours = model(config_of())
    tokens = tokens_for(ours.config, 4, 13)
    alone = torch.cat([ours(row[None]) for row in tokens])
    assert (ours(tokens) - alone).abs().max() < 1e-5


@torch.inference_mode()
def test_the_vanilla_feed_forward_is_down_relu_up():
    ours = model(config_of(ffn="relu"))
    ffn, x = ours.blocks[0].ffn, torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(0))
    expected = torch.einsum("bth,dh->btd", torch.einsum("btd,hd->bth", x, ffn.up.weight).clamp(min=0), ffn.down.weight)
    torch.testing.assert_close(ffn(x), expected)
    assert ffn.up.weight.shape == (88, 32)


@pytest.mark.parametrize("tie", [True, False])
@torch.inference_mode()
def test_a_factorised_table_is_its_product(tie):
    """Our factors multiplied out give the table and head of an ordinary Llama."""
    ours = model(config_of(embed_dim=12, tie_embeddings=tie))
    assert (
        sum(p.numel() for p in ours.parameters())
        == sum(p.numel() for p in model(config_of(tie_embeddings=tie)).parameters())
        - (1 if tie else 2) * 61 * (32 - 12)
        + 2 * 12 * 32
    )
    flat = model(config_of(tie_embeddings=False))
    flat.load_state_dict({k: v for k, v in ours.state_dict().items() if k.startswith(("blocks", "norm"))}, strict=False)
    flat.embed.weight.copy_(ours.embed.weight @ ours.embed_in.weight.T)
    out = ours.embed.weight if tie else ours.head.weight
    flat.head.weight.copy_(out @ ours.embed_out.weight)
    tokens = tokens_for(ours.config, 2, 21)
    assert (ours(tokens) - twin(flat)(tokens).logits).abs().max() < 1e-4


@torch.inference_mode()
def test_a_table_as_wide_as_the_model_is_not_factorised():
    plain, same = Transformer(config_of()), Transformer(config_of(embed_dim=32))
    assert same.config == plain.config
    assert same.state_dict().keys() == plain.state_dict().keys()
    tokens = tokens_for(plain.config, 1, 8)
    assert torch.equal(plain(tokens), same(tokens))


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    a, b, c = (Transformer(config_of(), seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["embed.weight"], c["embed.weight"])


def test_building_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    Transformer(config_of())
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("name", ["gqa", "mha", "untied", "wide heads"])
def test_greedy_generation_equals_transformers(name):
    ours = model(config_of(**SHAPES[name]))
    prompt = tokens_for(ours.config, 3, 6)
    expected = twin(ours).generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=30, do_sample=False, pad_token_id=0
    )
    assert torch.equal(torch.stack(list(generate(ours, prompt, 30)), 1), expected[:, 6:])


@torch.inference_mode()
def test_greedy_generation_with_sharing_equals_repeated_full_forwards():
    ours = model(config_of(sharing="immediate"))
    tokens = prompt = tokens_for(ours.config, 2, 5)
    for _ in range(12):
        tokens = torch.cat((tokens, ours(tokens)[:, -1].argmax(-1, keepdim=True)), 1)
    assert torch.equal(torch.stack(list(generate(ours, prompt, 12)), 1), tokens[:, 5:])


def sample(ours, **options) -> list[list[int]]:
    return [step.tolist() for step in generate(ours, tokens_for(ours.config, 2, 4), 20, **options)]


def test_sampling_repeats_with_its_seed_only():
    ours = model(config_of())
    state = torch.get_rng_state()
    assert sample(ours, temperature=1.0, seed=5) == sample(ours, temperature=1.0, seed=5)
    assert sample(ours, temperature=1.0, seed=5) != sample(ours, temperature=1.0, seed=6)
    assert sample(ours, temperature=1.0, top_k=4, seed=5) == sample(ours, temperature=1.0, top_k=4, seed=5)
    assert torch.equal(state, torch.get_rng_state())


def test_top_1_at_any_temperature_is_greedy():
    ours = model(config_of())
    assert sample(ours, temperature=3.0, top_k=1) == sample(ours)
    assert sample(ours, temperature=3.0) != sample(ours)


@torch.inference_mode()
def test_sampling_follows_the_softmax_within_the_top_k():
    ours = model(config_of())
    prompt = tokens_for(ours.config, 1, 4)
    top = (ours(prompt)[0, -1] / 0.7).topk(5)
    draws = torch.cat(list(generate(ours, prompt.repeat(4000, 1), 1, temperature=0.7, top_k=5)))
    frequency = draws.bincount(minlength=61) / 4000
    assert frequency.nonzero().flatten().tolist() == sorted(top.indices.tolist())
    assert (frequency[top.indices] - top.values.softmax(-1)).abs().max() < 0.04  # 5 standard errors


@pytest.mark.parametrize(
    ("length", "new", "options", "message"),
    [
        (0, 3, {}, "prompt of 0 tokens"),
        (4, 61, {}, "max_new_tokens=61.*0..60"),
        (4, -1, {}, "max_new_tokens=-1"),
        (4, 1, {"temperature": -0.5}, "temperature=-0.5"),
        (4, 1, {"top_k": -2}, "top_k=-2"),
    ],
)
def test_generate_refuses(length, new, options, message):
    ours = model(config_of())
    with pytest.raises(ValueError, match=message):
        next(generate(ours, tokens_for(ours.config, 1, length), new, **options))


def test_generate_with_a_cache_of_ones_own_continues_what_it_holds():
    ours = model(config_of())
    prompt = tokens_for(ours.config, 2, 9)
    cache = KVCache(ours.config, batch_size=2, max_len=21)
    ours(prompt[:, :5], cache)
    own = list(generate(ours, prompt[:, 5:], 12, cache=cache))
    assert torch.equal(torch.stack(own), torch.stack(list(generate(ours, prompt, 12))))
    assert cache.length == 20  # the last token was not read
    with pytest.raises(ValueError, match="prompt of 1 tokens and max_new_tokens=1: .*0..0"):
        next(generate(ours, prompt[:, :1], 1, cache=cache))
    with pytest.raises(ValueError, match="batch_size=2 of the cache: the prompt has 3 sequences"):
        next(generate(ours, tokens_for(ours.config, 3, 1), 0, cache=KVCache(ours.config, batch_size=2)), None)


def test_a_cache_of_another_kind_is_asked_for_every_layer_and_token():
    """What it answers is what attention reads: the fast path, which writes to the plain cache itself, stays away."""

    class Forgetful(KVCache):
        def update(self, layer, k, v):
            asked.append((layer, k.shape[2]))
            k, v = super().update(layer, k, v)
            return 0 * k, v

    ours, asked = model(config_of()), []
    prompt = tokens_for(ours.config, 1, 6)
    own = list(generate(ours, prompt, 3, cache=Forgetful(ours.config)))
    assert asked == [(layer, T) for T in (6, 1, 1) for layer in range(3)]
    for block in ours.blocks:  # no query finds a key: the same
        block.attention.qkv.weight.data[32:48] = 0
    assert torch.equal(torch.stack(own), torch.stack(list(generate(ours, prompt, 3))))


def test_generate_may_fill_the_context_exactly_and_may_be_asked_for_nothing():
    ours = model(config_of())
    assert len(list(generate(ours, tokens_for(ours.config, 1, 4), 60))) == 60
    assert list(generate(ours, tokens_for(ours.config, 1, 64), 0)) == []


def test_too_many_tokens_are_refused():
    ours = model(config_of())
    with pytest.raises(ValueError, match="65 tokens do not fit in 64"):
        ours(tokens_for(ours.config, 1, 65))
    cache = KVCache(ours.config, max_len=8)
    ours(tokens_for(ours.config, 1, 6), cache)
    with pytest.raises(ValueError, match="9 tokens do not fit in 8"):
        ours(tokens_for(ours.config, 1, 3), cache)
    with pytest.raises(ValueError, match="max_len=65 is beyond max_seq_len=64"):
        KVCache(ours.config, max_len=65)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *(({field: 0}, f"{field}=0") for field in ("vocab_size", "dim", "n_layers", "n_heads", "n_kv_heads")),
        *(({field: -3}, f"{field}=-3") for field in ("hidden_dim", "max_seq_len")),
        ({"n_heads": 5, "n_kv_heads": 5}, "n_heads=5 does not divide dim=32"),
        ({"n_kv_heads": 3}, "n_kv_heads=3 does not divide n_heads=4"),
        ({"dim": 20}, "head_dim=5.*even"),
        ({"head_dim": 7}, "head_dim=7.*even"),
        ({"head_dim": -2}, "head_dim=-2"),
        ({"embed_dim": -1}, "embed_dim=-1"),
        ({"ffn": "gelu"}, "ffn='gelu'.*swiglu"),
        ({"sharing": "all"}, "sharing='all'.*immediate"),
        ({"rope_theta": 0.0}, "rope_theta=0.0"),
        ({"norm_eps": float("nan")}, "norm_eps=nan"),
        ({"hidden_dims": (88, 44)}, "hidden_dims has 2 sizes for n_layers=3: give one for each block"),
        ({"hidden_dims": (88, 0, 44)}, "hidden_dims=0 in block 1: choose 1 to hidden_dim=88"),
        ({"hidden_dims": (88, 44, 89)}, "hidden_dims=89 in block 2: choose 1 to hidden_dim=88"),
        ({"kv_heads": (2, 1, 0)}, "kv_heads=0 in block 2: choose 1 to n_kv_heads=2"),
        ({"kv_heads": (2, 1, 4)}, "kv_heads=4 in block 2: choose 1 to n_kv_heads=2"),
    ],
)
def test_impossible_shapes_are_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        config_of(**changes)


def test_equal_blocks_are_the_uniform_shape():
    assert config_of(hidden_dims=(44,) * 3, kv_heads=(1,) * 3) == config_of(
        hidden_dim=44, n_heads=2, n_kv_heads=1, head_dim=8
    )
    several = config_of(hidden_dims=(44, 5, 60), kv_heads=(1, 1, 2), n_heads=16, n_kv_heads=4, head_dim=8)
    assert (several.hidden_dim, several.n_heads, several.n_kv_heads) == (60, 8, 2)
    assert several.hidden_dims == (44, 5, 60) and hash(several) == hash(replace(several))
    assert several.of_block(1) == config_of(hidden_dim=5, n_heads=4, n_kv_heads=1, head_dim=8)
    assert several.of_block(2) == config_of(hidden_dim=60, n_heads=8, n_kv_heads=2, head_dim=8)
    assert config_of().of_block(1) == config_of()


SEVERAL = {"hidden_dims": (88, 3, 40), "kv_heads": (1, 2, 1), "n_heads": 8, "head_dim": 8}


@pytest.mark.parametrize("sharing", UNROLLED)
@torch.inference_mode()
def test_blocks_of_several_sizes_are_larger_ones_with_zeros(sharing):
    """The reference is Llama, with the neurons and heads that a block lacks as zeros."""
    ours = model(config_of(**SEVERAL, sharing=sharing))
    full = model(config_of(n_heads=8, head_dim=8, sharing=sharing))
    state = {name: torch.zeros_like(p) for name, p in full.state_dict().items()}
    for name, p in ours.state_dict().items():
        whole = state[name]
        if "ffn.up" in name:
            for half, own in zip(whole.chunk(2), p.chunk(2), strict=True):
                half[: len(own)] = own
        elif "attention.qkv" in name:
            K = p.shape[0] // 48  # four query heads, a key and a value head, each 8 wide
            for part, own in zip(whole.split((64, 16, 16)), p.split((32 * K, 8 * K, 8 * K)), strict=True):
                part[: len(own)] = own
        else:
            whole[tuple(slice(n) for n in p.shape)] = p
    full.load_state_dict(state)
    tokens = tokens_for(ours.config, 2, 20)
    assert (ours(tokens) - twin(full, UNROLLED[sharing])(tokens).logits).abs().max() < 1e-5


@pytest.mark.parametrize("sharing", UNROLLED)
@torch.inference_mode()
def test_blocks_of_several_sizes_decode_as_they_read(sharing):
    ours = model(config_of(**SEVERAL, sharing=sharing))
    tokens = tokens_for(ours.config, 3, 20)
    whole, cache = ours(tokens), KVCache(ours.config, batch_size=3, max_len=20)
    parts = [ours(tokens[:, :9], cache), ours(tokens[:, 9:12], cache)]
    step = decoder(ours, cache)
    parts += [step(tokens[:, t : t + 1])[:, None] for t in range(12, 20)]
    assert (torch.cat(parts, 1) - whole).abs().max() < 1e-5
    heads = [2 * SEVERAL["kv_heads"][block] for block in UNROLLED[sharing]]
    assert [cache.of_layer(i).shape[1] for i in range(len(heads))] == heads
    assert cache.nbytes == sum(heads) * 3 * 20 * 8 * 4 and _is_stock(ours)


def test_resized_follows_the_new_width():
    config = config_of(**SHAPES["gqa"])
    wider = config.resized(dim=2 * config.dim)
    assert (wider.embed_dim, wider.head_dim) == (wider.dim, wider.dim // wider.n_heads)
    assert config.resized(dim=2 * config.dim, embed_dim=8).embed_dim == 8
    assert config.resized(n_heads=config.n_heads, head_dim=2).head_dim == 2


def test_a_changed_block_is_generated_with_as_it_is():
    ours, prompt = model(config_of(**SHAPES["gqa"])), tokens_for(config_of(**SHAPES["gqa"]), 1, 5)
    plain = torch.cat(list(generate(ours, prompt, 8)))
    seen = []
    hook = ours.blocks[0].ffn.register_forward_hook(lambda *call: seen.append(1))
    assert torch.equal(torch.cat(list(generate(ours, prompt, 8))), plain) and len(seen) == 8
    hook.remove()
    ours.blocks[0].ffn.register_forward_hook(lambda module, given, result: 0 * result)
    cut, context = torch.cat(list(generate(ours, prompt, 8))), prompt
    for token in cut:
        assert ours(context)[0, -1].argmax() == token
        context = torch.cat((context, token.view(1, 1)), 1)


def test_a_hook_on_the_untied_head_is_called():
    ours = model(config_of(**SHAPES["gqa"]).resized(tie_embeddings=False))
    seen = []
    ours.head.register_forward_hook(lambda *call: seen.append(1))
    list(generate(ours, tokens_for(ours.config, 1, 5), 3))
    assert len(seen) == 3


def test_a_hook_on_the_table_is_followed():
    ours, prompt = model(config_of(**SHAPES["gqa"])), tokens_for(config_of(**SHAPES["gqa"]), 1, 5)
    plain = torch.cat(list(generate(ours, prompt, 8)))
    ours.embed.register_forward_hook(lambda module, given, result: result.flip(-1))
    turned, context = torch.cat(list(generate(ours, prompt, 8))), prompt
    assert not torch.equal(turned, plain)
    for token in turned:
        assert ours(context)[0, -1].argmax() == token
        context = torch.cat((context, token.view(1, 1)), 1)
