"""Trusted rewards for reinforcement learning, by running what a model wrote in sandboxes.

from basanite import Client, Item, StdioCase, StdioTask, scores

with Client.local() as client:
    results = client.verify_batch([Item(StdioTask("print(input())", [StdioCase("1", "1")]))])
rewards = scores(results)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from basanite._dafny_tasks import DafnyHintsTask, DafnyImplementTask, DafnySpecifyTask, DafnyVerifyTask
from basanite._errors import (
    AuthenticationFailed,
    BasaniteError,
    ClientClosed,
    ConfigurationError,
    ConnectionFailed,
    ContractMismatch,
    ItemFormatError,
    LocalServerFailed,
    ResultHasNoScore,
    RewardUnavailable,
    UploadFailed,
    ValueFormatError,
)
from basanite._lean_tasks import (
    LeanCodeTest,
    LeanCompleteTask,
    LeanElaborateTask,
    LeanStep,
    LeanStepsTask,
    LeanTheoremTask,
    LeanVerifiedCodeTask,
)
from basanite._results import (
    Assurance,
    CapturedOutput,
    CaseResult,
    Diagnostic,
    Failure,
    FailureReason,
    Outcome,
    Part,
    PartState,
    RaisedException,
    Result,
    Severity,
    TestResult,
    TestStatus,
    Usage,
    Verdict,
    WaveCycle,
    WaveMismatch,
)
from basanite._scores import scores
from basanite._server_info import (
    EnvironmentInfo,
    IsolationInfo,
    RequestLimits,
    ServerInfo,
    ToolInfo,
    VerifierInfo,
)
from basanite._tasks import (
    Checker,
    Comparison,
    ExtensionTask,
    FunctionCase,
    FunctionTask,
    Item,
    Limits,
    ProgramTask,
    PythonTestCase,
    PythonTestTask,
    StdioCase,
    StdioTask,
    Task,
    TextPolicy,
    ValuePolicy,
)
from basanite._unittest_tasks import RepositoryTask, SecondOpinion, UnittestSuiteTask
from basanite._verilog_tasks import (
    ClockEdge,
    Clocking,
    ClockPort,
    CocotbTask,
    FormalCheck,
    PatternRule,
    ResetPort,
    StimulusPlan,
    StimulusVector,
    TestbenchRule,
    VerilogCompileTask,
    VerilogEquivalenceTask,
    VerilogTestbenchTask,
)

if TYPE_CHECKING:
    from basanite._client import AsyncClient
    from basanite._sync import Client

__all__ = [
    "Assurance",
    "AsyncClient",
    "AuthenticationFailed",
    "BasaniteError",
    "CapturedOutput",
    "CaseResult",
    "Checker",
    "Client",
    "ClientClosed",
    "ClockEdge",
    "ClockPort",
    "Clocking",
    "CocotbTask",
    "Comparison",
    "ConfigurationError",
    "ConnectionFailed",
    "ContractMismatch",
    "DafnyHintsTask",
    "DafnyImplementTask",
    "DafnySpecifyTask",
    "DafnyVerifyTask",
    "Diagnostic",
    "EnvironmentInfo",
    "ExtensionTask",
    "Failure",
    "FailureReason",
    "FormalCheck",
    "FunctionCase",
    "FunctionTask",
    "IsolationInfo",
    "Item",
    "ItemFormatError",
    "LeanCodeTest",
    "LeanCompleteTask",
    "LeanElaborateTask",
    "LeanStep",
    "LeanStepsTask",
    "LeanTheoremTask",
    "LeanVerifiedCodeTask",
    "Limits",
    "LocalServerFailed",
    "Outcome",
    "Part",
    "PartState",
    "PatternRule",
    "ProgramTask",
    "PythonTestCase",
    "PythonTestTask",
    "RaisedException",
    "RepositoryTask",
    "RequestLimits",
    "ResetPort",
    "Result",
    "ResultHasNoScore",
    "RewardUnavailable",
    "SecondOpinion",
    "ServerInfo",
    "Severity",
    "StdioCase",
    "StdioTask",
    "StimulusPlan",
    "StimulusVector",
    "Task",
    "TestResult",
    "TestStatus",
    "TestbenchRule",
    "TextPolicy",
    "ToolInfo",
    "UnittestSuiteTask",
    "UploadFailed",
    "Usage",
    "ValueFormatError",
    "ValuePolicy",
    "Verdict",
    "VerifierInfo",
    "VerilogCompileTask",
    "VerilogEquivalenceTask",
    "VerilogTestbenchTask",
    "WaveCycle",
    "WaveMismatch",
    "scores",
]


def __getattr__(name: str) -> Any:
    # The clients bring gRPC, set up for programs that fork (see _transport). Servers, which import the
    # contract's messages from here, need neither.
    if name == "AsyncClient":
        from basanite._client import AsyncClient

        return AsyncClient
    if name == "Client":
        from basanite._sync import Client

        return Client
    raise AttributeError(f"module 'basanite' has no attribute {name!r}")
