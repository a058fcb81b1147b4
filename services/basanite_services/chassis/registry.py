"""The verifiers of this distribution. A new one is a line here."""

from __future__ import annotations

import importlib
from typing import Any

from basanite_services.chassis.logs import Logger
from basanite_services.chassis.verifier import Verifier

KNOWN = {
    "code": "basanite_services.code.verifier:CodeVerifier",
    "dafny": "basanite_services.dafny.verifier:DafnyVerifier",
    "lean": "basanite_services.lean.verifier:LeanVerifier",
    "unittest": "basanite_services.unittest.verifier:UnittestVerifier",
    "verilog": "basanite_services.verilog.verifier:VerilogVerifier",
}


def load_known(log: Logger) -> list[type[Verifier[Any]]]:
    """The classes of all known verifiers whose modules can be imported here; the others are logged."""
    classes: list[type[Verifier[Any]]] = []
    for kind, place in KNOWN.items():
        module, _, name = place.partition(":")
        try:
            classes.append(getattr(importlib.import_module(module), name))
        except ImportError as error:
            log.warning("verifier left out", kind=kind, why=f"cannot be imported: {error}")
    return classes
