"""A verdict on a Dafny program, from client to result, beside bare `dafny /compile:0` on the same file, without any
sandbox or check."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

from basanite import Client, DafnyImplementTask, DafnyVerifyTask, Item
from basanite_sandboxes.dafny import find_dafny
from bench.measure import Cost, Server
from bench.verdicts import Contender, bare, measure_rounds, ours

BARE = {
    "one method": "bare dafny, one method",
    "one method of a specification": "bare dafny, one method",
    "a sort": "bare dafny, a sort",
}
"""What each is measured by."""
CONCURRENCY = (1, 4, 8)
_UNITS = 12
_numbers = itertools.count()
_WANTED = "method Abs(x: int) returns (y: int)\n  ensures x >= 0 ==> y == x\n  ensures x < 0 ==> y == -x\n"
_ONE = _WANTED + "{ y := if x < 0 then -x else x; }\n"
_SORT = """method Sort(a: array<int>)
  modifies a
  ensures forall i, j :: 0 <= i < j < a.Length ==> a[i] <= a[j]
  ensures multiset(a[..]) == multiset(old(a[..]))
{
  var n := 0;
  while n < a.Length
    invariant 0 <= n <= a.Length
    invariant forall i, j :: 0 <= i < j < a.Length && i < n ==> a[i] <= a[j]
    invariant multiset(a[..]) == multiset(old(a[..]))
  {
    var m, k := n, n + 1;
    while k < a.Length
      invariant n <= m < a.Length && n < k <= a.Length
      invariant forall i :: n <= i < k ==> a[m] <= a[i]
    {
      if a[k] < a[m] { m := k; }
      k := k + 1;
    }
    a[n], a[m] := a[m], a[n];
    n := n + 1;
  }
}
"""


def program_verdicts(server: Server, client: Client, rounds: int, concurrency: int) -> dict[str, Cost]:
    """By name."""
    with tempfile.TemporaryDirectory(prefix="basanite-bench-") as directory:
        contenders: dict[str, Contender] = {
            "bare dafny, one method": _bare(Path(directory, "one.dfy"), _ONE, concurrency),
            "one method": ours(server, client, lambda: _verify(_ONE), concurrency, _UNITS),
            "one method of a specification": ours(server, client, _implement, concurrency, _UNITS),
            "bare dafny, a sort": _bare(Path(directory, "sort.dfy"), _SORT, concurrency),
            "a sort": ours(server, client, lambda: _verify(_SORT), concurrency, _UNITS),
        }
        return measure_rounds(contenders, rounds)


def _bare(path: Path, text: str, concurrency: int) -> Contender:
    path.write_text(text)
    command = ["dafny", "/compile:0", "/timeLimit:600", f"/z3exe:{find_dafny().z3}", str(path)]
    return bare(command, concurrency, _UNITS)


def _verify(text: str) -> Item:
    return Item(DafnyVerifyTask(f"{text}// {next(_numbers)}\n"))


def _implement() -> Item:
    return Item(DafnyImplementTask(f"{_ONE}// {next(_numbers)}\n", _WANTED))
