"""Export a network from a checkout, installed or not: what `slimsr export` does."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from slimsr.commands import cli
from slimsr.commands.export import main

if __name__ == "__main__":
    cli.run(main)
