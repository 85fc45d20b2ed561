"""Pitfalls of quality: perplexities of different tokenizers, and an accuracy without its interval"""

import torch

from mobilellm_lab import zoo
from mobilellm_lab.measuring.interval import accuracy_interval
from mobilellm_lab.measuring.scores import Scores, score
from mobilellm_lab.metrics.pitfalls.pitfall import Pitfall
from mobilellm_lab.model import Transformer
from mobilellm_lab.tasks import Task, make
from mobilellm_lab.training import TrainConfig, train

TEXT_STEPS, SHELLS_STEPS = 60, 200  # enough to be better than chance; seconds on one core
FEW, MANY, DRAWS = 40, 1000, 10  # questions of a small and of a large evaluation, and how often each is held


def tokenizers(*, seed: int = 0) -> Pitfall:
    """A model of bytes and a model of larger tokens on the same text: by perplexity, and by bits per byte."""
    by_bytes, by_bpe = (_on_text(tokenizer, seed) for tokenizer in ("bytes", "bpe"))
    perplexities = [scores.perplexity() for scores in (by_bytes, by_bpe)]
    bits = [scores.bits_per_byte() for scores in (by_bytes, by_bpe)]
    wrong, right = (values[1].value / values[0].value for values in (perplexities, bits))
    winner = "no" if bits[1].high >= bits[0].low and bits[0].high >= bits[1].low else "the other" if right < 1 else "a"
    return Pitfall(
        name="tokenizers",
        title="perplexities of different tokenizers",
        wrong=wrong,
        right=right,
        unit="times the byte model's",
        says_wrong=(
            f"perplexity {perplexities[0].value:.1f} with bytes and {perplexities[1].value:.1f} with BPE: "
            f"the byte model is {wrong:.1f} times better"
        ),
        says_right=(
            f"{bits[0].value:.2f} and {bits[1].value:.2f} bits per byte: "
            + {"no": "no difference to speak of", "the other": "the BPE model is better", "a": "it is a little better"}[
                winner
            ]
        ),
        cure="Compare bits per byte: a byte is a byte, but a token is as long as its tokenizer makes it.",
        series={
            "perplexity (bytes, BPE)": tuple(value.value for value in perplexities),
            "bits per byte (bytes, BPE)": tuple(value.value for value in bits),
        },
    )


def no_interval(*, seed: int = 0) -> Pitfall:
    """One model, asked 40 questions by each of ten people, and 1000 questions by each of ten others."""
    task = make("shells", seq_len=4)
    model = Transformer(zoo.solve(30_000, 2, vocab_size=task.vocab_size, max_seq_len=task.seq_len), seed=seed)
    _train(model, task, steps=SHELLS_STEPS, seed=seed, lr=6e-3, batch_size=64)
    answers = _last_answers(model, task, count=DRAWS * (FEW + MANY), seed=seed)
    few = answers[: DRAWS * FEW].view(DRAWS, FEW).float().mean(1)
    many = answers[DRAWS * FEW :].view(DRAWS, MANY).float().mean(1)
    wrong, right = (100 * (shares.max() - shares.min()).item() for shares in (few, many))
    whole = accuracy_interval(int(answers.sum()), len(answers))
    one = accuracy_interval(int(answers[:FEW].sum()), FEW)
    return Pitfall(
        name="no_interval",
        title="an accuracy without its interval",
        wrong=wrong,
        right=right,
        unit="percentage points between the best and the worst of ten evaluations",
        says_wrong=f"{100 * few.min():.1f} % here and {100 * few.max():.1f} % there: the second model is much better",
        says_right=f"it is the same model; {FEW} questions tell no more than {100 * one.half_width:.0f} points",
        cure="Print the interval with the accuracy, and ask both models the same questions.",
        series={
            f"accuracy on {FEW} questions": tuple(few.tolist()),
            f"accuracy on {MANY} questions": tuple(many.tolist()),
            "accuracy on all of them, low, high": (whole.value, whole.low, whole.high),
        },
    )


def _on_text(tokenizer: str, seed: int) -> Scores:
    """Scores of a small model after a short training on the language reference."""
    task = make("text", tokenizer=tokenizer, seq_len=64)
    config = zoo.solve(200_000, 2, vocab_size=task.vocab_size, max_seq_len=task.seq_len)
    model = Transformer(config, seed=seed)
    _train(model, task, steps=TEXT_STEPS, seed=seed, lr=4e-3, batch_size=8)
    batches = [task.batch(i, 32, split="test") for i in range(2)]
    return score(model, batches, token_bytes=task.token_bytes)


def _train(model: Transformer, task: Task, *, steps: int, seed: int, lr: float, batch_size: int) -> None:
    config = TrainConfig(steps=steps, batch_size=batch_size, optimizer="adamw", lr=lr, seed=seed)
    for _ in train(model, task, config):
        pass


@torch.inference_mode()
def _last_answers(model: Transformer, task: Task, *, count: int, seed: int) -> torch.Tensor:
    """Whether the model knows the last state of each of `count` held-out games: one answer per game."""
    batch = task.batch(0, count, split="test", seed=seed)
    return model(batch.tokens)[:, -1].argmax(-1) == batch.targets[:, -1]
