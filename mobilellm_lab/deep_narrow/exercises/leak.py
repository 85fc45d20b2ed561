"""Exercise: leak test for a missing causal mask"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from mobilellm_lab.deep_narrow import EncoderLM, Noise
from mobilellm_lab.model import ModelConfig, Transformer
from mobilellm_lab.teaching.by_example import number
from mobilellm_lab.teaching.exercise import Exercise, Wrong

SHAPE = ModelConfig(vocab_size=16, dim=16, n_layers=1, n_heads=2, n_kv_heads=2, hidden_dim=32, max_seq_len=8)
STILL = 1e-4  # a change of a logit below this is rounding
KNOWN_LEAK = 5.0  # of `_Ahead`, whichever token is changed


def _leak_stub(model, tokens):
    """Largest change of an earlier logit; tokens (1, T), logits (1, T, V)."""
    return ...  # your code


def _leak_solution(model, tokens):
    """Largest change of an earlier logit; tokens (1, T), logits (1, T, V)."""
    changed = tokens.clone()
    changed[:, -1] = (changed[:, -1] + 1) % model.config.vocab_size
    with torch.no_grad():
        change = model(tokens) - model(changed)  # (1, T, V)
    return change[:, :-1].abs().max().item()


def _leak_alternative(model, tokens):
    """Largest change of an earlier logit; tokens (1, T), logits (1, T, V)."""
    others = (tokens + 1) % model.config.vocab_size
    positions, largest = torch.arange(tokens.shape[1]), 0.0
    with torch.no_grad():
        before = model(tokens)
        for t in positions[1:]:  # changes each token in turn
            after = model(torch.where(positions == t, others, tokens))
            change = (after - before)[:, :t].abs().max()
            largest = max(largest, change.item())
    return largest


def _first_token(model, tokens):
    changed = tokens.clone()
    changed[:, 0] = (changed[:, 0] + 1) % model.config.vocab_size
    return (model(tokens) - model(changed)).abs().max().item()


def _changed_position(model, tokens):
    changed = tokens.clone()
    changed[:, -1] = (changed[:, -1] + 1) % model.config.vocab_size
    return (model(tokens) - model(changed)).abs().max().item()


def _same_input(model, tokens):
    changed = tokens.clone()
    return (model(tokens) - model(changed))[:, :-1].abs().max().item()


def _no_copy(model, tokens):
    changed = tokens
    changed[:, -1] = (changed[:, -1] + 1) % model.config.vocab_size
    return (model(tokens) - model(changed))[:, :-1].abs().max().item()


def _constant(model, tokens):
    changed = tokens.clone()
    changed[:, -1] = 0
    return (model(tokens) - model(changed))[:, :-1].abs().max().item()


def _one_position(model, tokens):
    changed = tokens.clone()
    changed[:, -1] = (changed[:, -1] + 1) % model.config.vocab_size
    return (model(tokens) - model(changed))[:, 0].abs().max().item()


def _sign_kept(model, tokens):
    changed = tokens.clone()
    changed[:, -1] = (changed[:, -1] + 1) % model.config.vocab_size
    return (model(tokens) - model(changed))[:, :-1].max().item()


def _average(model, tokens):
    changed = tokens.clone()
    changed[:, -1] = (changed[:, -1] + 1) % model.config.vocab_size
    return (model(tokens) - model(changed))[:, :-1].abs().mean().item()


class _Ahead(nn.Module):
    """A model that sees one token ahead and no further: its logits name the next token. Its leak is `KNOWN_LEAK`."""

    config = SHAPE

    def forward(self, tokens: Tensor) -> Tensor:
        logits = torch.zeros(*tokens.shape, self.config.vocab_size)
        logits[:, :-1] = KNOWN_LEAK * nn.functional.one_hot(tokens[:, 1:], self.config.vocab_size)
        return logits


class _OneWay(nn.Module):
    """A model that sees one token ahead; all its logits rise with that token (`sign` 1), or all fall (-1)."""

    config = SHAPE

    def __init__(self, sign: int):
        super().__init__()
        self.sign = sign

    def forward(self, tokens: Tensor) -> Tensor:
        logits = torch.zeros(*tokens.shape, self.config.vocab_size)
        logits[:, :-1] = self.sign * (1.0 + tokens[:, 1:, None])
        return logits


def _try(answer: Callable, model: nn.Module, token: int | None = None) -> tuple[float, list[Tensor]]:
    """What the learner's function finds in `model`, and the tokens that it showed to the model.

    It reads noise, or one `token` at all positions.
    """
    shown: list[Tensor] = []
    tokens = Noise(seq_len=SHAPE.max_seq_len).batch(0, 1).tokens
    if token is not None:
        tokens = torch.full_like(tokens, token)
    given = tokens.clone()
    watch = model.register_forward_pre_hook(
        lambda _, args, kwargs: shown.append(next(iter((*args, *kwargs.values()))).clone()), with_kwargs=True
    )
    found = answer(model, given)
    watch.remove()
    found = number(found.detach() if isinstance(found, Tensor) else found)
    if not torch.equal(tokens, given):
        raise Wrong(
            "no copy",
            "Your function changed the `tokens` that it was given. `changed = tokens` gives the same tensor a second "
            "name, so that both calls of the model see the changed token. Take `tokens.clone()`.",
        )
    if not math.isfinite(found):
        raise Wrong("not a number", f"Your function returned {found} where the logits are finite.")
    return found, shown


def _why_honest_flagged(found: float, shown: list[Tensor]) -> Wrong:
    changed = [(other != shown[0])[0].nonzero()[0].item() for other in shown if _differ(shown[0], other)]
    if changed and max(changed) == 0:
        return Wrong(
            "changes the first token",
            f"An honest model moved by {found:.3g}. You changed the first token, and everything after it may depend "
            "on it. Change a late token, and look at what came before.",
        )
    return Wrong(
        "counts the changed position",
        f"An honest model moved by {found:.3g}. At the position whose token you changed, and after it, a model may "
        "answer differently: it sees that token. Compare only the positions before it.",
    )


def _differ(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and not torch.equal(a, b)


def _inspect_leak(answer: Callable) -> str:
    for honest in (Transformer(SHAPE), EncoderLM(SHAPE, causal=True, positions=True)):
        found, shown = _try(answer, honest)
        if abs(found) > STILL:
            raise _why_honest_flagged(found, shown)
    by_token = [_try(answer, _Ahead(), token)[0] for token in range(SHAPE.vocab_size)]
    if min(by_token) <= STILL < max(by_token):
        token = by_token.index(min(by_token))
        raise Wrong(
            "a constant that changes nothing",
            f"A model that looks ahead gave {min(by_token):.3g} on a text of token {token} alone: you wrote the token "
            "that stood there already, so that nothing changed. Take one that differs from the old one whatever that "
            "is: `(old + 1) % model.config.vocab_size`.",
        )
    tutorial, shown = _try(answer, EncoderLM(SHAPE, causal=False, positions=False))
    placed, _ = _try(answer, EncoderLM(SHAPE, causal=False, positions=True))
    ahead, _ = _try(answer, _Ahead())
    rising, falling = (_try(answer, _OneWay(sign))[0] for sign in (1, -1))
    if max(map(abs, (tutorial, placed, ahead, rising, falling))) <= STILL:
        if shown and not any(_differ(shown[0], other) for other in shown):
            raise Wrong(
                "compares the same input twice",
                "The model was shown the same tokens each time, so nothing could move. Change one token in the copy.",
            )
        raise Wrong(
            "finds no leak",
            "Five models that look ahead gave 0. Compare the logits of two inputs, position by position.",
        )
    if ahead <= STILL and min(rising, falling) <= STILL and max(rising, falling) <= STILL:
        raise Wrong(
            "looks at one position only",
            "A model that sees one token ahead gave 0: only the logits just before the changed token move there. "
            "Look at all positions before the changed one.",
        )
    if min(rising, falling) <= STILL:
        raise Wrong(
            "keeps the sign",
            "A model whose logits only fall when a token changes gave no leak, its mirror image did. A change "
            "counts in both directions: take the absolute value before the largest.",
        )
    if abs(ahead - KNOWN_LEAK) > STILL:
        raise Wrong(
            "not the largest change",
            f"In a model that sees one token ahead the largest change of a logit is {KNOWN_LEAK:g}, and yours is "
            f"{ahead:.3g}. A mean or a sum over all logits hides one that moves, or grows with the sequence: take "
            "the largest.",
        )
    if min(tutorial, placed) <= STILL:
        raise Wrong("misses the block without a mask", "A block without a mask gave 0: look at all earlier positions.")
    return (
        f"Both honest models give 0. The tutorial's block gives {tutorial:.2f} before any training. Without a mask its "
        "logits depend on later tokens, and the next one is the target itself. So its loss falls below the entropy of "
        "the data."
    )


LEAK = Exercise(
    name="leak",
    title="Find the leak",
    task="""
A block without a causal mask trains to a loss that no honest model can have. One test finds such a block in any
language model. Change a *later* token, and see whether an *earlier* logit moves.

Write `leak(model, tokens)`. `model(tokens)` gives logits of shape (1, T, V) for tokens of shape (1, T), T at least 2,
and `model.config.vocab_size` is V. Return the **largest absolute change of any logit before the changed position**: 0
for an honest model. Leave the caller's `tokens` as they are.
""".strip(),
    answer="leak",
    stub=_leak_stub,
    solution=_leak_solution,
    alternative=_leak_alternative,
    mistakes={
        "changes the first token": _first_token,
        "counts the changed position": _changed_position,
        "compares the same input twice": _same_input,
        "a constant that changes nothing": _constant,
        "no copy": _no_copy,
        "looks at one position only": _one_position,
        "keeps the sign": _sign_kept,
        "not the largest change": _average,
    },
    hints=(
        "Run the model twice, on two inputs that differ in one token only. Which logits may differ in an honest "
        "model, and which may not?",
        "Change the last token of a copy: `changed = tokens.clone()`, then `changed[:, -1] = ...`, modulo the "
        "vocabulary. All positions but the last must give the same logits as before.",
        "`change = model(tokens) - model(changed)` has the shape (1, T, V). Leave out the last position with "
        "`change[:, :-1]`, then `.abs().max().item()`.",
    ),
    inspect=_inspect_leak,
)
