"""What a check of Verilog designs is worth, by trying it: on a good design, on stubs that do nothing, and on mutants
of the good one.

    from basanite.verilog import audit

    for task in audit(client, items):
        print(task.id, task.vacuous_stubs, task.detection_rate)

And how alike two designs look, for shaping: compare_structures.
"""

from __future__ import annotations

from basanite.verilog._audit import NotAuditable, StubAudit, Survivor, TaskAudit, audit
from basanite.verilog._mutants import OPERATORS, Mutant, mutants
from basanite.verilog._structure import StructureComparison, compare_structures
from basanite.verilog._stubs import Stub, stubs

__all__ = [
    "OPERATORS",
    "Mutant",
    "NotAuditable",
    "StructureComparison",
    "Stub",
    "StubAudit",
    "Survivor",
    "TaskAudit",
    "audit",
    "compare_structures",
    "mutants",
    "stubs",
]
