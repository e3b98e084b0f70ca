"""The commands: ``python -m releasing build`` and ``python -m releasing matrix``."""

from __future__ import annotations

import argparse
import sys

from releasing.building import build
from releasing.interpreters import InterpreterError


def main() -> int:
    """Run the command that the arguments name, and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m releasing")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build every distribution into dist/, and judge what was built")
    tried = commands.add_parser("matrix", help="install each extra from dist/ on every Python here, and use it")
    tried.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="PROGRAM",
        help="a Python that is not found by itself; repeatable",
    )
    arguments = parser.parse_args()
    if arguments.command == "build":
        return build()
    from releasing.matrix import matrix  # whose tools a build does without

    try:
        return matrix(arguments.python)
    except InterpreterError as error:
        parser.error(str(error))


if __name__ == "__main__":
    sys.exit(main())
