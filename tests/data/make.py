#!/usr/bin/env python3
"""Writes the test data next to this file: models/, pairs/ and hostile/. See README.md.

    make.py            write everything anew
    make.py --check    read everything back and compare with models/expected.json and hostile/index.json
"""

import argparse
import pathlib
import shutil
import sys
import warnings

sys.dont_write_bytecode = True
warnings.filterwarnings("ignore")

HERE = pathlib.Path(__file__).resolve().parent
SECTIONS = ["models", "pairs", "hostile"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing, read everything back")
    parser.add_argument("--into", type=pathlib.Path, default=HERE, metavar="FOLDER", help="instead of this folder")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"some of {', '.join(SECTIONS)} only")
    arguments = parser.parse_args()
    if unknown := set(arguments.sections) - set(SECTIONS):
        parser.error(f"no such section: {', '.join(sorted(unknown))}")

    for section in arguments.sections or SECTIONS:
        module = getattr(__import__(f"generators.{section}"), section)
        folder = arguments.into / section
        if not arguments.check:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            module.write(folder)
        print(f"{section}: {module.check(folder)}")


if __name__ == "__main__":
    main()
