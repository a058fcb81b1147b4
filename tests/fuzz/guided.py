"""Search a target by coverage, with atheris: python tests/fuzz/guided.py TARGET [OPTIONS OF LIBFUZZER]"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["basanite", "basanite_services", "basanite_sandboxes"]):
    from targets import TARGETS

if __name__ == "__main__":
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
