"""English text: Python's language reference, a file, or a Hugging Face data set"""

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from mobilellm_lab.model import generate
from mobilellm_lab.tasks import Batch, Evaluation
from mobilellm_lab.tasks.randomness import integers, split_seed
from mobilellm_lab.token_ids import check_tokens

TOKENIZERS = ("bytes", "bpe")
SHARES = {"train": (0.0, 0.9), "validation": (0.9, 0.95), "test": (0.95, 1.0)}  # contiguous parts of the text
LONG_PARAGRAPH = 40  # characters; shorter ones ("Note:") may repeat
DATASET_CHARACTERS = 4_000_000  # a Hugging Face data set is read from its start, about so far


def python_reference() -> str:
    """The language reference inside every CPython (`pydoc_data`), about 0.38 MB; differs a little between versions.

    Topics repeat whole passages of each other. Each is kept once: otherwise a sixth of the test part would stand word
    for word in the training part.
    """
    from pydoc_data.topics import topics

    kept, seen = [], set()
    for paragraph in "\n\n".join(topics[name] for name in sorted(topics)).split("\n\n"):
        if len(paragraph) < LONG_PARAGRAPH or paragraph not in seen:
            kept.append(paragraph)
        seen.add(paragraph)
    return "\n\n".join(kept)


def read_file(path: str) -> str:
    """The text of a file.

    Raises:
        ValueError: no such file, empty, or not text.
    """
    file = Path(path)
    if not file.is_file():
        raise ValueError(f"path={path!r}: no such file; give a text file, or leave path empty for Python's reference")
    data = file.read_bytes()
    if not data:
        raise ValueError(f"path={path!r}: the file is empty (0 bytes); give a file with text")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"path={path!r} ({len(data)} bytes): not UTF-8 at byte {error.start}; save the file as UTF-8 text"
        ) from error
    if "\0" in text:
        raise ValueError(
            f"path={path!r} ({len(data)} bytes): a NUL at byte {data.index(0)}, so not text; give a text file"
        )
    return text


def read_dataset(name: str) -> str:
    """The first `DATASET_CHARACTERS` or so of the column "text" of a Hugging Face data set, "name" or "name:config".

    Raises:
        ValueError: `datasets` is not installed, the data set cannot be reached, or it has no text.
    """
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise ValueError(f"dataset={name!r} needs a package: pip install datasets") from error
    repository, _, config = name.partition(":")
    parts, size = [], 0
    try:
        for row in load_dataset(repository, config or None, split="train", streaming=True):
            parts.append(row["text"])
            size += len(parts[-1])
            if size >= DATASET_CHARACTERS:
                break
    except OSError as error:
        raise ValueError(
            f"dataset={name!r} cannot be reached ({error}); check name and network, or give path"
        ) from error
    except KeyError as error:
        raise ValueError(f'dataset={name!r} has no column "text"; choose one that has, or give path') from error
    if not size:
        raise ValueError(f"dataset={name!r} is empty (0 characters); choose another one, or give path")
    return "\n\n".join(parts)


def train_bpe(text: str, vocab_size: int):
    """A byte-level BPE tokenizer: the 256 bytes, then the merges most frequent in `text`.

    Source: Sennrich et al. (arXiv 1508.07909), on bytes as GPT-2 does.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([text], trainer)
    return tokenizer


@dataclass(frozen=True, kw_only=True)
class Text:
    """Next-token prediction on real text, cut into bytes or into the tokens of a small BPE.

    The first 90 % of the text are for training, the next 5 % for validation, the last 5 % for test; a sequence never
    crosses a border. Losses of different tokenizers compare in bits per byte. The best possible loss is unknown.

    Raises:
        ValueError: an option out of range, or a text that cannot be used; names the value and the remedy.
    """

    path: str = ""  # the reader's own UTF-8 file; empty means Python's language reference
    dataset: str = ""  # a Hugging Face data set, "name" or "name:config"; needs a network and `pip install datasets`
    tokenizer: str = "bytes"  # or "bpe", trained on the training part
    vocab_size: int = 0  # of "bpe"; 0 means 512. "bytes" always has 256
    seq_len: int = 128  # tokens that the model reads
    name: str = "text"
    headline: str = "bits_per_byte"

    def __post_init__(self) -> None:
        if self.path and self.dataset:
            raise ValueError(f"path={self.path!r} and dataset={self.dataset!r}: give one of them")
        if self.tokenizer not in TOKENIZERS:
            raise ValueError(f"tokenizer={self.tokenizer!r}: choose one of {', '.join(TOKENIZERS)}")
        if self.vocab_size == 0:
            object.__setattr__(self, "vocab_size", 256 if self.tokenizer == "bytes" else 512)
        if self.tokenizer == "bytes" and self.vocab_size != 256:
            raise ValueError(f'vocab_size={self.vocab_size}: bytes have 256; leave it out, or choose tokenizer="bpe"')
        if self.tokenizer == "bpe" and not 256 < self.vocab_size <= 2**15:
            raise ValueError(f"vocab_size={self.vocab_size}: choose 257 to {2**15} for a BPE (256 are the bytes)")
        if self.seq_len < 1:
            raise ValueError(f"seq_len={self.seq_len}: a sequence has at least 1 token")

        source = f"path={self.path!r}" if self.path else f"dataset={self.dataset!r}" if self.dataset else "pydoc_data"
        text = read_file(self.path) if self.path else read_dataset(self.dataset) if self.dataset else python_reference()
        n_bytes = len(text.encode())
        parts = {split: text[int(len(text) * a) : int(len(text) * b)] for split, (a, b) in SHARES.items()}
        bpe = None
        if self.tokenizer == "bpe":
            bpe = train_bpe(parts["train"], self.vocab_size)
            got = bpe.get_vocab_size()
            if got < self.vocab_size:
                raise ValueError(
                    f"vocab_size={self.vocab_size}: {source} ({n_bytes} bytes) has only {got} different tokens; "
                    "ask for fewer, or give a longer text"
                )
        object.__setattr__(self, "_bpe", bpe)
        object.__setattr__(self, "corpus_sha256", hashlib.sha256(text.encode()).hexdigest())
        object.__setattr__(self, "_parts", {split: self.encode(part).numpy() for split, part in parts.items()})
        object.__setattr__(self, "token_bytes", torch.tensor([len(self._bytes(i)) for i in range(self.vocab_size)]))
        for split, tokens in self._parts.items():
            if len(tokens) <= self.seq_len:
                raise ValueError(
                    f"{source} ({n_bytes} bytes): its {split} part has {len(tokens)} tokens, but a sequence needs "
                    f"seq_len + 1 = {self.seq_len + 1}; give a longer text or a smaller seq_len"
                )

    def _bytes(self, token: int) -> bytes:
        """The bytes that a token stands for."""
        if self._bpe is None:
            return bytes([token])
        return bytes(_BYTE_OF[c] for c in self._bpe.id_to_token(token))

    @property
    def vocabulary(self) -> list[str]:
        """What each id stands for; bytes that are no character are escaped, as in "\\xe2"."""
        return [self._bytes(i).decode("utf-8", "backslashreplace") for i in range(self.vocab_size)]

    @property
    def tokenizer_json(self) -> str:
        """The BPE in the format of Hugging Face's `tokenizers`; empty for bytes."""
        return "" if self._bpe is None else json.dumps(json.loads(self._bpe.to_str()), sort_keys=True)

    def encode(self, text: str) -> Int[Tensor, " T"]:
        """The tokens of `text`."""
        if self._bpe is None:
            return torch.from_numpy(np.frombuffer(text.encode(), np.uint8).astype(np.int64))
        return torch.tensor(self._bpe.encode(text).ids, dtype=torch.int64)

    def decode(self, tokens: Int[Tensor, " T"]) -> str:
        """The text of `tokens`; bytes that are no UTF-8 become U+FFFD. Raises a ValueError for what is no id."""
        check_tokens(tokens, self.vocab_size, axes="T")
        return b"".join(self._bytes(i) for i in tokens.tolist()).decode("utf-8", "replace")

    def _cut(self, split: str, starts: np.ndarray, T: int) -> Batch:
        """The sequences of `T` tokens that begin at `starts`, and the next token at every position."""
        rows = torch.from_numpy(self._parts[split][starts[:, None] + np.arange(T + 1)])  # (B, T + 1)
        return Batch(rows[:, :-1].contiguous(), rows[:, 1:].contiguous())

    def batch(self, index: int, batch_size: int, *, split="train", seed=0, seq_len: int | None = None) -> Batch:
        """Sequences that begin anywhere in their part of the text; `draw` 0 of the hash gives the place."""
        T = self.seq_len if seq_len is None else seq_len
        stream = split_seed(seed, split)
        room = len(self._parts[split]) - T  # starts that leave T + 1 tokens
        if batch_size < 1 or T < 1 or room < 1:
            raise ValueError(
                f"batch_size={batch_size}, seq_len={T}: give at least 1 sequence of 1 to "
                f"{len(self._parts[split]) - 1} tokens"
            )
        return self._cut(split, integers(room, stream, np.arange(index * batch_size, (index + 1) * batch_size), 0), T)

    @torch.inference_mode()
    def evaluate(
        self, model, *, split="validation", batches: int = 4, batch_size: int = 64, drawn: bool = False
    ) -> Iterator[Evaluation]:
        """Loss per token, bits per byte (lower is better) and accuracy of the next token.

        Up to batches * batch_size sequences, spread evenly over the part and never overlapping; or those of `batch`.
        """
        if batches < 1 or batch_size < 1:
            raise ValueError(f"batches={batches}, batch_size={batch_size}: an evaluation needs at least 1 sequence")
        split_seed(0, split)  # refuses an unknown split
        device, T = model.embed.weight.device, self.seq_len
        places = (len(self._parts[split]) - 1) // T
        count = min(places, batches * batch_size)
        starts = np.arange(count) * places // count * T
        if drawn:
            chosen = (self.batch(i, batch_size, split=split) for i in range(batches))
        else:
            chosen = (self._cut(split, starts[at : at + batch_size], T) for at in range(0, count, batch_size))
        nats = right = n_bytes = seen = 0
        losses = []
        for batch in chosen:
            targets = batch.targets.flatten()
            logits = model(batch.tokens.to(device)).float().cpu()  # (B, T, V)
            each = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets, reduction="none").double()
            likeliest = logits.argmax(-1)
            losses.append(each.mean().item())
            nats += each.sum().item()
            seen += targets.numel()
            right += (likeliest == batch.targets).sum().item()
            n_bytes += self.token_bytes[targets].sum().item()
            yield Evaluation(
                loss_nats=nats / seen,
                losses=tuple(losses),
                scores={"bits_per_byte": nats / n_bytes / math.log(2), "accuracy": right / seen},
                likeliest=likeliest,
            )

    def show(self, model) -> str:
        """A piece of held-out text, and the model's continuations: greedy, then sampled."""
        half = max(1, self.seq_len // 2)
        prompt = self._cut("validation", np.array([0]), half).tokens.to(model.embed.weight.device)
        n_new = min(64, model.config.max_seq_len - half)
        lines = [self.decode(prompt[0])]
        for title, options in (("greedy", {}), ("sampled at temperature 0.8", {"temperature": 0.8, "top_k": 40})):
            own = torch.stack(list(generate(model, prompt, n_new, **options)), 1)[0]
            lines += [f"[{title}]", self.decode(own)]
        return "\n".join(lines)


def _byte_characters() -> dict[str, int]:
    """The byte that each character of a byte-level BPE stands for: printable ones as they are, others from U+0100 on.

    Source: `bytes_to_unicode` of GPT-2.
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(others)}


_BYTE_OF = _byte_characters()
