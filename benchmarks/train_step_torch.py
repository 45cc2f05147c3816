"""The other side of benchmarks/train_step.py: the same step in PyTorch's eager mode.

    PYTHON train_step_torch.py FORM FOLDER

Written from the formulas of CSD (Wang et al., IJCAI 2021); ReLUs work in place. FORM "released"
does as the released code: the teacher's features are detached after VGG, and the differences from
the negatives, K x B, are one tensor. FORM "lean" keeps no graph for teacher and negatives in VGG
and takes one negative after another.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from workers import serve

TAP_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
TAPS = (0, 5, 10, 19, 28)  # convolutions whose ReLU is looked at: relu1_1 to relu5_1
POOL_BEFORE = (5, 10, 19, 28)
CONTRAST_WEIGHT = 200.0
MEAN = 255 * torch.tensor([0.4488, 0.4371, 0.4040]).reshape(1, 3, 1, 1)


def tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a file of arrays."""
    with np.load(path) as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


class Csd:
    """The loss of one batch, as a function of the weights.

    Args:
        form: released or lean.
        folder: that train_step.py filled.
    """

    def __init__(self, form: str, folder: Path):
        self.lean = form == "lean"
        self.net = {n: t.requires_grad_() for n, t in tensors(folder / "net.npz").items()}
        self.vgg = {n.removeprefix("features."): t for n, t in tensors(folder / "vgg.npz").items()}
        task = tensors(folder / "task.npz")
        self.lr, self.hr = task["lr"], task["hr"]
        self.n_blocks, self.negatives, self.scale, self.width = (
            task[name].item() for name in ("n_blocks", "negatives", "scale", "width")
        )

    def conv(self, x: torch.Tensor, name: str, width: float, picture_out=False) -> torch.Tensor:
        """Apply the first ``width`` of a layer's channels; those of the picture are all in use."""
        weight, bias = self.net[f"{name}.weight"], self.net[f"{name}.bias"]
        outputs = weight.shape[0] if picture_out else int(weight.shape[0] * width)
        return F.conv2d(x, weight[:outputs, : x.shape[1]], bias[:outputs], padding=1)

    def enlarge(self, lr: torch.Tensor, width: float) -> torch.Tensor:
        """EDSR."""
        head = x = self.conv(lr - MEAN, "head", width)
        for i in range(self.n_blocks):
            inner = F.relu_(self.conv(x, f"body.{i}.conv1", width))
            x = x + self.conv(inner, f"body.{i}.conv2", width)
        x = head + self.conv(x, "body_conv", width)
        for i in range(self.scale.bit_length() - 1):
            x = F.pixel_shuffle(self.conv(x, f"upsampler.blocks.{i}", width), 2)
        return self.conv(x, "tail_conv", width, picture_out=True) + MEAN

    def taps(self, x: torch.Tensor) -> list[torch.Tensor]:
        """VGG-19 to relu5_1."""
        found = []
        for index in sorted(int(name.split(".")[0]) for name in self.vgg if "weight" in name):
            if index in POOL_BEFORE:
                x = F.max_pool2d(x, 2)
            weight, bias = self.vgg[f"{index}.weight"], self.vgg[f"{index}.bias"]
            x = F.relu_(F.conv2d(x, weight, bias, padding=1))
            if index in TAPS:
                found.append(x)
        return found

    def contrast(self, student: torch.Tensor, teacher: torch.Tensor, lr: torch.Tensor):
        """Draw to the teacher, push from the bicubically enlarged first K pictures."""
        enlarged = F.interpolate(
            lr[: self.negatives], scale_factor=self.scale, mode="bicubic", align_corners=False
        )
        with torch.set_grad_enabled(not self.lean):
            positives, negatives = self.taps(teacher), self.taps(enlarged)
        loss = 0.0
        for weight, s, p, n in zip(
            TAP_WEIGHTS, self.taps(student), positives, negatives, strict=True
        ):
            near = (s - p.detach()).abs().mean()
            if self.lean:
                far = sum((s - n[k]).abs().mean() for k in range(len(n)))
            else:
                far = (s.unsqueeze(0) - n.unsqueeze(1)).abs().sum(0).mean()
            loss = loss + weight * near / (far + 1e-7)
        return loss

    def losses(self, lr: torch.Tensor, hr: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return total, student's and teacher's L1, contrast."""
        teacher, student = self.enlarge(lr, 1.0), self.enlarge(lr, self.width)
        teacher_l1, student_l1 = F.l1_loss(teacher, hr), F.l1_loss(student, hr)
        contrast = self.contrast(student, teacher, lr)
        total = student_l1 + teacher_l1 + CONTRAST_WEIGHT * contrast
        return total, student_l1, teacher_l1, contrast


def main() -> None:
    csd = Csd(sys.argv[1], Path(sys.argv[2]))
    optimizer = torch.optim.Adam(csd.net.values(), lr=1e-4)
    batches = itertools.cycle(list(zip(csd.lr, csd.hr, strict=True)))

    def run() -> list[float]:
        lr, hr = (pictures.float() for pictures in next(batches))
        optimizer.zero_grad()
        losses = csd.losses(lr, hr)
        losses[0].backward()
        optimizer.step()
        return [loss.item() for loss in losses]

    losses = [run() for _ in csd.lr]
    about = f"PyTorch {torch.__version__}, eager, {torch.get_num_threads()} threads"
    serve({"step": run}, {"losses": losses, "about": about})


if __name__ == "__main__":
    main()
