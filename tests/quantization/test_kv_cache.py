"""The quantized cache holds what torch's own rounding gives, in the bytes it says, and hurts where the past is far."""

import copy

import pytest
import torch

from mobilellm_lab.model import KVCache, ModelConfig, Transformer, execution_order, generate
from mobilellm_lab.quantization import BITS, CHANNEL, Grid
from mobilellm_lab.quantization.kv_cache import (
    BLOCK,
    KEYS,
    QuantizedKVCache,
    WithCache,
    answers_by_distance,
    loss_by_position,
)
from mobilellm_lab.tasks import evaluate, make

TINY = {"vocab_size": 61, "dim": 32, "n_layers": 3, "n_heads": 4, "n_kv_heads": 2, "hidden_dim": 88, "max_seq_len": 96}
CONFIG = ModelConfig(**TINY)
WAYS = [  # each number of bits and each kind of keys on both kinds of grid: what differs is written in different lines
    (8, "position", True),
    (4, "position", False),
    (4, "delayed", True),
    (2, "delayed", False),
    (2, "channel", True),
    (8, "channel", False),
]


def random_kv(length: int, *, config: ModelConfig = CONFIG, batch_size: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    shape = (2, batch_size, config.n_kv_heads, length, config.head_dim)
    k, v = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    k[..., 3] *= 10  # a channel of the keys that is always large
    return k, v


def filled(k: torch.Tensor, v: torch.Tensor, pieces, **options):
    """The cache after these keys and values of layer 1 came piece by piece, and what each call was given to read."""
    cache, reads = QuantizedKVCache(CONFIG, batch_size=k.shape[0], max_len=k.shape[2], **options), []
    for piece in zip(k.split(pieces, 2), v.split(pieces, 2), strict=True):
        reads.append(cache.update(1, *piece))
        cache.length += piece[0].shape[2]
    return cache, reads


def torchs(x: torch.Tensor, bits: int) -> torch.Tensor:
    """Every vector along the last axis on a symmetric grid of its own, by torch's fake quantization."""
    rows, low, high = x.reshape(-1, x.shape[-1]), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    scale = (rows.abs().amax(1) / ((high - low) / 2)).half().float()
    zero = torch.zeros(len(rows), dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(rows, scale, zero, 0, low, high).view(x.shape)


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_what_is_read_is_rounded_as_torch_rounds(bits):
    k, v = random_kv(2 * BLOCK + 5)
    _, [(read_k, read_v)] = filled(k, v, [k.shape[2]], bits=bits)
    torch.testing.assert_close(read_k, torchs(k, bits), rtol=0, atol=1e-6)
    torch.testing.assert_close(read_v, torchs(v, bits), rtol=0, atol=1e-6)
    _, [*_, (read_k, _)] = filled(k, v, [2 * BLOCK, 5], bits=bits, keys="channel")
    for block in (slice(0, BLOCK), slice(BLOCK, 2 * BLOCK)):
        expected = torchs(k[:, :, block].transpose(2, 3), bits).transpose(2, 3)
        torch.testing.assert_close(read_k[:, :, block], expected, rtol=0, atol=1e-6)
    _, [*_, (delayed_k, _)] = filled(k, v, [2 * BLOCK, 5], bits=bits, keys="delayed")
    torch.testing.assert_close(delayed_k[:, :, : 2 * BLOCK], torchs(k[:, :, : 2 * BLOCK], bits), rtol=0, atol=1e-6)
    for read in (read_k, delayed_k):
        assert torch.equal(read[:, :, 2 * BLOCK :], k[:, :, 2 * BLOCK :])  # not a whole block yet


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_it_does_not_matter_in_what_pieces_the_past_came(way):
    bits, keys, symmetric = way
    k, v = random_kv(96)
    options = {"bits": bits, "keys": keys, "symmetric": symmetric}
    whole, _ = filled(k, v, [96], **options)
    for pieces in ([1] * 96, [33, 1, 1, 40, 21], [BLOCK] * 3):
        cache, reads = filled(k, v, pieces, **options)
        places = 3 * CONFIG.head_dim if keys == "channel" else 96
        assert torch.equal(cache.keys.read(1, places), whole.keys.read(1, places))
        assert torch.equal(cache.values.read(1, 96), whole.values.read(1, 96))
        assert all(read.shape[2] == sum(pieces[: i + 1]) for i, pair in enumerate(reads) for read in pair)
        assert not cache.keys.data[0].any() and not cache.values.data[2].any()  # other layers are not touched


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("keys", KEYS)
def test_the_error_falls_with_bits_and_is_half_a_step_at_most(keys, symmetric):
    k, v = random_kv(2 * BLOCK + 1)
    errors = []
    for bits in (2, 3, 4, 5, 6, 7, 8):
        _, [*_, (read_k, read_v)] = filled(k, v, [2 * BLOCK, 1], bits=bits, keys=keys, symmetric=symmetric)
        row = []
        for read, x, axis in ((read_k, k, 2 if keys == "channel" else 3), (read_v, v, 3)):
            read, x = read[:, :, :BLOCK], x[:, :, :BLOCK]
            low, high = x.amin(axis, keepdim=True).clamp(max=0), x.amax(axis, keepdim=True).clamp(min=0)
            step = (2 * torch.maximum(-low, high) if symmetric else high - low) / (2**bits - 1)
            # A scale is a float16 of 11 bits, and 0 has a code: an affine range moves by half a step at most.
            slack = 0.5 + 2 ** (bits - 11) + (0 if symmetric else 0.5)
            assert ((read - x).abs() <= slack * step).all()
            row.append((read - x).square().mean().item())
        errors.append(row)
    assert all(
        a > 2 * b for fewer, more in zip(errors, errors[1:], strict=False) for a, b in zip(fewer, more, strict=True)
    )


def test_a_scale_per_channel_saves_keys_with_a_large_channel():
    k, v = random_kv(2 * BLOCK)
    others = [i for i in range(8) if i != 3]
    error = {}
    for keys in KEYS:
        _, [*_, (read, _)] = filled(k, v, [BLOCK, BLOCK], bits=4, keys=keys)
        error[keys] = (read - k)[:, :, :BLOCK, others].square().mean().item()
    assert error["channel"] < error["position"] / 5
    assert error["delayed"] == error["position"]


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("sharing", ["none", "repeat"])
def test_bytes_are_those_of_the_formula(bits, sharing):
    config = ModelConfig(**TINY, sharing=sharing)
    symmetrics = (True, False) if bits >= 2 else (True,)
    for symmetric in symmetrics:
        grid = Grid(bits=bits, group_size=CHANNEL, symmetric=symmetric)
        heads = len(execution_order(config)) * 3 * config.n_kv_heads  # times sequences
        by_position = grid.nbytes((heads * 80, config.head_dim))
        cache = QuantizedKVCache(config, bits=bits, symmetric=symmetric, batch_size=3, max_len=80)
        assert cache.nbytes == 2 * by_position
        cache = QuantizedKVCache(config, bits=bits, symmetric=symmetric, batch_size=3, max_len=80, keys="channel")
        recent = heads * BLOCK * config.head_dim * 4  # floats
        delayed = QuantizedKVCache(config, bits=bits, symmetric=symmetric, batch_size=3, max_len=80, keys="delayed")
        assert delayed.nbytes == 2 * by_position + recent
        assert cache.nbytes == by_position + grid.nbytes((heads * (80 // BLOCK) * config.head_dim, BLOCK)) + recent


def test_bytes_beside_the_float_cache(text):
    """24 numbers of 4 bits and a scale are 14 bytes; as float32 they are 96, as float16 48."""
    config = text.model.config
    options = {"batch_size": 2, "max_len": 256}
    plain, half = KVCache(config, **options), KVCache(config, **options, dtype=torch.float16)
    assert (plain.nbytes, half.nbytes) == (plain.kv.nbytes, plain.kv.nbytes // 2)
    four, eight = (QuantizedKVCache(config, bits=bits, **options).nbytes for bits in (4, 8))
    assert (plain.nbytes / four, half.nbytes / four, plain.nbytes / eight) == (96 / 14, 48 / 14, 96 / 26)
    held = [t for rows in (QuantizedKVCache(config, bits=4).keys,) for t in vars(rows).values() if torch.is_tensor(t)]
    assert {t.dtype for t in held if t.numel()} == {torch.uint8, torch.float16}  # integers, for real


@pytest.mark.parametrize("way", WAYS, ids=str)
@torch.inference_mode()
def test_every_way_runs_and_only_few_bits_change_much(way, text):
    bits, keys, symmetric = way
    batch = text.task.batch(0, 4, split="test")
    model = WithCache(text.model, bits=bits, keys=keys, symmetric=symmetric)
    expected, logits = text.model(batch.tokens), model(batch.tokens)
    gap = (logits - expected).abs().mean().item()
    low, high = {8: (1e-4, 0.05), 4: (0.02, 0.4), 2: (0.2, 1.5)}[bits]
    assert low < gap < high
    assert torch.equal(logits, model(batch.tokens))  # each call has a cache of its own
    assert torch.equal(text.model(batch.tokens), expected)


@pytest.mark.parametrize("keys", KEYS)
@torch.inference_mode()
def test_a_model_with_a_cache_answers_as_it_does_token_by_token(keys):
    """Not as with the whole text in one call, which would read all of its keys before they are rounded.

    In 64 bits: in 32, products of one token and of many differ by a processor's rounding, and a code may flip by it.
    """
    model, tokens = Transformer(CONFIG).double(), torch.randint(61, (2, 90), generator=torch.Generator().manual_seed(0))
    one_call, by_token = (QuantizedKVCache(CONFIG, bits=4, keys=keys, batch_size=2) for _ in range(2))
    expected = torch.cat([model(token, by_token) for token in tokens.split(1, 1)], 1)
    logits = WithCache(model, bits=4, keys=keys)(tokens)
    torch.testing.assert_close(logits[:, :BLOCK], expected[:, :BLOCK], rtol=0, atol=1e-6)
    gap, other = ((x - expected)[:, BLOCK:].abs().mean() for x in (logits, model(tokens, one_call)))
    assert gap < 1e-6 and (keys == "position" or other > 0.01)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("keys", KEYS)
@torch.inference_mode()
def test_a_model_in_16_bits_may_have_a_quantized_past(keys, dtype):
    model, tokens = Transformer(CONFIG), torch.randint(61, (2, 90), generator=torch.Generator().manual_seed(0))
    expected = WithCache(model, bits=8, keys=keys)(tokens)
    logits = WithCache(model.to(dtype), bits=8, keys=keys)(tokens)
    assert logits.dtype == dtype and (logits - expected).abs().max() < 0.05 * expected.abs().max()


@torch.inference_mode()
def test_generation_reads_the_quantized_past(text):
    """Greedy text is that of a loop which keeps nothing but the tokens; with 8 bits it is also the float cache's.

    In 64 bits, as above.
    """
    prompt, model = text.task.batch(0, 2, split="test").tokens[:, :24], copy.deepcopy(text.model).double()
    config, plain = model.config, torch.stack(list(generate(model, prompt, 12)), 1)
    for bits in (8, 2):
        own = list(generate(model, prompt, 12, cache=QuantizedKVCache(config, bits=bits, batch_size=2)))
        tokens = prompt
        for _ in range(12):
            cache = QuantizedKVCache(config, bits=bits, batch_size=2)
            tokens = torch.cat((tokens, model(tokens, cache)[:, -1].argmax(-1, keepdim=True)), 1)
        assert torch.equal(torch.stack(own, 1), tokens[:, 24:])
        assert torch.equal(torch.stack(own, 1), plain) == (bits == 8)


def test_eight_bits_are_free_and_two_want_the_newest_keys_in_float(text):
    """On a model of a million weights, where the whole past is behind (the last 64 of 128 positions).

    KIVI's scale per channel helps as well, but most of its gain here is that the newest keys wait in float.
    """
    size = {"batches": 1, "batch_size": 32}
    plain = loss_by_position(text.model, text.task, **size)
    assert plain.shape == (128,)

    def loss_increase(**options) -> float:
        return (loss_by_position(WithCache(text.model, **options), text.task, **size) - plain)[64:].mean().item()

    assert abs(loss_increase(bits=8)) < 0.003
    assert loss_increase(bits=4) < 0.05
    by_position, delayed, by_channel, kivi = (
        loss_increase(bits=2, **options)
        for options in ({}, {"keys": "delayed"}, {"keys": "channel"}, {"keys": "channel", "symmetric": False})
    )
    assert by_position > 0.4 and by_channel < by_position / 2 and kivi < by_channel
    assert by_channel < delayed and by_position - delayed > 0.8 * (by_position - by_channel)
    evaluation = evaluate(text.task, WithCache(text.model, bits=2), split="test", **size)
    assert evaluation.loss_nats > evaluate(text.task, text.model, split="test", **size).loss_nats + 0.3


def test_what_is_far_is_lost_first(stories):
    distance, right = answers_by_distance(stories.model, stories.task, batches=3)
    same, rounded = answers_by_distance(WithCache(stories.model, bits=2), stories.task, batches=3)
    assert torch.equal(distance, same) and distance.min() >= 1 and distance.max() < 64
    near, far = distance < 8, distance >= 16
    assert near.sum() > 200 and far.sum() > 150
    assert right[near].mean() > 0.95
    assert 1.3 * (right[near].mean() - rounded[near].mean()) < right[far].mean() - rounded[far].mean()


def test_distance_counts_from_the_answer_to_where_it_was_written(stories):
    task, words = stories.task, stories.task.vocabulary

    class Kitchen(torch.nn.Module):
        def forward(self, tokens):
            return torch.eye(task.vocab_size)[words.index("kitchen")].expand(*tokens.shape, -1)

    distance, right = answers_by_distance(Kitchen(), task, batches=2, batch_size=8)
    expected = []
    for i in range(2):
        batch = task.batch(i, 8, split="test")
        for tokens, targets in zip(batch.tokens.tolist(), batch.targets.tolist(), strict=True):
            said = [words[token] for token in (*tokens, targets[-1])]
            for at in (at for at, word in enumerate(said[:-1]) if word == "?"):
                back = said[:at][::-1].index(said[at + 1]) + 2
                expected.append((back, float(said[at + 1] == "kitchen")))
    assert list(zip(distance.tolist(), right.tolist(), strict=True)) == expected and len(expected) > 20


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: QuantizedKVCache(CONFIG, bits=16), "bits=16: choose one of"),
        (lambda: QuantizedKVCache(CONFIG, bits=0), "bits=0"),
        (lambda: QuantizedKVCache(CONFIG, keys="token"), "keys='token': choose one of position, delayed, channel"),
        (lambda: QuantizedKVCache(CONFIG, bits=1, symmetric=False), "symmetric=False"),
        (lambda: QuantizedKVCache(CONFIG, max_len=97), "max_len=97: the model has 96 positions"),
        (lambda: QuantizedKVCache(CONFIG, max_len=-1), "max_len=-1"),
        (lambda: WithCache(Transformer(CONFIG), bits=9), "bits=9"),
        (
            lambda: QuantizedKVCache(ModelConfig(**TINY | {"kv_heads": (1, 2, 1)})),
            r"kv_heads=\(1, 2, 1\): .*use KVCache",
        ),
        (
            lambda: Transformer(CONFIG)(torch.zeros(1, 9, dtype=torch.long), QuantizedKVCache(CONFIG, max_len=8)),
            "9 tokens do not fit in 8",
        ),
        (
            lambda: next(
                generate(Transformer(CONFIG), torch.zeros(2, 3, dtype=torch.long), 4, cache=QuantizedKVCache(CONFIG))
            ),
            "batch_size=1 of the cache: the prompt has 2",
        ),
        (lambda: answers_by_distance(Transformer(CONFIG), make("text")), "task='text': only stories"),
    ],
)
def test_bad_input_is_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_model_that_broke_is_refused_by_name():
    model = Transformer(CONFIG)
    model.blocks[1].attention.qkv.weight.data[40] = float("nan")
    with pytest.raises(ValueError, match="NaN or inf"):
        WithCache(model, bits=8)(torch.zeros(1, 4, dtype=torch.long))
