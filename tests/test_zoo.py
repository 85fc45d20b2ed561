"""Published shapes recounted by others' code, and families whose members are all as large as asked."""

import itertools
import math
import random
import re
import time

import pytest
import torch
from transformers.models.bloom import BloomConfig, BloomForCausalLM
from transformers.models.gemma3 import Gemma3ForCausalLM, Gemma3TextConfig
from transformers.models.gpt2 import GPT2Config, GPT2LMHeadModel
from transformers.models.gpt_neox import GPTNeoXConfig, GPTNeoXForCausalLM
from transformers.models.lfm2 import Lfm2Config, Lfm2ForCausalLM
from transformers.models.llama import LlamaConfig, LlamaForCausalLM
from transformers.models.opt import OPTConfig, OPTForCausalLM
from transformers.models.qwen2 import Qwen2Config, Qwen2ForCausalLM
from transformers.models.qwen3 import Qwen3Config, Qwen3ForCausalLM

from mobilellm_lab.footprint import parameters, parameters_by_part
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.zoo import FFN_RATIO, RATIO_LIMIT, SHAPES, TOLERANCE, family, solve

OURS = [name for name, shape in SHAPES.items() if shape.config]
OTHERS = [name for name, shape in SHAPES.items() if not shape.config and shape.weights]


def recount(config_class, model_class, **sizes) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in model_class(config_class(**sizes)).parameters())


def llama_sizes(name: str) -> dict:
    shape = SHAPES[name]
    return {
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.dim,
        "intermediate_size": shape.hidden_dim,
        "num_hidden_layers": shape.n_layers,
        "num_attention_heads": shape.n_heads,
        "num_key_value_heads": shape.n_kv_heads,
        "head_dim": shape.head_dim,
        "tie_word_embeddings": shape.tie_embeddings,
    }


def test_the_rows_that_were_asked_for_are_there_with_their_sources():
    assert len(SHAPES) == 25
    assert all(shape.source for shape in SHAPES.values())
    assert [name for name, shape in SHAPES.items() if shape.weights is None] == ["OpenELM-270M"]
    assert all(shape.note for shape in SHAPES.values() if shape.extra != 0)  # what differs is said


@pytest.mark.parametrize("name", OURS)
def test_our_model_of_a_published_shape_has_its_weights(name):
    shape = SHAPES[name]
    with torch.device("meta"):
        ours = sum(p.numel() for p in Transformer(shape.config).parameters())
    assert ours == parameters(shape.config) == shape.weights - shape.extra


@pytest.mark.parametrize("name", [name for name in OURS if SHAPES[name].extra == 0])
def test_transformers_counts_the_same_weights_for_a_llama(name):
    assert recount(LlamaConfig, LlamaForCausalLM, **llama_sizes(name)) == SHAPES[name].weights


@pytest.mark.parametrize(
    ("name", "config_class", "model_class"),
    [
        ("Qwen2.5-0.5B", Qwen2Config, Qwen2ForCausalLM),
        ("Qwen3-0.6B", Qwen3Config, Qwen3ForCausalLM),
        ("Gemma 3 270M", Gemma3TextConfig, Gemma3ForCausalLM),
        ("Gemma 3 1B", Gemma3TextConfig, Gemma3ForCausalLM),
    ],
)
def test_transformers_counts_the_same_weights_for_relatives_of_llama(name, config_class, model_class):
    sizes = llama_sizes(name)
    if name.startswith("Qwen2"):  # has no head_dim of its own
        assert sizes.pop("head_dim") * sizes["num_attention_heads"] == sizes["hidden_size"]
    assert recount(config_class, model_class, **sizes) == SHAPES[name].weights
    assert SHAPES[name].extra > 0


def gpt2_sizes(name: str) -> dict:
    shape = SHAPES[name]
    sizes = {"vocab_size": shape.vocab_size, "n_embd": shape.dim, "n_layer": shape.n_layers, "n_head": shape.n_heads}
    return sizes | {"n_inner": shape.hidden_dim, "tie_word_embeddings": shape.tie_embeddings}


def other_weights(name: str) -> int:
    sizes, gpt2 = llama_sizes(name), gpt2_sizes(name)
    match name:
        case "OPT-125M":
            del sizes["head_dim"], sizes["num_key_value_heads"]
            width = sizes["hidden_size"]
            return recount(
                OPTConfig, OPTForCausalLM, ffn_dim=sizes.pop("intermediate_size"), word_embed_proj_dim=width, **sizes
            )
        case "GPT-2 small":
            return recount(GPT2Config, GPT2LMHeadModel, n_positions=1024, **gpt2)
        case "Cerebras-GPT-111M":
            return recount(GPT2Config, GPT2LMHeadModel, n_positions=2048, **gpt2)
        case "Pythia-160M":
            return recount(GPTNeoXConfig, GPTNeoXForCausalLM, **sizes)
        case "BLOOM-560M":
            return recount(BloomConfig, BloomForCausalLM, hidden_size=gpt2.pop("n_embd"), **gpt2)
        case "LFM2-350M":
            kinds = ["full_attention" if layer in (2, 5, 8, 10, 12, 14) else "conv" for layer in range(16)]
            return recount(Lfm2Config, Lfm2ForCausalLM, layer_types=kinds, block_auto_adjust_ff_dim=False, **sizes)
    raise AssertionError(f"nobody recounts {name}")


@pytest.mark.parametrize("name", OTHERS)
def test_transformers_counts_the_same_weights_for_other_architectures(name):
    assert other_weights(name) == SHAPES[name].weights


def test_recounts_agree_with_the_printed_sizes_but_for_one_that_says_so():
    off = []
    for name, shape in SHAPES.items():
        if shape.weights and shape.published:
            unit = 10_000_000 if shape.published >= 10**9 else 100_000  # of the last digit that is printed
            if abs(shape.weights - shape.published) > unit:
                off.append(name)
    assert off == ["MobileLLM-R1-950M"]
    assert "0.05 %" in SHAPES[off[0]].note


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("MobileLLM-125M", 106.2),
        ("SmolLM2-135M", 106.2),
        ("SmolLM2-360M", 314.6),
        ("MobileLLM-R1-140M", 66.4),
        ("MobileLLM-R1-360M", 228),
        ("MobileLLM-R1-950M", 753),
        ("MobileLLM-Pro", 826),
    ],
)
def test_weights_outside_the_embedding_agree_with_the_published_ones(name, millions):
    config = SHAPES[name].config
    outside = parameters(config) - parameters_by_part(config)["embedding"]
    assert outside / 1e6 == pytest.approx(millions, abs=0.5 if millions == int(millions) else 0.05)


@pytest.mark.parametrize("name", ["MobileLLM-125M", "MobileLLM-350M", "MobileLLM-600M"])
def test_solving_for_a_published_size_finds_the_published_shape(name):
    shape = SHAPES[name].config
    found = solve(
        parameters(shape),
        shape.n_layers,
        vocab_size=shape.vocab_size,
        n_heads=shape.n_heads,
        n_kv_heads=shape.n_kv_heads,
    )
    assert found == shape


def grid(seed: int, count: int) -> list[tuple[int, int, dict]]:
    """Random positions of all sliders at once."""
    draw, positions = random.Random(seed), []
    for _ in range(count):
        n_heads = draw.choice([1, 2, 4, 8])
        shape = {
            "vocab_size": draw.choice([6, 50, 256, 512]),
            "n_heads": n_heads,
            "n_kv_heads": draw.choice([k for k in (1, 2, 4, 8) if n_heads % k == 0]),
            "embed_dim": draw.choice([0, 8, 16, 32]),
            "sharing": draw.choice(["none", "immediate", "repeat", "reverse"]),
            "ffn": draw.choice(["swiglu", "relu"]),
            "tie_embeddings": draw.choice([True, False]),
        }
        positions.append((draw.choice([60_000, 100_000, 200_000, 500_000, 1_000_000]), draw.randint(1, 16), shape))
    return positions


@pytest.mark.parametrize("seed", range(8))
def test_any_slider_position_is_answered_within_the_tolerance(seed):
    for budget, n_layers, shape in grid(seed, 100):
        config = solve(budget, n_layers, max_seq_len=48, **shape)
        assert abs(parameters(config) - budget) <= TOLERANCE * budget
        asked = dict(shape, n_layers=n_layers, max_seq_len=48, embed_dim=shape["embed_dim"] or config.dim)
        assert {field: getattr(config, field) for field in asked} == asked
        assert config.head_dim * config.n_heads == config.dim
        assert config.dim % 8 == 0
        ratio = config.hidden_dim / config.dim / FFN_RATIO[config.ffn]
        assert 1 / RATIO_LIMIT <= ratio <= RATIO_LIMIT


def test_a_model_that_was_solved_for_can_be_built_and_run():
    for budget, n_layers, shape in grid(99, 12):
        config = solve(budget, n_layers, max_seq_len=16, **shape)
        model = Transformer(config)
        assert sum(p.numel() for p in model.parameters()) == parameters(config)
        assert model(torch.zeros(1, 16, dtype=torch.long)).isfinite().all()


@pytest.mark.parametrize(("budget", "vocab_size"), list(itertools.product((60_000, 200_000), (6, 50, 512))))
def test_no_other_width_has_a_much_better_ratio(budget, vocab_size):
    """Against every width and FFN that there is: within a factor of 1.45 of the best ratio."""
    for n_layers in range(1, 17):
        best = math.inf
        for dim in range(8, 300, 8):
            for hidden_dim in range(1, 12 * dim):
                total = vocab_size * dim + n_layers * (4 * dim * dim + 3 * dim * hidden_dim + 2 * dim) + dim
                if total > budget * (1 + TOLERANCE):
                    break
                if total >= budget * (1 - TOLERANCE):
                    best = min(best, abs(math.log(hidden_dim / dim / (8 / 3))))
        found = solve(budget, n_layers, vocab_size=vocab_size)
        assert abs(math.log(found.hidden_dim / found.dim / (8 / 3))) <= best + math.log(1.45)


def test_large_models_get_multiples_that_kernels_like():
    for n_layers, config in family(10_000_000, range(2, 9), vocab_size=256).items():
        assert config.dim % 32 == config.hidden_dim % 8 == 0, n_layers
    for n_layers, config in family(100_000_000, range(2, 17), vocab_size=256, n_heads=8).items():
        assert config.dim % 32 == config.hidden_dim % 32 == 0, n_layers


def test_deeper_is_narrower():
    widths = [config.dim for config in family(200_000, range(1, 17), vocab_size=6).values()]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 3 * widths[-1]


def test_a_family_is_solved_member_by_member():
    shape = {"vocab_size": 50, "n_kv_heads": 2, "embed_dim": 16, "ffn": "relu"}
    assert family(60_000, (2, 4, 8), **shape) == {depth: solve(60_000, depth, **shape) for depth in (2, 4, 8)}
    assert family(60_000, [], **shape) == {}


@pytest.mark.parametrize("sharing", ["immediate", "repeat", "reverse"])
def test_sharing_does_not_change_the_answer(sharing):
    plain, shared = (solve(60_000, 4, vocab_size=6, sharing=way) for way in ("none", sharing))
    assert (plain.dim, plain.hidden_dim) == (shared.dim, shared.hidden_dim)
    assert shared.sharing == sharing


def test_fewer_key_value_heads_leave_more_for_the_rest():
    mha, gqa = (solve(200_000, 4, vocab_size=6, n_kv_heads=k) for k in (0, 1))
    assert (mha.n_kv_heads, gqa.n_kv_heads) == (4, 1)
    assert gqa.dim * gqa.hidden_dim > mha.dim * mha.hidden_dim


def test_another_ratio_is_followed():
    ratios = [solve(500_000, 4, vocab_size=6, ffn_ratio=r) for r in (1, 2.5, 6)]
    for config, asked in zip(ratios, (1, 2.5, 6), strict=True):
        assert config.hidden_dim / config.dim == pytest.approx(asked, rel=0.25)


@pytest.mark.parametrize(
    ("budget", "n_layers", "shape"),
    [
        (0, 4, {}),
        (-5, 4, {}),
        (30_000, 16, {"n_heads": 8, "vocab_size": 512}),
        (10_000, 4, {"vocab_size": 2048}),
        (5_000, 16, {"n_kv_heads": 1}),
        (5_760, 16, {"n_kv_heads": 1}),  # between two steps of the FFN
    ],
)
def test_a_budget_that_cannot_be_met_is_refused_with_one_that_can(budget, n_layers, shape):
    shape = {"vocab_size": 6} | shape
    with pytest.raises(ValueError, match=f"budget={budget} parameters at n_layers={n_layers}: no width fits") as error:
        solve(budget, n_layers, **shape)
    smallest, nearest = (int(re.search(rf"{word} (\d+)", str(error.value))[1]) for word in ("does is", "nearest"))
    assert smallest <= nearest
    assert parameters(solve(nearest, n_layers, **shape)) == pytest.approx(nearest, rel=TOLERANCE)
    assert parameters(solve(smallest, n_layers, **shape)) == pytest.approx(smallest, rel=TOLERANCE)
    with pytest.raises(ValueError, match="no width fits"):
        solve(int(smallest * 0.9), n_layers, **shape)


@pytest.mark.parametrize(
    ("n_layers", "shape", "message"),
    [
        (0, {}, "n_layers=0"),
        (4, {"n_heads": 0}, "n_heads=0"),
        (4, {"n_heads": 4, "n_kv_heads": 3}, "n_kv_heads=3 does not divide n_heads=4"),
        (4, {"vocab_size": 0}, "vocab_size=0"),
        (4, {"embed_dim": -1}, "embed_dim=-1"),
        (4, {"sharing": "twice"}, "sharing='twice'"),
        (4, {"ffn": "gelu"}, "ffn='gelu'"),
        (4, {"ffn_ratio": -1}, "ffn_ratio=-1"),
        (4, {"ffn_ratio": float("nan")}, "ffn_ratio=nan"),
        (4, {"max_seq_len": 0}, "max_seq_len=0"),
    ],
)
def test_other_wrong_fields_are_named_before_the_search(n_layers, shape, message):
    with pytest.raises(ValueError, match=message):
        solve(60_000, n_layers, **({"vocab_size": 6} | shape))


def test_an_answer_takes_less_than_a_frame_of_a_slider():
    positions, times_ms = grid(7, 200), []
    for budget, n_layers, shape in positions:
        start = time.process_time()
        assert isinstance(solve(budget, n_layers, **shape), ModelConfig)
        times_ms.append(1000 * (time.process_time() - start))
    assert sorted(times_ms)[190] < 16
