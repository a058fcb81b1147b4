"""What a verifier is: one small class. Everything else (queue, cache, deadlines, metrics) is the chassis'."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from basanite.v1 import result_pb2
from basanite_sandboxes.spec import Environment, Limits, Sandbox, SandboxPool

if TYPE_CHECKING:
    from basanite_services.chassis.settings import Settings
    from basanite_services.chassis.snapshots import SnapshotStore

TaskT = TypeVar("TaskT")


class ItemError(Exception):
    """Ends an item with a Failure that is about the item. Raised by verifiers, caught by the chassis."""


class InvalidItem(ItemError):
    """The item breaks a rule of the contract.

    `field` is the path inside the item ("code.stdio.cases[2].weight"), `rule` what it must satisfy
    ("must be 1 to 1000000").
    """

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field} {rule}")
        self.field = field
        self.rule = rule


class TaskFault(ItemError):
    """The trusted part of the task (reference, checker, testbench) does not work."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class ToolchainError(Exception):
    """A tool is missing or does not work: a Failure with reason TOOLCHAIN."""


class Overloaded(Exception):
    """The machine was too busy to judge, also when asked again: a Failure with reason OVERLOADED."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a verifier may need for one item, and nothing else."""

    limits: Limits
    """Effective limits: the item's, completed by the verifier's defaults, checked against the ceiling."""
    environment: Environment
    lend: Callable[[Environment], AbstractAsyncContextManager[Sandbox]]
    seed: Callable[[bytes], bytes]
    """From the trusted part of the task to 32 bytes that are the same for all its candidates and on all replicas, and
    that nobody outside can know. They must not get into a verdict. For verifiers that are `seeded`."""
    snapshots: SnapshotStore | None = None
    """Repositories that were uploaded."""

    def sandbox(self) -> AbstractAsyncContextManager[Sandbox]:
        """Wait for a sandbox with the item's environment. May be called any number of times, one after
        another."""
        return self.lend(self.environment)


class Verifier(ABC, Generic[TaskT]):
    """Judges one kind of task. Instances are shared by all items: keep no state of an item in them."""

    kind: ClassVar[str]
    """The name of the task's field in Item.task."""
    forms: ClassVar[tuple[str, ...]]
    languages: ClassVar[tuple[str, ...]] = ()
    seeded: ClassVar[bool] = False
    """Whether verdicts depend on Context.seed, and so on the server's secret."""
    takes_images: ClassVar[bool] = False
    """Whether environments that are images can be asked for."""
    default_limits: ClassVar[Limits]
    max_limits: ClassVar[Limits]

    def configure(self, settings: Settings) -> None:
        """Take what is about this kind. Called once, before `toolchain`."""

    @abstractmethod
    def toolchain(self, pool: SandboxPool) -> tuple[tuple[str, str], ...]:
        """(name, version) of every tool that decides verdicts. Part of every digest and cache key.

        Raises ToolchainError, naming what to install, if a tool is missing. Called once, at start.
        """

    @abstractmethod
    async def verify(self, task: TaskT, context: Context) -> result_pb2.Verdict:
        """Judge one task.

        Raises InvalidItem, TaskFault, ToolchainError or Overloaded; SandboxError passes through. Anything
        else becomes a Failure with reason INTERNAL. Usage of the whole item is summed from the Verdict's
        cases by the chassis.
        """
