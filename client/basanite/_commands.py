"""What each command takes, and which exit status it ends with."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

from basanite._errors import BasaniteError, ConfigurationError, LocalServerFailed

if TYPE_CHECKING:
    from basanite._sync import Client  # it loads gRPC, which `serve` must not have done yet

EXIT_NOT_ALL = 1
"""Something was judged otherwise than it should be, or not judged at all."""
EXIT_USAGE = 2
"""What was asked for makes no sense, or lacks a package."""
EXIT_NO_SERVER = 3
"""There is no server, or it does not answer."""
EXIT_INTERRUPTED = 128 + signal.SIGINT

_PLAIN_WIDTH, _PLAIN_HEIGHT = 120, 25  # of what goes to a file or pipe

app = typer.Typer(
    name="basanite",
    help="Trusted rewards: run what a model wrote in a sandbox, and judge it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_verilog = typer.Typer(help="About tasks of the kind verilog.", no_args_is_help=True)
app.add_typer(_verilog, name="verilog")
_env = typer.Typer(help="Environments: packages and images in which items are judged.", no_args_is_help=True)
app.add_typer(_env, name="env")
_Directory = Annotated[
    Path | None,
    typer.Option(
        "--environments-dir",
        envvar="BASANITE_ENVIRONMENTS_DIR",
        help="Where environments are kept. By default where `basanite serve` looks for them.",
        file_okay=False,
    ),
]
_Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        envvar="BASANITE_ADDRESS",
        help='A running server: "host:port" or "unix:/path". Without it, one is started here.',
    ),
]


@app.command()
def demo(address: _Address = None) -> None:
    """Judge a thousand programs, right and wrong and cheating ones, and show what came of it."""
    from basanite.demo import run_demo

    with _connected(address) as client:
        raise typer.Exit(0 if run_demo(client, _console()) else EXIT_NOT_ALL)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def serve(context: typer.Context) -> None:
    """Serve every verifier that works on this machine (`basanite serve --help` lists the settings)."""
    try:
        import basanite_services.before_grpc  # noqa: F401  first
        from basanite_services.chassis.main import run
    except ModuleNotFoundError as error:
        _stop(
            f"serving needs more packages ({error.name} is missing): pip install 'basanite[server]'",
            EXIT_USAGE,
        )
    raise typer.Exit(run(None, context.args))


@app.command()
def verify(
    file: Annotated[
        Path,
        typer.Argument(help="Items, one JSON object a line (docs/items.md).", exists=True, dir_okay=False),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Results, one JSON object a line.", dir_okay=False)
    ],
    address: _Address = None,
) -> None:
    """Judge the items of a file. Run again after a stop, it goes on where it stopped.

    Exit status: 0 if every item has a verdict, 1 if some could not be judged, 2 for bad usage, 3 without a server.
    """
    from basanite._verify_file import FileVerification, UnusableFile

    try:
        verification = FileVerification(file, output)
    except (OSError, UnusableFile) as error:
        _stop(str(error), EXIT_USAGE)
    with _connected(address) as client:
        try:
            judged = verification.run(client, _console(stderr=True))
        except OSError as error:  # the disk is full
            _stop(f"{output}: {error}", EXIT_NOT_ALL)
        raise typer.Exit(0 if judged else EXIT_NOT_ALL)


@_verilog.command("audit")
def audit_command(
    file: Annotated[
        Path,
        typer.Argument(help="Items, one JSON object a line (docs/items.md).", exists=True, dir_okay=False),
    ],
    mutants: Annotated[int, typer.Option(min=0, help="At most so many of each task.")] = 20,
    seed: Annotated[int, typer.Option(help="Which mutants are drawn.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a task, a line each.")] = False,
    address: _Address = None,
) -> None:
    """Say what the checks of Verilog tasks are worth: which wrong designs pass, made from the good one.

    Exit status: 0 if all checks pass the good design and no design that does nothing, 1 if not, 2 for bad usage, 3
    without a server.
    """
    from basanite._audit_file import UnusableTasks, read_tasks, show, to_json
    from basanite._progress import progress
    from basanite.verilog import audit

    try:
        items = read_tasks(file)
    except (OSError, UnusableTasks) as error:
        _stop(str(error), EXIT_USAGE)
    with _connected(address) as client:
        with progress(_console(stderr=True), "judged", None) as advance:
            audits = audit(client, items, mutants=mutants, seed=seed, on_progress=advance)
        if as_json:
            for audited in audits:
                typer.echo(to_json(audited))
        else:
            show(audits, _console())
        raise typer.Exit(0 if all(audited.sound for audited in audits) else EXIT_NOT_ALL)


@_env.command("build")
def env_build(
    name: Annotated[str, typer.Argument(help="What items call it.")],
    lock: Annotated[Path, typer.Argument(help='Requirements, all pinned: "numpy==2.1.3".', dir_okay=False)],
    directory: _Directory = None,
) -> None:
    """Install the packages of a lock into an environment of their own. Servers find it when they start.

    Exit status: 0 if it is there, 2 if it cannot be made.
    """
    with _environments() as made:
        from basanite_services.environments.build import build_environment, describe

        path, is_new = build_environment(directory or made, name, lock)
        typer.echo(f"{'made' if is_new else 'there already:'} {describe(path)}")


@_env.command("import")
def env_import(
    name: Annotated[str, typer.Argument(help="What items call it.")],
    archive: Annotated[Path, typer.Argument(help="What `docker export CONTAINER` wrote.", dir_okay=False)],
    python: Annotated[str, typer.Option(help="Path of its interpreter; by default it is looked for.")] = "",
    directory: _Directory = None,
) -> None:
    """Make an environment of an exported container image, its own interpreter included, for items of kind unittest.

    Exit status: 0 if it was made, 2 if it cannot be.
    """
    with _environments() as made:
        from basanite_services.chassis.settings import load_settings
        from basanite_services.environments.image import import_image

        owner = load_settings([]).sandbox_uid_base - 1 if os.geteuid() == 0 else None
        path, found = import_image(directory or made, name, archive, python, owner)
        typer.echo(f"made {path.name}: an image whose interpreter is {found}")


@_env.command("list")
def env_list(directory: _Directory = None) -> None:
    """Say which environments there are."""
    with _environments() as made:
        from basanite_services.chassis.environments import load_environments

        place = directory or made
        for found in load_environments(place if place.is_dir() else None).values():
            what = f"an image with {found.python}" if found.root is not None else ", ".join(found.packages)
            typer.echo(
                f"{found.name or '(default)'}: {what or 'the standard library'} (sha256 {found.digest[:16]}..)"
            )


@contextlib.contextmanager
def _environments() -> Iterator[Path]:
    """Where they are kept by default, and one clear line instead of a traceback."""
    try:
        from basanite_services.chassis.environments import BadEnvironment, default_directory
    except ModuleNotFoundError as error:
        _stop(
            f"environments need more packages ({error.name} is missing): pip install 'basanite[server]'",
            EXIT_USAGE,
        )
    try:
        yield default_directory()
    except BadEnvironment as error:
        _stop(str(error), EXIT_USAGE)
    except OSError as error:
        _stop(f"{error.filename}: {error.strerror}", EXIT_USAGE)


@app.command()
def doctor() -> None:
    """Say what this machine can do, and what to do about what it cannot."""
    try:
        from basanite._doctor import show_doctor

        works = show_doctor(_console())
    except ModuleNotFoundError as error:
        _stop(
            f"the doctor needs more packages ({error.name} is missing): pip install 'basanite[server]'",
            EXIT_USAGE,
        )
    except KeyboardInterrupt:
        _stop("interrupted", EXIT_INTERRUPTED)
    raise typer.Exit(0 if works else EXIT_NOT_ALL)


@contextlib.contextmanager
def _connected(address: str | None) -> Iterator[Client]:
    """A client, and one clear line instead of a traceback where there is no server."""
    # As orderly as Ctrl-C: the server is stopped, and its directory goes.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        from basanite._sync import Client

        with Client(address) if address else Client.local() as client:
            yield client
    except ConfigurationError as error:
        _stop(str(error), EXIT_USAGE)
    except LocalServerFailed as error:
        _stop(f"{error}\n`basanite doctor` says what this machine lacks.", EXIT_NO_SERVER)
    except BasaniteError as error:
        _stop(str(error), EXIT_NO_SERVER)
    except KeyboardInterrupt:
        _stop("interrupted", EXIT_INTERRUPTED)


def _console(stderr: bool = False) -> Console:
    console = Console(stderr=stderr)
    if console.is_terminal or "COLUMNS" in os.environ:
        return console
    return Console(stderr=stderr, width=_PLAIN_WIDTH, height=_PLAIN_HEIGHT)


def _stop(message: str, status: int) -> NoReturn:
    typer.echo(f"basanite: {message}", err=True)
    raise typer.Exit(status)
