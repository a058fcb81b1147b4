"""Judge the suite on a server and say what did not hold. `python run.py --help` lists the options; README.md has more.

Needs the basanite client and the standard library; the embedded server, which is the default, `basanite[server]`.
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from conformance_cases import HERE, Case, SuiteError, load, load_exceptions
from conformance_judge import LANES, Finding, Judging, embedded

from basanite import BasaniteError, Client

ALL_HOLD, NOT_ALL, USAGE, NO_SERVER = 0, 1, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """-> the exit status"""
    options = _options().parse_args(arguments)
    try:
        cases = [
            case
            for case in load(options.themes)
            if not options.only
            or any(
                fnmatch.fnmatch(name, pattern) for name in (case.theme, case.name) for pattern in options.only
            )
        ]
        excepted = load_exceptions(options.exceptions, cases) if options.exceptions else {}
    except (SuiteError, OSError, tomllib.TOMLDecodeError) as error:
        print(error, file=sys.stderr)
        return USAGE
    if options.list:
        for case in cases:
            print(f"{case.theme}: {case.name}: {case.tries}")
        return ALL_HOLD
    began = time.monotonic()
    chosen = [case for case in cases if case not in excepted]
    try:
        with connect(options) as client:
            isolation = client.describe().isolation
            print(f"{client.address}: {isolation.runtime} runtime, {isolation.profile} profile")
            findings = Judging(client, options.lanes)(chosen)
    except (BasaniteError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return NO_SERVER
    print(table(cases, excepted, findings))
    for case, reason in excepted.items():
        print(f"not judged: {case.theme}: {case.name}: {reason}")
    for finding in findings:
        print(f"DID NOT HOLD: {finding}")
    print(f"{len(chosen)} cases in {time.monotonic() - began:.0f} s, {len(findings)} findings")
    return NOT_ALL if findings else ALL_HOLD


def connect(options: argparse.Namespace) -> Client:
    """The server that was asked for, or one of our own. Raises BasaniteError, OSError."""
    if options.address:
        token = options.token_file.read_text().strip() if options.token_file else None
        return Client(options.address, token=token, tls=options.tls, tls_ca=options.tls_ca)
    return embedded(options.lanes, options.environments)


def table(cases: Sequence[Case], excepted: dict[Case, str], findings: Sequence[Finding]) -> str:
    """A line a theme: cases, judged, held."""
    all_, not_judged = Counter(case.theme for case in cases), Counter(case.theme for case in excepted)
    broken = Counter(case.theme for case in {finding.case for finding in findings})
    lines = [f"{'theme':24} {'cases':>6} {'judged':>6} {'held':>6}"]
    for theme, count in all_.items():
        judged = count - not_judged[theme]
        lines.append(f"{theme:24} {count:6} {judged:6} {judged - broken[theme]:6}")
    return "\n".join(lines)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py", description=__doc__)
    add = parser.add_argument
    add("--address", help='a running server, "host:port" or "unix:/path"; default: one of our own')
    add("--token-file", type=Path, help="file that holds the token")
    add("--tls", action="store_true", help="connect by TLS")
    add("--tls-ca", type=Path, help="PEM file of the certificates to trust")
    add("--environments", type=Path, help="environments_dir of our own server; holds the folder numpy")
    add("--lanes", type=int, default=LANES, help=f"cases judged at one time (default {LANES})")
    add("--themes", type=Path, default=HERE / "themes", help="folder of the cases (default: ours)")
    add("--exceptions", type=Path, help="TOML file of cases that need not hold, each with its reason")
    add("--only", action="append", help="judge the themes and cases that match this pattern; may be repeated")
    add("--list", action="store_true", help="list the cases instead")
    return parser


if __name__ == "__main__":
    sys.exit(main())
