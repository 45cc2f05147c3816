"""What benchmarks/shipped_torch.py trains with, on the GPU: patches, and what the teacher makes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

Batch = tuple[torch.Tensor, ...]
RANGE = 255.0  # of RLFN's pictures


def as_input(x: torch.Tensor) -> torch.Tensor:
    """Map (B, H, W, 3) uint8 to (B, 3, H, W) in [0, 1]."""
    return x.permute(0, 3, 1, 2).float() / 255


def load(folder: Path, name: str, device: str) -> dict[str, torch.Tensor]:
    """Return the arrays of shipped_pairs.py by their keys, those of the teacher among them."""
    files = sorted(folder.glob(f"{name}_*.npy"))
    return {p.stem[len(name) + 1 :]: torch.from_numpy(np.load(p)).to(device) for p in files}


def pictures(arrays: dict[str, torch.Tensor]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Return each (HR, LR), (H, W, 3) uint8."""
    if "rows" not in arrays:
        yield from zip(arrays["hr"], arrays["lr"], strict=True)
        return
    square = len(arrays["hr"]) // len(arrays["lr"])
    scale = round(square**0.5)
    for start, height, width in arrays["rows"][:, :3].long().tolist():
        end = start + height * width
        hr = arrays["hr"][start * square : end * square]
        lr = arrays["lr"][start:end].reshape(height, width, 3)
        yield hr.reshape(height * scale, width * scale, 3), lr


class Patches:
    """Random patches of what lies on the device, flipped and turned at random.

    All is done on the device, so that a graph of it can be replayed.
    """

    def __init__(self, arrays: dict[str, torch.Tensor], side: int, batch: int):
        self.side, self.batch = side, batch
        self.device = arrays["lr"].device
        self.all = [arrays[key] for key in ("lr", "hr", "taught") if key in arrays]
        if "rows" not in arrays:
            self.scale = arrays["hr"].shape[1] // arrays["lr"].shape[1]
            return
        self.scale = round((len(arrays["hr"]) / len(arrays["lr"])) ** 0.5)
        self.rows = arrays["rows"][:, :3].long()
        self.ends = (self.rows[:, 1] * self.rows[:, 2] * arrays["rows"][:, 3]).cumsum(0)

    def draw(self) -> Batch:
        """Return LR, HR and, where there is a teacher, what it makes of LR: (B, 3, h, w)."""
        turns = torch.rand(3, self.batch, device=self.device) < 0.5
        drawn = self._of_pictures(turns) if hasattr(self, "rows") else self._made(turns)
        return tuple(as_input(x) for x in drawn)

    def _made(self, turns: torch.Tensor) -> list[torch.Tensor]:
        which = torch.randint(len(self.all[0]), (self.batch,), device=self.device)
        return [_turned(part[which], turns[:, :, None, None, None]) for part in self.all]

    def _of_pictures(self, turns: torch.Tensor) -> list[torch.Tensor]:
        count, side, scale = self.batch, self.side, self.scale
        pixel = torch.rand(count, device=self.device, dtype=torch.float64) * self.ends[-1]
        which = torch.searchsorted(self.ends, pixel, right=True).clamp(max=len(self.rows) - 1)
        start, height, width = self.rows[which].T
        y = (torch.rand(count, device=self.device) * (height - side + 1)).long()
        x = (torch.rand(count, device=self.device) * (width - side + 1)).long()
        small = self._pixels(start + y * width + x, width, side, turns)
        first = start * scale**2 + y * scale * width * scale + x * scale
        large = self._pixels(first, width * scale, side * scale, turns)
        return [part[large if i else small] for i, part in enumerate(self.all)]

    def _pixels(
        self, start: torch.Tensor, width: torch.Tensor, side: int, turns: torch.Tensor
    ) -> torch.Tensor:
        """Return which pixels (B, side, side) the patches are made of."""
        i = torch.arange(side, device=self.device)
        down, across, swap = turns
        y = torch.where(down[:, None], side - 1 - i, i)[:, :, None]
        x = torch.where(across[:, None], side - 1 - i, i)[:, None, :]
        start, width = start[:, None, None], width[:, None, None]
        swapped = x.transpose(1, 2) * width + y.transpose(1, 2)
        return start + torch.where(swap[:, None, None], swapped, y * width + x)


def _turned(x: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    x = torch.where(turns[0], x.flip(1), x)
    x = torch.where(turns[1], x.flip(2), x)
    return torch.where(turns[2], x.transpose(1, 2), x)


class Rlfn:
    """RLFN (Kong et al., CVPRW 2022) of released weights, for what a teacher makes of a picture."""

    def __init__(self, weights: Path, device: str):
        with np.load(weights) as file:
            self.weights = {k: torch.from_numpy(file[k]).to(device) for k in file.files}
        self.blocks = len({k.split(".")[0] for k in self.weights if k.startswith("block_")})

    def _conv(self, name: str, x: torch.Tensor, stride: int = 1, pad: int | None = None):
        weight = self.weights[f"{name}.weight"]
        pad = weight.shape[-1] // 2 if pad is None else pad
        return F.conv2d(x, weight, self.weights[f"{name}.bias"], stride, pad)

    def _block(self, name: str, x: torch.Tensor) -> torch.Tensor:
        y = x
        for i in (1, 2, 3):
            y = F.leaky_relu(self._conv(f"{name}.c{i}_r", y), 0.05)
        y = self._conv(f"{name}.c5", y + x)
        few = self._conv(f"{name}.esa.conv1", y)
        seen = F.max_pool2d(self._conv(f"{name}.esa.conv2", few, 2, 0), 7, 3)
        seen = self._conv(f"{name}.esa.conv3", seen)
        seen = F.interpolate(seen, few.shape[2:], mode="bilinear", align_corners=False)
        return y * torch.sigmoid(
            self._conv(f"{name}.esa.conv4", seen + self._conv(f"{name}.esa.conv_f", few))
        )

    @torch.no_grad()
    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, H, W) in [0, 255] to the large picture."""
        head = y = self._conv("conv_1", x)
        for i in range(self.blocks):
            y = self._block(f"block_{i + 1}", y)
        y = self._conv("upsampler.0", self._conv("conv_2", y) + head)
        return F.pixel_shuffle(y, round((y.shape[1] // 3) ** 0.5))


def teach(folder: Path, name: str, weights: Path, device: str) -> None:
    """Write what RLFN makes of every LR picture, the mean over eight turns, to NAME_taught.npy."""
    teacher, parts = Rlfn(weights, device), []
    for _, lr in pictures(load(folder, name, device)):
        x = RANGE * as_input(lr[None])
        found: list[torch.Tensor] = []
        for quarter in range(4):
            for mirrored in (False, True):
                turned = torch.rot90(x.flip(3) if mirrored else x, quarter, (2, 3))
                y = torch.rot90(teacher(turned), -quarter, (2, 3))
                found.append(y.flip(3) if mirrored else y)
        mean = torch.stack(found).mean(0)[0].round().clamp(0, 255).byte()
        parts.append(mean.permute(1, 2, 0).reshape(-1, 3).cpu().numpy())
    np.save(folder / f"{name}_taught.npy", np.concatenate(parts))
