"""Trusted rewards for reinforcement learning, by running what a model wrote in sandboxes.

from basanite import Client, Item, StdioCase, StdioTask, scores

with Client.local() as client:
    results = client.verify_batch([Item(StdioTask("print(input())", [StdioCase("1", "1")]))])
rewards = scores(results)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    ValueFormatError,
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
    Usage,
    Verdict,
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
    "Comparison",
    "ConfigurationError",
    "ConnectionFailed",
    "ContractMismatch",
    "Diagnostic",
    "EnvironmentInfo",
    "ExtensionTask",
    "Failure",
    "FailureReason",
    "FunctionCase",
    "FunctionTask",
    "IsolationInfo",
    "Item",
    "ItemFormatError",
    "Limits",
    "LocalServerFailed",
    "Outcome",
    "Part",
    "PartState",
    "ProgramTask",
    "PythonTestCase",
    "PythonTestTask",
    "RaisedException",
    "RequestLimits",
    "Result",
    "ResultHasNoScore",
    "RewardUnavailable",
    "ServerInfo",
    "Severity",
    "StdioCase",
    "StdioTask",
    "Task",
    "TextPolicy",
    "ToolInfo",
    "Usage",
    "ValueFormatError",
    "ValuePolicy",
    "Verdict",
    "VerifierInfo",
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
