"""The suite's data: themes/*.toml, read and made into items. README.md says what a case is."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from basanite import (
    Checker,
    Comparison,
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
    values,
)

HERE = Path(__file__).parent
LOSE, PASS = "lose", "pass"
KINDS = {"cheat": LOSE, "masking": LOSE, "oddity": PASS}
"""What a theme is made of, and what its cases must do."""


class SuiteError(Exception):
    """A data file is not as it must be; the message names file and case."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One candidate, what it attempts, and what must come of it."""

    name: str
    tries: str
    theme: str
    kind: str
    form: str
    source: str
    task: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    environment: str = ""
    needs: tuple[str, ...] = ()
    """What the sandbox must have for the case to make sense: proc, pid-namespace, .."""
    once: bool = False
    """It runs into a limit of time, or is dear to judge: judged in one way only."""

    @property
    def must(self) -> str:
        return KINDS[self.kind]

    def items(self) -> dict[str, Item]:
        """The item of each way in which the case is judged."""
        task = FORMS[self.form](self)
        tasks = {"as one": task}
        if isinstance(task, StdioTask) and len(task.cases) > 1:
            # A single case runs another way than several.
            tasks["alone"] = replace(task, cases=task.cases[:1])
        if isinstance(task, StdioTask) and len(task.cases) == 1:
            tasks["twice"] = replace(task, cases=[*task.cases, *task.cases])
        if isinstance(task, FunctionTask):
            tasks["apart"] = replace(task, fresh_process=True)
        if self.once:
            tasks = {"as one": task}
        return {
            way: Item(each, limits=Limits(**self.limits), environment=self.environment, cache=False)
            for way, each in tasks.items()
        }


def load(folder: Path = HERE / "themes") -> list[Case]:
    """Every case of the folder's files. Raises SuiteError."""
    cases = [case for path in sorted(folder.glob("*.toml")) for case in load_theme(path)]
    names = [case.name for case in cases]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SuiteError(f"names that are not unique: {twice}")
    return cases


def load_theme(path: Path) -> Iterator[Case]:
    """The cases of one file. Raises SuiteError."""
    theme = tomllib.loads(path.read_text())
    if theme["kind"] not in KINDS or theme["must"] != KINDS[theme["kind"]]:
        raise SuiteError(f"{path.name}: kind and must do not fit")
    for table in theme["case"]:
        where = f"{path.name}, {table.get('name')!r}"
        table = {**theme.get("common", {}).get(table.get("form"), {}), **table}
        own = table.pop("task", {})
        before = table.pop("before", "")
        known = {name: table.pop(name) for name in list(table) if name in _FIELDS}
        if table.keys() & own.keys():
            table = {name: value for name, value in table.items() if name not in own}
        try:
            case = Case(
                **{
                    **known,
                    "needs": tuple(known.get("needs", ())),
                    "source": before + _text(known["source"]),
                },
                theme=path.stem,
                kind=theme["kind"],
                task=table | own,
            )
            case.items()
        except (KeyError, TypeError, ValueError) as error:
            raise SuiteError(f"{where}: {type(error).__name__}: {error}") from error
        yield case


def load_exceptions(path: Path, cases: Sequence[Case]) -> dict[Case, str]:
    """The cases that a file excepts, with its reasons. Raises SuiteError for one without a reason or a case."""
    excepted: dict[Case, str] = {}
    for entry in tomllib.loads(path.read_text()).get("exception", []):
        if set(entry) not in ({"case", "reason"}, {"needs", "reason"}) or not entry["reason"].strip():
            raise SuiteError(f"{path}: an exception has case or needs, and a reason: {entry}")
        named = [
            case
            for case in cases
            if case.name == entry.get("case") or entry.get("needs") in (*case.needs, case.environment or "-")
        ]
        if not named:
            raise SuiteError(f"{path}: no case is meant by {entry}")
        excepted |= dict.fromkeys(named, entry["reason"])
    return excepted


_FIELDS = {"name", "tries", "form", "source", "limits", "environment", "needs", "once"}


def _text(value: Any) -> Any:
    """A text or bytes: as it stands, or the value of a Python expression, {python = ".."}."""
    if not isinstance(value, dict):
        return value
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return eval(value["python"])
    finally:
        sys.set_int_max_str_digits(limit)


def _data(value: Any) -> Any:
    """A value: tagged JSON, or the value of a Python expression."""
    return _text(value) if isinstance(value, dict) else values.loads(value)


def _comparison(value: Any) -> Any:
    return Comparison(**value) if isinstance(value, dict) else value


def _cases(case: Case) -> list[dict[str, Any]]:
    return list(_text(case.task["cases"]))


def _rest(case: Case) -> dict[str, Any]:
    rest = {name: value for name, value in case.task.items() if name != "cases"}
    if "comparison" in rest:
        rest["comparison"] = _comparison(rest["comparison"])
    if "checker" in rest:
        rest["checker"] = Checker(**rest["checker"])
    return rest


def _stdio(case: Case) -> Task:
    cases = [StdioCase(**{name: _text(value) for name, value in one.items()}) for one in _cases(case)]
    # Of what runs into a limit, the first case says enough; else the others show what one case leaves to the next.
    stop = case.once and case.must == LOSE
    return StdioTask(case.source, cases, stop_on_first_failure=stop, **_rest(case))


def _function(case: Case) -> Task:
    written = isinstance(case.task["cases"], list)
    cases = []
    for one in _cases(case):
        made = dict(one)
        for name in ("args", "kwargs", "expected", "expected_args_after"):
            if name in made and written:
                made[name] = _data(made[name])
        if "comparison" in made:
            made["comparison"] = _comparison(made["comparison"])
        cases.append(FunctionCase(**made))
    return FunctionTask(case.source, cases=cases, **_rest(case))


def _program(case: Case) -> Task:
    return ProgramTask(case.source, **{name: _text(value) for name, value in case.task.items()})


def _python_test(case: Case) -> Task:
    rest = {name: value for name, value in case.task.items() if name != "cases"}
    return PythonTestTask(case.source, [PythonTestCase(tests) for tests in case.task["cases"]], **rest)


FORMS: dict[str, Callable[[Case], Task]] = {
    "stdio": _stdio,
    "function": _function,
    "program": _program,
    "python_test": _python_test,
}
"""How a case of each form becomes a task."""
