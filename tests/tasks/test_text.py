"""Text: nothing is shared between the parts, bits per byte are counted by hand, and unusable input is refused."""

import hashlib
import math
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.tasks import evaluate, make
from mobilellm_lab.tasks.text import Text, python_reference, train_bpe

WORDS = "the quick brown fox jumps over a lazy dog while naïve cafés sell 東 tea – ".split()


@pytest.fixture
def letter(tmp_path):
    """A text file of about 8 kB in which every line says its number."""
    file = tmp_path / "letter.txt"
    file.write_text("".join(f"{i}: {WORDS[i % 15]} {WORDS[i * 7 % 15]}\n" for i in range(500)), encoding="utf-8")
    return file


def tiny(task, seed=0):
    return Transformer(
        ModelConfig(
            vocab_size=task.vocab_size, dim=16, n_layers=1, n_heads=2, n_kv_heads=1, hidden_dim=32, max_seq_len=128
        ),
        seed=seed,
    )


class Bigrams:
    """A model that knows one distribution of the next token after each token."""

    def __init__(self, logits):
        self.logits, self.embed = logits, SimpleNamespace(weight=torch.zeros(1))

    def __call__(self, tokens):
        return self.logits[tokens]


def test_the_reference_is_read_where_it_lies():
    task = Text()
    assert task.vocab_size == 256 and len(python_reference()) > 350_000
    assert task.corpus_sha256 == hashlib.sha256(python_reference().encode()).hexdigest()


def test_held_out_parts_of_the_reference_do_not_stand_in_the_training_part():
    task = Text()
    train, held_out = (task.decode(torch.from_numpy(task._parts[s])) for s in ("train", "test"))
    windows = [held_out[i : i + 128] for i in range(0, len(held_out) - 128, 128)]
    assert sum(window in train for window in windows) < 0.02 * len(windows)


@pytest.mark.parametrize("options", [{}, {"tokenizer": "bpe", "vocab_size": 300}])
def test_parts_are_the_text_in_order_without_overlap(letter, options):
    task, text = Text(path=str(letter), seq_len=16, **options), letter.read_text(encoding="utf-8")
    parts = [task.decode(torch.from_numpy(task._parts[s])) for s in ("train", "validation", "test")]
    assert "".join(parts) == text
    assert [len(part) / len(text) for part in parts] == pytest.approx([0.9, 0.05, 0.05], abs=0.001)
    for split, part in zip(("train", "validation", "test"), parts, strict=True):
        batch = task.batch(0, 200, split=split)
        pieces = [task.decode(row).strip("\ufffd") for row in batch.tokens]  # a sequence may begin inside a character
        assert all(piece in part for piece in pieces)


@pytest.mark.parametrize("options", [{}, {"tokenizer": "bpe", "vocab_size": 300}])
def test_any_text_survives_the_tokenizer(letter, options):
    task = Text(path=str(letter), seq_len=16, **options)
    for text in ("", "dog", "  two  spaces\n", "naïve – 東 🎉 \x7f\xad"):
        assert task.decode(task.encode(text)) == text
    assert len(task.vocabulary) == task.vocab_size == len(set(task.vocabulary))


def test_bpe_knows_the_training_part_only_and_is_repeatable(letter):
    task = Text(path=str(letter), seq_len=16, tokenizer="bpe", vocab_size=300)
    text = letter.read_text(encoding="utf-8")
    assert task.tokenizer_json == Text(path=str(letter), seq_len=16, tokenizer="bpe", vocab_size=300).tokenizer_json
    alone = train_bpe(text[: int(len(text) * 0.9)], 300)
    assert Tokenizer.from_str(task.tokenizer_json).get_vocab() == alone.get_vocab()
    assert len(task.encode(text)) < len(text.encode())


def test_batches_are_pure_and_targets_are_the_next_tokens():
    task = Text(seq_len=32)
    a, b = task.batch(7, 16, seed=3), Text(seq_len=32).batch(7, 16, seed=3)
    assert torch.equal(a.tokens, b.tokens) and torch.equal(a.targets, b.targets)
    assert torch.equal(a.tokens[:, 1:], a.targets[:, :-1])
    assert not torch.equal(a.tokens, task.batch(8, 16, seed=3).tokens)
    assert not torch.equal(a.tokens, task.batch(7, 16, seed=4).tokens)
    short = task.batch(7, 16, seed=3, seq_len=8)
    assert short.tokens.shape == (16, 8)
    a.tokens.zero_()
    assert torch.equal(task.batch(7, 16, seed=3).tokens, b.tokens)


def test_training_sequences_begin_everywhere(letter):
    task = Text(path=str(letter), seq_len=16)
    n, pieces = len(task._parts["train"]), task._parts["train"].tobytes()
    starts = {pieces.find(row.numpy().tobytes()) // 8 for row in task.batch(0, 20_000).tokens}
    assert 0 in starts and n - 17 in starts and len(starts) > 0.9 * (n - 16)


@pytest.mark.parametrize("options", [{}, {"tokenizer": "bpe", "vocab_size": 300}])
def test_bits_per_byte_by_hand(letter, options):
    task = Text(path=str(letter), seq_len=16, **options)
    logits = torch.randn(task.vocab_size, task.vocab_size, generator=torch.Generator().manual_seed(0))
    result = evaluate(task, Bigrams(logits), batches=1000, batch_size=7)
    part = task._parts["validation"]
    covered = (len(part) - 1) // 16 * 16  # the rest is shorter than a sequence
    nats = -logits.log_softmax(-1)[part[:covered], part[1 : covered + 1]].double()
    n_bytes = len(b"".join(task._bytes(i) for i in part[1 : covered + 1].tolist()))
    assert result.loss_nats == pytest.approx(nats.mean().item(), rel=1e-5)
    assert result.scores["bits_per_byte"] == pytest.approx(nats.sum().item() / n_bytes / math.log(2), rel=1e-5)
    hits = logits.argmax(-1).numpy()[part[:covered]] == part[1 : covered + 1]
    assert result.scores["accuracy"] == pytest.approx(hits.mean())
    assert result.floor_nats is None


def test_a_uniform_model_costs_eight_bits_per_byte():
    task = Text()
    result = evaluate(task, Bigrams(torch.zeros(256, 256)))
    assert result.scores["bits_per_byte"] == pytest.approx(8) and result.loss_nats == pytest.approx(math.log(256))


def test_an_evaluation_of_part_of_the_text_is_spread_over_it(letter):
    task, seen = Text(path=str(letter), seq_len=16), []

    def spy(tokens):
        seen.append(tokens)
        return torch.zeros(*tokens.shape, 256)

    spy.embed = SimpleNamespace(weight=torch.zeros(1))
    evaluate(task, spy, batches=2, batch_size=3)
    rows = torch.cat(seen)
    pieces = task._parts["validation"].tobytes()
    starts = [pieces.find(row.numpy().tobytes()) // 8 for row in rows]
    assert len(starts) == 6 and (np.diff(starts) >= 16).all() and starts[-1] > 0.75 * len(task._parts["validation"])


def test_bigrams_of_the_training_part_beat_letters_on_the_validation_part():
    # The lab's default text teaches something that carries over to its held-out part.
    task = Text()
    counts = np.full((256, 256), 0.1)
    np.add.at(counts, (task._parts["train"][:-1], task._parts["train"][1:]), 1)
    letters = np.tile(counts.sum(0), (256, 1))
    two, one = (evaluate(task, Bigrams(torch.from_numpy(np.log(c)))).scores["bits_per_byte"] for c in (counts, letters))
    assert two < one - 0.5 and 2 < two < 5


def test_show_goes_on_from_held_out_text():
    task = Text(seq_len=64)
    text = task.show(tiny(task))
    assert text.startswith(task.decode(torch.from_numpy(task._parts["validation"][:32])))
    assert "[greedy]" in text and "[sampled" in text and text == task.show(tiny(task))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"the file is empty \(0 bytes\)"),
        (
            b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40,
            r"\(10248 bytes\): not UTF-8 at byte 0; save the file as UTF-8",
        ),
        (b"text\0more" * 2000, r"a NUL at byte 4"),
        (b"short text\n" * 20, r"\(220 bytes\): its train part has 198 tokens.*smaller seq_len"),
        (b"longer text\n" * 180, r"\(2160 bytes\): its validation part has 108 tokens, but .* = 257"),
    ],
)
def test_unusable_files_are_refused(tmp_path, content, said):
    file = tmp_path / "input.txt"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=said) as error:
        make("text", path=str(file), seq_len=256)
    assert str(file) in str(error.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"path": "no/such/file"}, "no such file"),
        ({"path": "a", "dataset": "b"}, "give one of them"),
        ({"tokenizer": "words"}, "tokenizer='words': choose one of bytes, bpe"),
        ({"vocab_size": 512}, 'vocab_size=512: bytes have 256; leave it out, or choose tokenizer="bpe"'),
        ({"tokenizer": "bpe", "vocab_size": 256}, "vocab_size=256: choose 257"),
        ({"seq_len": 0}, "seq_len=0: a sequence has at least 1 token"),
    ],
)
def test_impossible_options_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        make("text", **options)


def test_a_vocabulary_larger_than_the_text_is_refused(letter):
    with pytest.raises(ValueError, match=r"vocab_size=5000: path=.* different tokens; ask for fewer"):
        Text(path=str(letter), tokenizer="bpe", vocab_size=5000)


def test_empty_requests_are_refused():
    task = Text()
    with pytest.raises(ValueError, match="batch_size=0"):
        task.batch(0, 0)
    with pytest.raises(ValueError, match="seq_len=30000"):
        task.batch(0, 1, split="test", seq_len=30_000)
    with pytest.raises(ValueError, match="batches=0"):
        evaluate(task, Bigrams(torch.zeros(256, 256)), batches=0)
    with pytest.raises(ValueError, match="split='dev'"):
        evaluate(task, Bigrams(torch.zeros(256, 256)), split="dev")


def hub(monkeypatch, answer):
    """Puts a stand-in for `datasets` in place; returns the list of calls it got."""
    calls, module = [], ModuleType("datasets")

    def load_dataset(*args, **kwargs):
        calls.append((args, kwargs))
        return answer()

    module.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", module)
    return calls


def unreachable():
    raise ConnectionError("no route")


def test_a_data_set_is_streamed_up_to_a_limit(monkeypatch):
    taken = []

    def rows():
        for i in range(10**9):
            taken.append(i)
            yield {"text": f"story {i} " * 1000}

    calls = hub(monkeypatch, rows)
    task = Text(dataset="somebody/tales:small")
    assert calls == [(("somebody/tales", "small"), {"split": "train", "streaming": True})]
    assert 4_000_000 / 13_000 < len(taken) < 4_000_000 / 7_000
    assert task.decode(torch.from_numpy(task._parts["train"][:8])) == "story 0 "


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (unreachable, r"dataset='tales' cannot be reached \(no route\); check name and network, or give path"),
        (lambda: [{"image": 1}], 'no column "text"'),
        (lambda: [], r"is empty \(0 characters\)"),
    ],
)
def test_unusable_data_sets_are_refused(monkeypatch, answer, said):
    hub(monkeypatch, answer)
    with pytest.raises(ValueError, match=said):
        Text(dataset="tales")


def test_a_missing_package_is_named_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ValueError, match="pip install datasets"):
        Text(dataset="tales")
