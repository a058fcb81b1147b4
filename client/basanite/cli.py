"""The command line: `basanite demo | serve | verify | doctor`. Needs the extra `cli`; all but `verify` against a
running server need the extra `server` too."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the `basanite` command."""
    try:
        _run()
    except KeyboardInterrupt:  # before or after a command
        sys.exit(130)


def _run() -> None:
    try:
        from basanite._commands import app
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        print(
            "basanite: the command line needs more packages: pip install 'basanite[cli,server]'",
            file=sys.stderr,
        )
        sys.exit(2)
    app()


if __name__ == "__main__":
    main()
