"""The suite on a server of our own, and the suite itself: its counts, its rules, and whether its data are true.

BASANITE_REQUIRE=sandbox (a comma-separated list) makes the absence of a sandbox a failure instead of a skip.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from conformance_cases import FORMS, HERE, PASS, SuiteError, load, load_exceptions
from conformance_judge import LANES, Judging, embedded

from basanite import Client, LocalServerFailed, StdioTask

CASES = load()
THEMES = sorted({case.theme for case in CASES})
EXCEPTIONS = load_exceptions(HERE / "exceptions" / "full.toml", CASES)
AT_LEAST = {"cheat": 380, "masking": 78, "oddity": 271}
"""How many cases there are. More are welcome; none gets lost."""
NEEDS = {"proc", "pid-namespace", "filter", "unix-sockets", "shared-memory", "stdin-file", "x86-64"}
"""README.md says what each means."""


@pytest.fixture(scope="module")
def environments() -> Iterator[Path]:
    """A folder with the environment numpy."""
    # Not below pytest's own directory: that is closed to the users that sandboxes run as.
    with tempfile.TemporaryDirectory(prefix="basanite-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "--target", folder / "numpy", "numpy>=1.26"], check=True, timeout=300)
        yield folder


@pytest.fixture(scope="module")
def client(environments: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("BASANITE_")]:
            patch.delenv(name)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        try:
            made = embedded(LANES, environments)
        except LocalServerFailed as error:
            required = "sandbox" in os.environ.get("BASANITE_REQUIRE", "").split(",")
            (pytest.fail if required else pytest.skip)(f"no server: {error}")
        with made:
            yield made


@pytest.mark.timeout(600)
@pytest.mark.parametrize("theme", THEMES)
def test_a_theme_holds(client: Client, theme: str) -> None:
    """Cheats score nothing, are never masked and hurt nobody; honest programs pass."""
    chosen = [case for case in CASES if case.theme == theme and case not in EXCEPTIONS]
    assert [str(finding) for finding in Judging(client, LANES)(chosen)] == []


def test_there_are_enough() -> None:
    counts = Counter(case.kind for case in CASES)
    assert {kind for kind, least in AT_LEAST.items() if counts[kind] < least} == set(), counts


def test_every_case_says_what_it_is() -> None:
    for case in CASES:
        assert case.tries[0].islower(), case.name
        assert case.tries[-1] != ".", case.name
        assert set(case.needs) <= NEEDS, case.name
        assert case.form in FORMS, case.name


def test_no_cheat_knows_the_answer() -> None:
    assert [case.name for case in CASES if "quartz-91c3-secret" in case.source] == []


SURROUNDINGS = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
}
HONEST_PROGRAMS = [
    case
    for case in CASES
    if case.must == PASS
    and case.form == "stdio"
    and not case.environment
    # Not what asks for the sandbox itself.
    and "filter" not in case.needs
    and case.name != "what it is found in, as a program"
]


@pytest.mark.parametrize("theme", sorted({case.theme for case in HONEST_PROGRAMS}))
def test_honest_programs_print_the_same_without_a_sandbox(theme: str, tmp_path: Path) -> None:
    """Else their passing would prove nothing."""
    for number, case in enumerate(case for case in HONEST_PROGRAMS if case.theme == theme):
        task = case.items()["as one"].task
        assert isinstance(task, StdioTask)
        for turn, one in enumerate(task.cases):
            got, status = run_bare(case.source, as_bytes(one.stdin), tmp_path / f"{number}-{turn}")
            wanted = as_bytes(one.expected)
            if task.comparison != "exact":
                got, wanted = (
                    b"\n".join(map(bytes.rstrip, text.rstrip().split(b"\n"))) for text in (got, wanted)
                )
            assert (case.name, got, status) == (case.name, wanted, 0)


def run_bare(source: str, stdin: bytes, folder: Path) -> tuple[bytes, int]:
    """-> standard output and exit status of the same interpreter on its own"""
    (folder / "run").mkdir(parents=True)
    (folder / "run" / "main.py").write_bytes(source.encode())
    (folder / "stdin").write_bytes(stdin)
    with (folder / "stdin").open("rb") as reads, (folder / "stdout").open("wb") as prints:
        process = subprocess.Popen(
            [getattr(sys, "_base_executable", sys.executable), "-s", "main.py"],
            stdin=reads,
            stdout=prints,
            stderr=subprocess.DEVNULL,
            cwd=folder / "run",
            env=SURROUNDINGS,
            start_new_session=True,
        )
        try:
            status = process.wait(60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what it left behind
            process.wait()
    return (folder / "stdout").read_bytes(), status


def as_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


# The rules of exceptions ---------------------------------------------------------------------------------------


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", sorted((HERE / "exceptions").glob("*.toml")), ids=lambda path: path.stem)
def test_our_own_exceptions_are_in_order(path: Path) -> None:
    assert load_exceptions(path, CASES)


def test_an_exception_names_a_case_or_what_cases_need(tmp_path: Path) -> None:
    path = write(
        tmp_path / "some.toml",
        '[[exception]]\nneeds = "proc"\nreason = "no /proc"\n'
        '[[exception]]\ncase = "sleeps"\nreason = "never sleeps"\n'
        '[[exception]]\nneeds = "numpy"\nreason = "no numpy"\n',
    )
    excepted = load_exceptions(path, CASES)
    wanted = {
        case.name
        for case in CASES
        if "proc" in case.needs or case.name == "sleeps" or case.environment == "numpy"
    }
    assert {case.name for case in excepted} == wanted
    assert set(excepted.values()) == {"no /proc", "never sleeps", "no numpy"}


@pytest.mark.parametrize(
    "text",
    [
        '[[exception]]\ncase = "sleeps"\n',
        '[[exception]]\ncase = "sleeps"\nreason = " "\n',
        '[[exception]]\ncase = "no such case"\nreason = "why"\n',
        '[[exception]]\nneeds = "no such thing"\nreason = "why"\n',
        '[[exception]]\nreason = "why"\n',
    ],
)
def test_an_exception_without_a_reason_or_a_case_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SuiteError):
        load_exceptions(write(tmp_path / "some.toml", text), CASES)


# The runner ----------------------------------------------------------------------------------------------------

SOLVED = """
title = "A cheat that is none"
about = "It knows the answer."
kind = "cheat"
must = "lose"

[[case]]
name = "right"
tries = "prints what is expected"
form = "stdio"
source = "print(input())"
[case.task]
cases = [{ stdin = "1", expected = "1" }]

[[case]]
name = "wrong"
tries = "prints something else"
form = "stdio"
source = "print(0)"
[case.task]
cases = [{ stdin = "1", expected = "1" }]
"""


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", HERE / "run.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_the_runner_names_what_did_not_hold(client: Client, tmp_path: Path) -> None:
    write(tmp_path / "solved.toml", SOLVED)
    done = run("--address", client.address, "--themes", tmp_path)
    assert done.returncode == 1, done.stderr
    assert "DID NOT HOLD: solved: right (as one): it scored 1.0" in done.stdout
    assert "wrong" not in done.stdout
    assert run("--address", client.address, "--themes", tmp_path, "--only", "wrong").returncode == 0
    excepting = write(tmp_path / "except", '[[exception]]\ncase = "right"\nreason = "it is right"\n')
    done = run("--address", client.address, "--themes", tmp_path, "--exceptions", excepting)
    assert done.returncode == 0, done.stdout
    assert "not judged: solved: right: it is right" in done.stdout


def test_the_runner_says_what_is_wrong_with_its_arguments(tmp_path: Path) -> None:
    write(tmp_path / "broken.toml", SOLVED.replace('form = "stdio"', 'form = "nothing"', 1))
    done = run("--themes", tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "broken.toml, 'right'" in done.stderr
    done = run("--address", f"unix:{tmp_path}/nobody", "--only", "sleeps")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1), done.stderr


def test_the_runner_lists_the_cases() -> None:
    lines = run("--list").stdout.splitlines()
    assert len(lines) == len(CASES)
    assert "processes: sleeps: sleeps for days" in lines
