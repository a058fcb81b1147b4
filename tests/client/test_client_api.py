"""What the package exports, and what it does not bring along."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import types

import pytest

import basanite

ERRORS = {
    "AuthenticationFailed",
    "BasaniteError",
    "ClientClosed",
    "ConfigurationError",
    "ConnectionFailed",
    "ContractMismatch",
    "ItemFormatError",
    "LocalServerFailed",
    "ResultHasNoScore",
    "RewardUnavailable",
    "UploadFailed",
    "ValueFormatError",
}
TASKS = (
    {
        "Checker",
        "Comparison",
        "ExtensionTask",
        "FunctionCase",
        "FunctionTask",
        "Item",
        "Limits",
        "ProgramTask",
        "PythonTestCase",
        "PythonTestTask",
        "StdioCase",
        "StdioTask",
    }
    | {
        "ClockPort",
        "Clocking",
        "CocotbTask",
        "FormalCheck",
        "PatternRule",
        "ResetPort",
        "StimulusPlan",
        "StimulusVector",
        "VerilogCompileTask",
        "VerilogEquivalenceTask",
        "VerilogTestbenchTask",
    }
    | {"LeanCompleteTask", "LeanElaborateTask", "LeanStep", "LeanStepsTask", "LeanTheoremTask"}
    | {"LeanCodeTest", "LeanVerifiedCodeTask"}
    | {"DafnyHintsTask", "DafnyImplementTask", "DafnySpecifyTask", "DafnyVerifyTask"}
    | {"RepositoryTask", "SecondOpinion", "UnittestSuiteTask"}
)
RESULTS = {
    "CapturedOutput",
    "CaseResult",
    "Diagnostic",
    "Failure",
    "Part",
    "RaisedException",
    "Result",
    "TestResult",
    "Usage",
    "Verdict",
    "WaveCycle",
    "WaveMismatch",
}
ENUMS = {"Assurance", "FailureReason", "Outcome", "PartState", "Severity", "TestStatus"}
SERVER = {"EnvironmentInfo", "IsolationInfo", "RequestLimits", "ServerInfo", "ToolInfo", "VerifierInfo"}
TYPES = {"ClockEdge", "Task", "TestbenchRule", "TextPolicy", "ValuePolicy"}
OTHERS = {"AsyncClient", "Client", "scores"}


def test_exactly_these_names_are_exported() -> None:
    assert set(basanite.__all__) == ERRORS | TASKS | RESULTS | ENUMS | SERVER | TYPES | OTHERS
    for name in basanite.__all__:
        assert getattr(basanite, name) is not None
    public = {
        name
        for name, value in vars(basanite).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType) and name != "annotations"
    }
    assert public <= set(basanite.__all__) | {"TYPE_CHECKING", "Any"}


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        basanite.Nonsense  # noqa: B018


@pytest.mark.parametrize("name", sorted(TASKS | RESULTS | SERVER))
def test_public_types_are_frozen_and_slotted(name: str) -> None:
    cls = getattr(basanite, name)
    assert cls.__dataclass_params__.frozen
    assert "__slots__" in vars(cls)
    assert dataclasses.is_dataclass(cls)


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_every_error_has_the_one_base(name: str) -> None:
    assert issubclass(getattr(basanite, name), basanite.BasaniteError)


def loaded_by(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {module.split(".")[0] for module in done.stdout.split()}


def test_importing_the_package_brings_neither_services_nor_trainers_nor_grpc() -> None:
    loaded = loaded_by("import basanite, basanite.values, basanite.v1.verifier_pb2")
    for unwanted in (
        "basanite_services",
        "basanite_sandboxes",
        "torch",
        "numpy",
        "pydantic",
        "rich",
        "typer",
    ):
        assert unwanted not in loaded
    assert "grpc" not in loaded


def test_the_clients_bring_grpc_and_nothing_else() -> None:
    loaded = loaded_by("from basanite import Client, AsyncClient")
    assert "grpc" in loaded
    for unwanted in (
        "basanite_services",
        "basanite_sandboxes",
        "torch",
        "numpy",
        "pydantic",
        "rich",
        "typer",
    ):
        assert unwanted not in loaded


def test_errors_survive_pickling() -> None:
    import pickle

    invalid = pickle.loads(pickle.dumps(basanite.ItemFormatError("code.source", "must not be empty")))  # noqa: S301
    assert (invalid.field, invalid.rule) == ("code.source", "must not be empty")
    unavailable = pickle.loads(pickle.dumps(basanite.RewardUnavailable("x", {"SANDBOX": 2})))  # noqa: S301
    assert unavailable.counts == {"SANDBOX": 2}
