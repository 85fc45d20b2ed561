"""SparseGPT against the normal equations, against the inverse Hessian by hand, and against masks alone."""

import inspect

import numpy as np
import pytest
import torch

from mobilellm_lab.pruning import COMPARE, n_of_m, select
from mobilellm_lab.pruning.sparsegpt import saliency, sparsegpt
from mobilellm_lab.quantization.gptq import DAMPING


def matrix(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def inputs(columns: int, seed: int = 0, n: int = 300) -> torch.Tensor:
    """Inputs whose channels are correlated, (n, columns)."""
    return matrix(n, columns, seed + 100) @ matrix(columns, columns, seed + 200)


def damped(gram: torch.Tensor) -> np.ndarray:
    hessian = 2 * gram.double().numpy()
    return hessian + DAMPING * hessian.diagonal().mean() * np.eye(len(hessian))


def error(w: torch.Tensor, changed: torch.Tensor, gram: torch.Tensor) -> float:
    return (((changed - w) @ gram) * (changed - w)).sum().item()


@pytest.mark.parametrize("seed", range(3))
def test_where_removed_columns_come_first_the_rest_solves_the_normal_equations(seed):
    """Each row keeps another number of its last columns: its best weights are those of least squares, damped."""
    w, x = matrix(9, 16, seed), inputs(16, seed)
    gram = x.T @ x
    mask = torch.arange(16) >= torch.arange(9)[:, None] * 2 - 1
    ours, hessian = sparsegpt(w, gram, mask).double().numpy(), damped(gram)
    for row in range(9):
        kept = mask[row].numpy()
        target = hessian[kept] @ w[row].double().numpy()
        solved = np.linalg.solve(hessian[np.ix_(kept, kept)], target)
        np.testing.assert_allclose(ours[row, kept], solved, rtol=1e-5, atol=1e-5)
        assert not ours[row, ~kept].any()


def by_hand(w: np.ndarray, hessian: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Optimal brain surgeon in a fixed order: after each column the Hessian of the rest is inverted anew."""
    left = w.astype(np.float64)
    for j in range(w.shape[1]):
        inverse = np.linalg.inv(hessian[j:, j:])
        removed = np.where(mask[:, j], 0, left[:, j])
        left[:, j:] -= np.outer(removed / inverse[0, 0], inverse[0])
    return left * mask


@pytest.mark.parametrize("compare", COMPARE)
def test_any_mask_is_followed_as_by_the_inverse_hessian_by_hand(compare):
    w, x = matrix(6, 24), inputs(24)
    gram = x.T @ x
    mask = select({"w": saliency(w, gram)}, 0.5, compare)["w"]
    expected = by_hand(w.numpy(), damped(gram), mask.numpy())
    np.testing.assert_allclose(sparsegpt(w, gram, mask).numpy(), expected, rtol=1e-5, atol=1e-5)


def test_saliency_is_the_error_that_a_removal_leaves_by_hand():
    w, x = matrix(4, 12), inputs(12)
    hessian = damped(x.T @ x)
    expected = np.stack([w[:, j].numpy() ** 2 / np.linalg.inv(hessian[j:, j:])[0, 0] for j in range(12)], 1)
    np.testing.assert_allclose(saliency(w, x.T @ x).numpy(), expected, rtol=1e-4)
    mask = torch.ones(4, 12, dtype=torch.bool)
    mask[0, 5] = False
    change = (sparsegpt(w, x.T @ x, mask) - w)[0].double().numpy()
    assert change @ hessian @ change == pytest.approx(expected[0, 5], rel=1e-4)


def test_without_correlation_the_mask_is_magnitudes_and_the_rest_stays():
    w = matrix(6, 16)
    for gram in (torch.eye(16), 7 * torch.eye(16), torch.zeros(16, 16)):
        mask = select({"w": saliency(w, gram)}, 0.5)["w"]
        assert torch.equal(mask, select({"w": w.abs()}, 0.5)["w"])
        assert torch.equal(sparsegpt(w, gram, mask), w * mask)


def test_with_nothing_removed_it_is_the_identity():
    w, x = matrix(6, 16), inputs(16)
    assert torch.equal(sparsegpt(w, x.T @ x, torch.ones(6, 16, dtype=torch.bool)), w)


def test_on_average_the_output_changes_less_than_with_the_mask_alone_or_with_wandas():
    ours, alone, wanda = [], [], []
    for seed in range(12):
        w, x = matrix(4, 16, seed), inputs(16, seed)
        gram = x.T @ x
        mask = select({"w": saliency(w, gram)}, 0.5)["w"]
        ours.append(error(w, sparsegpt(w, gram, mask), gram))
        alone.append(error(w, w * mask, gram))
        wanda.append(error(w, w * select({"w": w.abs() * gram.diagonal().sqrt()}, 0.5)["w"], gram))
    assert np.mean(ours) < 0.7 * np.mean(alone) and np.mean(ours) < 0.8 * np.mean(wanda)


def test_it_takes_any_pattern_leaves_what_is_given_and_gives_the_same_twice():
    w, x = matrix(6, 16), inputs(16)
    gram = x.T @ x
    mask = n_of_m({"w": saliency(w, gram)}, 2, 4)["w"]
    kept = w.clone(), gram.clone(), mask.clone()
    layouts = (w, w, w.t().contiguous().t(), torch.nn.Parameter(w))
    results = [sparsegpt(v, gram, mask) for v in layouts]
    assert all(torch.equal(result, results[0]) for result in results)
    assert ((results[0] != 0).view(-1, 4).sum(1) == 2).all() and torch.equal(results[0] != 0, mask)
    assert all(torch.equal(a, b) for a, b in zip(kept, (w, gram, mask), strict=True))


def test_an_input_that_is_never_seen_can_be_removed_without_a_change_elsewhere():
    w, x = matrix(5, 16), inputs(16)
    x[:, 3] = 0
    mask = torch.ones(5, 16, dtype=torch.bool)
    mask[:, 3] = False
    torch.testing.assert_close(sparsegpt(w, x.T @ x, mask), w * mask)


def test_what_cannot_be_used_is_refused_by_name():
    w, mask = matrix(4, 8), torch.ones(4, 8, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"gram has shape \(6, 6\), a matrix with 8 inputs needs \(8, 8\)"):
        inspect.unwrap(sparsegpt)(w, torch.eye(6), mask)  # shapes are checked in tests only
    with pytest.raises(ValueError, match="gram: NaN"):
        sparsegpt(w, torch.full((8, 8), torch.nan), mask)
    with pytest.raises(ValueError, match="damping=0"):
        sparsegpt(w, torch.eye(8), mask, damping=0.0)
