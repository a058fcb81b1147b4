"""In a real stock container: Docker's default filter and capabilities, no option. Isolation is reduced, and the suites
of the sandbox and of the code verifier hold all the same.

Uses the Docker daemon that runs, else starts one and stops it. BASANITE_REQUIRE=docker makes a missing one a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import e2e_command as command
import pytest

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]

IMAGE = "basanite-test"
DOCKERFILE = """
FROM debian:bookworm-slim
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends \\
    python3 python3-venv bubblewrap gcc libc6-dev >/dev/null
COPY wheels /wheels
RUN python3 -m venv /venv && /venv/bin/pip install --quiet --no-index --find-links /wheels \\
    'basanite[server,cli]' pytest pytest-timeout hypothesis \\
  && /venv/bin/pip install --quiet --no-index --find-links /wheels --target /environments/numpy numpy
COPY tests /source/tests
COPY pyproject.toml /source/
WORKDIR /source
ENV PATH=/venv/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1
"""
PYTHON_OF_THE_IMAGE = "3.11"
TESTED = ("pytest", "pytest-timeout", "hypothesis")
_PROC = "reads /proc, which is not there"
_FIRST = "pid 1 would survive that"
_MEMORY = "tells a MemoryError of the limit from one of the program, which takes a memory cgroup"
NOT_IN_A_STOCK_CONTAINER = {
    "test_code_python_test_tasks.py::test_nothing_of_the_tests_is_in_the_candidates_process": _PROC,
    "test_code_python_test_tasks.py::test_limits[__import__('os').kill(0, 9)": _FIRST,
    "test_code_python_test_tasks.py::test_limits[return 'x' * (1 << 30)": _MEMORY,
    "test_code_function.py::test_a_process_that_dies_lets_the_next_cases_run": _MEMORY,
    "test_code_function.py::test_outcome_is_that_of_the_first_case_that_did_not_pass": _MEMORY,
    "test_code_program.py::test_no_ending_has_a_score[x = bytearray": _MEMORY,
    "test_code_stdio.py::test_endings[import os; os.kill(os.getpid(), 9)]": _FIRST,
    "test_code_stdio.py::test_each_case_is_a_fresh_process": "process ids are those of the container",
}
"""Tests of the code verifier, and why."""
CODE = "tests/services/code"


def unavailable(reason: str) -> None:
    if "docker" in os.environ.get("BASANITE_REQUIRE", "").split(","):
        pytest.fail(f"{reason} (BASANITE_REQUIRE asks for docker)")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def daemon() -> Iterator[dict[str, str]]:
    """The environment in which `docker` reaches a daemon."""
    if shutil.which("docker") is None:
        unavailable("docker is missing")
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0:
        yield dict(os.environ)
        return
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        unavailable("no Docker daemon runs, and none can be started")
    with tempfile.TemporaryDirectory(prefix="basanite-docker-", ignore_cleanup_errors=True) as directory:
        environment = {**os.environ, "DOCKER_HOST": f"unix://{directory}/socket"}
        arguments = [
            *("dockerd", "--host", environment["DOCKER_HOST"], "--pidfile", f"{directory}/pid"),
            *("--data-root", f"{directory}/data", "--exec-root", f"{directory}/exec"),
            # No network of its own: it would change the firewall of this machine.
            *("--bridge", "none", "--iptables=false", "--ip6tables=false"),
        ]
        with (
            open(f"{directory}/log", "wb") as log,
            subprocess.Popen(arguments, stdout=log, stderr=log, start_new_session=True) as process,
        ):
            try:
                _wait_until_it_answers(process, environment, Path(directory, "log"))
                yield environment
            finally:
                process.terminate()
                process.wait(60)


def _wait_until_it_answers(process: subprocess.Popen[bytes], environment: dict[str, str], log: Path) -> None:
    end = time.monotonic() + 60
    while (
        subprocess.run(["docker", "info"], capture_output=True, env=environment, check=False).returncode != 0
    ):
        if process.poll() is not None or time.monotonic() > end:
            unavailable(f"the Docker daemon does not start: {log.read_text()[-500:]}")
        time.sleep(0.1)


def run(*arguments: object, environment: dict[str, str], cwd: Path | None = None) -> str:
    done = subprocess.run(
        list(map(str, arguments)), env=environment, cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    return done.stdout


@pytest.fixture(scope="module")
def image(daemon: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of `docker`, once the image is there."""
    context = tmp_path_factory.mktemp("image")
    wheels = context / "wheels"
    pip = (sys.executable, "-m", "pip")
    run(*pip, "wheel", "--quiet", "--no-deps", "-w", wheels, command.ROOT, environment=daemon, cwd=context)
    (wheel,) = wheels.glob("basanite-*.whl")
    # Outside: the container needs neither this machine's index nor its certificates.
    run(
        *(*pip, "download", "--quiet", "--dest", wheels, "--only-binary", ":all:"),
        *("--python-version", PYTHON_OF_THE_IMAGE, f"{wheel}[server,cli]", *TESTED, "numpy"),
        environment=daemon,
        cwd=context,
    )
    shutil.copytree(command.ROOT / "tests", context / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(command.ROOT / "pyproject.toml", context)
    (context / "Dockerfile").write_text(DOCKERFILE)
    run(command.ROOT / "tools" / "docker_base.sh", environment=daemon)
    run("docker", "build", "--quiet", "--network", "host", "-t", IMAGE, context, environment=daemon)
    yield daemon
    run("docker", "image", "rm", "--force", IMAGE, environment=daemon)


def contained(environment: dict[str, str], *arguments: str, options: tuple[str, ...] = ()) -> tuple[int, str]:
    """-> exit status and what a command said in a new container, which has no option but these"""
    done = subprocess.run(
        # The host's network, since the daemon may have none to give.
        ["docker", "run", "--rm", "--network", "host", *options, IMAGE, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


FULL = ("--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined")


def test_doctor_says_that_isolation_is_reduced_and_what_would_help(image: dict[str, str]) -> None:
    status, said = contained(image, "basanite", "doctor")
    words = " ".join(said.split())
    assert status == 0, said
    assert "process runtime, reduced profile; namespaces none" in words
    assert " ".join(FULL[:1]) in words


def test_the_options_that_are_named_give_full_isolation(image: dict[str, str]) -> None:
    options = (*FULL, "--security-opt", "apparmor=unconfined")
    status, said = contained(image, "basanite", "doctor", options=options)
    assert status == 0, said
    assert "process runtime, full profile" in " ".join(said.split())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--env", "BASANITE_ISOLATION=full"), "--security-opt seccomp=unconfined"),
        (("--cap-drop", "SETUID"), "docker run --user 0 --cap-add SETUID; in Kubernetes"),
        (("--user", "1000"), "runAsUser: 0"),
    ],
    ids=["full is demanded", "no SETUID", "no root"],
)
def test_a_server_refuses_and_names_the_option(
    image: dict[str, str], options: tuple[str, ...], named: str
) -> None:
    serve = ("basanite", "serve", "--listen", "unix:/tmp/socket")
    status, said = contained(image, *serve, options=options)
    assert status == 4, said
    assert named in said


def test_no_new_privileges_changes_nothing(image: dict[str, str]) -> None:
    status, said = contained(image, "basanite", "doctor", options=("--security-opt", "no-new-privileges"))
    assert status == 0, said


@pytest.mark.parametrize(
    "suite",
    [
        ("tests/sandbox", "-k", "reduced"),
        (CODE, *(f"--deselect={CODE}/{name}" for name in NOT_IN_A_STOCK_CONTAINER)),
    ],
    ids=["sandbox", "code"],
)
def test_the_suite_holds(image: dict[str, str], suite: tuple[str, ...]) -> None:
    options = ("--env", "BASANITE_REQUIRE=sandbox")
    status, said = contained(
        image,
        "python",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-m",
        "not full",
        *suite,
        options=options,
    )
    assert status == 0, said[-10_000:]
    assert " passed" in said


def test_the_conformance_suite_holds(image: dict[str, str]) -> None:
    arguments = ("--environments", "/environments", "--exceptions", "exceptions/reduced.toml")
    status, said = contained(
        image, "sh", "-c", f"cd tests/conformance && python run.py {' '.join(arguments)}"
    )
    assert status == 0, said[-10_000:]
    assert "reduced profile" in said
