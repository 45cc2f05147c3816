"""DRC's relaxed choice of widths (arXiv 2207.07929): a softmax over numbers of channels."""

from __future__ import annotations

import numpy as np


def ranks_of(norms: np.ndarray) -> np.ndarray:
    """Return the rank of each channel by its norm, 0 for the largest; of equal ones the first."""
    ranks = np.empty(len(norms), np.int64)
    ranks[np.argsort(-norms, kind="stable")] = np.arange(len(norms))
    return ranks


def softmax(alpha: np.ndarray) -> np.ndarray:
    """Return the probabilities of the choices, float64."""
    raised = np.exp(alpha.astype(np.float64) - alpha.max())
    return raised / raised.sum()


def soft_mask(alpha: np.ndarray, counts: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Return the factor of each channel: the probability that its rank is among the kept, (C,).

    Args:
        alpha: (K,), one for each number of channels.
        counts: (K,), those numbers.
        ranks: (C,), as from `ranks_of`.
    """
    return softmax(alpha) @ (ranks < counts[:, None])


def alpha_gradient(
    alpha: np.ndarray, counts: np.ndarray, ranks: np.ndarray, mask_gradient: np.ndarray
) -> np.ndarray:
    """Return the gradient with respect to ``alpha``, (K,), from that to the `soft_mask`, (C,)."""
    p = softmax(alpha)
    towards = (ranks < counts[:, None]) @ mask_gradient.astype(np.float64)
    return p * (towards - p @ towards)


def chosen_count(alpha: np.ndarray, counts: np.ndarray) -> int:
    """Return the number with the largest ``alpha``; of equally good ones the largest number."""
    return int(counts[alpha == alpha.max()].max())


def bounded_counts(
    alphas: np.ndarray, counts: np.ndarray, costs: np.ndarray, fewest: float
) -> list[int]:
    """Return the numbers that are chosen, some of them raised until ``fewest`` parameters are left.

    Each time the layer is raised whose next larger number is the least worse (the smallest fall of
    its alpha), as long as any layer can be.

    Args:
        alphas: (L, K), one row for each layer.
        counts: (L, K), the numbers of channels that each layer chooses among.
        costs: (L,), parameters that go with each channel.
        fewest: parameters in all channels together; 0 for the plain choice.
    """
    chosen = [chosen_count(alpha, own) for alpha, own in zip(alphas, counts, strict=True)]
    while np.dot(chosen, costs) < fewest:
        options = []
        for i, (alpha, own) in enumerate(zip(alphas, counts, strict=True)):
            if (own > chosen[i]).any():
                larger = own[own > chosen[i]].min()
                fall = alpha[own == chosen[i]].max() - alpha[own == larger].max()
                options.append((fall, i, int(larger)))
        if not options:
            break
        _, i, chosen[i] = min(options)
    return chosen


def kept_share(alphas: np.ndarray, counts: np.ndarray, channels: np.ndarray) -> float:
    """Return which share of all prunable channels is expected to stay.

    Args:
        alphas: (L, K).
        counts: (L, K).
        channels: (L,), before pruning.
    """
    expected = sum(softmax(alpha) @ own for alpha, own in zip(alphas, counts, strict=True))
    return float(expected / channels.sum())
