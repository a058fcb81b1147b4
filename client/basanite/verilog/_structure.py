"""How alike two designs look: an aid for shaping, which decides nothing and can be fooled, as by a copied skeleton.

The measures are those of VeriReason's reward (github.com/NellyW8/VeriReason, GRPO/verilog_rewards_tb.py at d215b7f,
run_ast_comparison), which finds statements with regular expressions. Here they come from pyverilog's tree, and
the module's name does not count.

Candidates are hostile, so parsing and comparing happen in processes of their own, with limits.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_MAX_CHARACTERS: Final = 1 << 20
_CHILD: Final = Path(__file__).with_name("_structure_child.py")


@dataclass(frozen=True, slots=True)
class StructureComparison:
    """A candidate beside the golden. Statements are declarations, `assign`, `always`, `if`, `else`, `case`, its items,
    and instances, each with its expressions."""

    similarity: float
    """Of the sequences of statements, in [0, 1]: difflib's ratio."""
    coverage: float
    """The share of the golden's different statements that the candidate has."""
    redundancy: float
    """The share of the candidate's different statements that the golden lacks."""
    candidate: Mapping[str, int] = field(hash=False)
    """How many statements of each sort it has, e.g. {"module": 1, "input": 2, "always": 1}."""
    golden: Mapping[str, int] = field(hash=False)

    @property
    def score(self) -> float:
        """VeriReason's: 0.7 similarity + 0.3 coverage - 0.2 redundancy, in [0, 1]."""
        return max(0.0, min(1.0, 0.7 * self.similarity + 0.3 * self.coverage - 0.2 * self.redundancy))


def compare_structures(
    pairs: Sequence[tuple[str, str]], *, cpu_seconds: float = 2.0, memory_bytes: int = 512 << 20
) -> list[StructureComparison | None]:
    """Compare candidates with goldens, (candidate, golden) each: texts without macros, whose directives are skipped.

    None where one of both cannot be parsed: pyverilog knows Verilog-2001 and little of SystemVerilog, so that says
    nothing about the candidate. Do not take it for a 0. None also where a pair takes more than `cpu_seconds` or
    `memory_bytes`.

    Half a second of CPU time for a call, and some milliseconds for a pair: send many at a time.

    Raises ModuleNotFoundError without the extra `verilog-structure`; CalledProcessError if the process that starts the
    others could not do so.
    """
    if importlib.util.find_spec("pyverilog") is None:
        raise ModuleNotFoundError(
            "comparing structures needs pyverilog: pip install 'basanite[verilog-structure]'",
            name="pyverilog",
        )
    short = [pair for pair in pairs if max(map(len, pair)) <= _MAX_CHARACTERS]
    answers = iter(_ask(short, cpu_seconds, memory_bytes) if short else [])
    return [next(answers) if max(map(len, pair)) <= _MAX_CHARACTERS else None for pair in pairs]


def _ask(
    pairs: Sequence[tuple[str, str]], cpu_seconds: float, memory_bytes: int
) -> list[StructureComparison | None]:
    with tempfile.TemporaryDirectory(prefix="basanite-") as folder:
        request = {"cpu_seconds": cpu_seconds, "memory_bytes": memory_bytes, "folder": folder, "pairs": pairs}
        done = subprocess.run(
            [sys.executable, "-I", str(_CHILD)],
            input=json.dumps(request),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
            cwd=folder,
        )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return [StructureComparison(**answer) if answer is not None else None for answer in answers]
