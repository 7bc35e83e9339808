"""Write simulated heads: `python -m benchmarks.generators OUT [--only NAME] [--coarse | --size SIZE]`."""

import argparse
from pathlib import Path

from benchmarks.generators import HEADS, simulate, write
from benchmarks.generators.parts import DataMissing
from benchmarks.heads import SIZES


def main() -> None:
    """One folder a head."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generators", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", choices=HEADS, action="append", help="one head; may be repeated")
    parser.add_argument("--coarse", action="store_true", help="voxels of about 1.5 mm")
    parser.add_argument("--size", choices=SIZES, help="voxels of a size of benchmarks.heads")
    chosen = parser.parse_args()
    for name in chosen.only or HEADS:
        try:
            arrays, facts = simulate(name, chosen.coarse, chosen.size)
        except DataMissing as missing:
            print(f"{name}: left out: {missing}")
            continue
        write(chosen.out / name, arrays, facts)
        print(f"{name}: {'x'.join(map(str, arrays['brain'].shape))}", flush=True)


if __name__ == "__main__":
    main()
