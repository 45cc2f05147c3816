"""Enlarge an array: python examples/enlarge_array.py photo.jpg large.png [--model photo_x2]."""

from __future__ import annotations

from collections.abc import Sequence

import slimsr
from slimsr.commands import cli
from slimsr.imaging import imread, imwrite


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, enlarge, say what came out."""
    parser = cli.Parser(description=__doc__)
    parser.add_argument("picture")
    parser.add_argument("result")
    parser.add_argument("--model", default="photo_x2", help="a network that ships, or a file")
    parser.add_argument("--width", type=float, help="of the network; default: the widest")
    args = parser.parse_args(argv)

    model = slimsr.open_model(args.model, args.width)
    small = imread(args.picture)  # or any array (H, W, 3), RGB, uint8 or uint16
    large = model.enlarge(small)
    imwrite(args.result, large)
    print(f"{small.shape} -> {large.shape} by {args.model} at width {model.width:g}")
    return 0


if __name__ == "__main__":
    cli.run(main)
