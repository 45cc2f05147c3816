"""The pictures of a report, cut and packed one at a time, within bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from slimsr.report.crops import busiest, strips_of, webp

_PER_PIXEL = 2.0  # bytes of lossless WebP in Base64, of photographs


@dataclass(frozen=True)
class Bounds:
    """How much goes into a page.

    Attributes:
        pictures: at most so many, spread evenly over each set.
        size: bytes of all pictures together.
        sides: of the part of HR that is shown, least and most; fewer pictures are shown larger.
    """

    pictures: int = 200
    size: int = 20_000_000
    sides: tuple[int, int] = (96, 320)


@dataclass
class Shown:
    """One picture's part, the same in all of its layers.

    Attributes:
        scale: pixels of HR for one of LR.
        whole: (height, width) of HR.
        place: (top, left) of the part in HR.
        size: (height, width) of the part in HR.
        layers: label -> Base64 of WebP; that of LR has the size of LR.
    """

    scale: int
    whole: tuple[int, int]
    place: tuple[int, int]
    size: tuple[int, int]
    layers: dict[str, str] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """What it takes in the page."""
        return sum(map(len, self.layers.values()))

    def cut(self, picture: np.ndarray, scale: int = 1) -> np.ndarray:
        """Return the part of a picture that is ``scale`` times smaller than HR."""
        (top, left), (height, width) = self.place, self.size
        rows = slice(top // scale, (top + height) // scale)
        return np.ascontiguousarray(picture[rows, left // scale : (left + width) // scale])


class Album:
    """Collects what a report shows while pictures are scored or enlarged; keeps no whole picture.

    Args:
        bounds: how much.
    """

    def __init__(self, bounds: Bounds | None = None):
        self.bounds = Bounds() if bounds is None else bounds
        self.shown: dict[tuple[str, str], Shown] = {}
        self._chosen: set[tuple[str, str]] = set()
        self._total, self._side = 0, self.bounds.sides[1]

    def expect(self, names: Mapping[str, Sequence[str]], layers: int) -> None:
        """Choose which pictures are shown, and how much of each.

        Args:
            names: set -> its pictures.
            layers: how many pictures of the size of HR each has.
        """
        total = sum(map(len, names.values()))
        share = min(1.0, self.bounds.pictures / max(total, 1))
        for label, pictures in names.items():
            count = max(1, math.floor(len(pictures) * share)) if pictures else 0
            places = np.linspace(0, len(pictures) - 1, count).round()
            self._chosen.update((label, pictures[int(place)]) for place in places)
        self._total = total
        least, most = self.bounds.sides
        area = self.bounds.size / (max(len(self._chosen), 1) * max(layers, 1) * _PER_PIXEL)
        self._side = min(most, max(least, int(math.sqrt(area))))

    def wants(self, label: str, name: str) -> bool:
        """Return whether a picture of a set is among those that are shown."""
        return (label, name) in self._chosen

    def part(self, height: int, width: int, scale: int) -> tuple[int, int]:
        """Return (height, width) in LR of what is shown of an LR picture."""
        side = max(1, self._side // scale)
        return min(height, side), min(width, side)

    def see(
        self, label: str, name: str, layer: str, lr: np.ndarray, sr: np.ndarray, hr: np.ndarray
    ) -> None:
        """Take in one result, if its picture is among those that are shown.

        Args:
            label: the set.
            name: of the picture.
            layer: what has enlarged it.
            lr: (H, W, 3) uint8.
            sr: (H*scale, W*scale, 3) uint8.
            hr: as ``sr``.
        """
        if not self.wants(label, name):
            return
        key = label, name
        if key not in self.shown:
            scale = len(hr) // len(lr)
            height, width = self.part(lr.shape[0], lr.shape[1], scale)
            top, left = busiest(strips_of(lr), height, width)
            part = Shown(
                scale,
                (hr.shape[0], hr.shape[1]),
                (top * scale, left * scale),
                (height * scale, width * scale),
            )
            part.layers["LR"] = webp(part.cut(lr, scale))
            part.layers["HR"] = webp(part.cut(hr))
            self.shown[key] = part
        self.shown[key].layers[layer] = webp(self.shown[key].cut(sr))

    def section(
        self, scores: Mapping[tuple[str, str, str], Mapping[str, Any]], shave: int, rgb: bool
    ) -> dict[str, Any]:
        """Return what the page shows.

        Args:
            scores: (set, picture, layer) -> ``psnr`` and ``ssim`` of the whole picture.
            shave: pixels along the borders of the whole picture that are not compared.
            rgb: whether PSNR is of RGB.
        """
        methods = ["LR", *dict.fromkeys(layer for _, _, layer in scores)]
        items, used = [], 0
        for (label, name), part in self.shown.items():
            used += part.bytes
            if used > self.bounds.size and items:
                break
            (top, left), (height, width) = part.place, part.size
            inside = [
                max(0, shave - top),
                max(0, shave - left),
                min(height, part.whole[0] - shave - top),
                min(width, part.whole[1] - shave - left),
            ]
            found = [layer for layer in methods if layer in part.layers]
            order = [*found, *(layer for layer in part.layers if layer not in (*found, "HR"))]
            order += [layer for layer in part.layers if layer == "HR"]
            layers = [
                {
                    "label": layer,
                    "source": part.layers[layer],
                    "factor": part.scale if layer == "LR" else 1,
                    **{m: scores.get((label, name, layer), {}).get(m) for m in ("psnr", "ssim")},
                }
                for layer in order
            ]
            items.append(
                {
                    "set": label,
                    "name": name,
                    "whole": part.whole,
                    "place": part.place,
                    "size": part.size,
                    "inside": inside,
                    "layers": layers,
                }
            )
        return {"items": items, "rgb": rgb, "total": self._total}

    def notes(self, section: Mapping[str, Any]) -> list[str]:
        """Return what the page must say of what it does not show."""
        shown, notes = len(section["items"]), []
        if shown < self._total:
            notes.append(
                f"{shown} of {self._total} pictures are shown, spread over each set, so that the "
                "page stays small; the scores are of all."
            )
        items = section["items"]
        if any(tuple(item["size"]) != tuple(item["whole"]) for item in items):
            scored = any(layer["ssim"] is not None for item in items for layer in item["layers"])
            notes.append(
                "Of larger pictures the part with most detail is shown"
                + ("; values under “whole” are of the whole picture." if scored else ".")
            )
        return notes
