"""The losses between feature maps, written out in NumPy, for tests of losses and methods."""

from __future__ import annotations

import numpy as np


def hint_by_hand(student: np.ndarray, teacher: np.ndarray) -> float:
    """Mean squared difference."""
    return np.square(student - teacher).mean()


def affinity_by_hand(student: np.ndarray, teacher: np.ndarray) -> float:
    """Mean difference of cosines, in loops over pictures and pairs of pixels; (B, C, H, W)."""
    total, count = 0.0, 0
    for s, t in zip(student, teacher, strict=True):
        s, t = s.reshape(len(s), -1).T, t.reshape(len(t), -1).T
        for n in range(len(s)):
            for m in range(len(s)):
                cosines = [
                    v[n] @ v[m] / (np.linalg.norm(v[n]) * np.linalg.norm(v[m])) for v in (s, t)
                ]
                total += abs(cosines[0] - cosines[1])
                count += 1
    return total / count


def distance_by_hand(a: np.ndarray, b: np.ndarray, distance: str) -> float:
    """The distance of two feature maps of one picture."""
    if distance == "l1":
        return np.abs(a - b).mean()
    if distance == "l2":
        return np.sqrt(np.square(a - b).mean())
    return 1 - (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())


def contrast_by_hand(
    anchor: np.ndarray,
    positive: np.ndarray,
    negatives: np.ndarray,
    choice: np.ndarray,
    form: str,
    distance: str,
    temperature: float,
) -> np.ndarray:
    """The contrast of each anchor, (B,)."""
    found = []
    for b, (a, p) in enumerate(zip(anchor, positive, strict=True)):
        near = distance_by_hand(a, p, distance)
        far = np.array([distance_by_hand(a, negatives[n], distance) for n in choice[:, b]])
        if form == "ratio":
            found.append(near / (far.sum() + 1e-7))
        else:
            up, down = np.exp(-near / temperature), np.exp(-far / temperature).sum()
            found.append(-np.log(up / (up + down)))
    return np.array(found)
