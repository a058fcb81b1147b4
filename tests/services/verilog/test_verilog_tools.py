"""A machine that lacks a tool: what asks for it cannot be judged, and is told what to install; all else is judged."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

import pytest
from verilog_judge import Judge, cocotb, compiling, equivalence, outcome

from basanite.v1 import tasks_pb2
from basanite_sandboxes.cocotb import find_cocotb
from basanite_sandboxes.doctor import examine
from basanite_sandboxes.icarus import find_icarus
from basanite_sandboxes.verilator import find_verilator
from basanite_sandboxes.yosys import find_yosys
from basanite_services.chassis.verifier import ToolchainError
from basanite_services.verilog.verifier import VerilogVerifier

XOR = "module top(input a, input b, output y); assign y = a ^ b; endmodule"
TEST = "import cocotb\n\n@cocotb.test()\nasync def there(dut):\n    assert dut.y\n"
FINDERS = (find_icarus, find_cocotb, find_yosys, find_verilator)


@pytest.fixture(autouse=True)
def _looked_for_again(judge: Judge) -> Iterator[None]:
    yield
    for find in FINDERS:
        find.cache_clear()  # type: ignore[attr-defined]


def nothing_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def tools() -> dict[str, str]:
    return dict(VerilogVerifier().toolchain(None))  # type: ignore[arg-type]


def test_without_yosys_only_proofs_cannot_be_had(
    judge: Judge, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    find_icarus()
    find_yosys.cache_clear()
    nothing_is_installed(monkeypatch, tmp_path)
    with pytest.raises(ToolchainError, match="install the package yosys"):
        judge(equivalence(XOR, XOR, "top", formal=tasks_pb2.FormalCheck()))
    assert outcome(judge(equivalence(XOR, XOR, "top"))) == "PASSED"
    assert "yosys" not in tools()


def test_without_verilator_only_its_linter_cannot_be_asked(
    judge: Judge, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    find_icarus()
    find_verilator.cache_clear()
    nothing_is_installed(monkeypatch, tmp_path)
    with pytest.raises(ToolchainError, match="install the package verilator"):
        judge(compiling(XOR, "top", verilator=True))
    assert outcome(judge(compiling(XOR, "top", lint=True))) == "PASSED"
    assert "verilator" not in tools()


def test_without_cocotb_only_its_tests_cannot_be_run(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> importlib.metadata.Distribution:
        raise importlib.metadata.PackageNotFoundError(name)

    find_cocotb.cache_clear()
    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    with pytest.raises(ToolchainError, match="pip install"):
        judge(cocotb(XOR, TEST, ["there"]))
    assert outcome(judge(equivalence(XOR, XOR, "top"))) == "PASSED"
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1")  # pyslang's
    assert "cocotb" not in tools()


def test_without_icarus_nothing_is_served(
    judge: Judge, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    find_icarus.cache_clear()
    nothing_is_installed(monkeypatch, tmp_path)
    with pytest.raises(ToolchainError, match="install the package iverilog"):
        tools()


def test_the_tools_of_the_verifier_are_named_with_their_versions(
    judge: Judge, yosys: None, verilator: None
) -> None:
    found = tools()
    assert found["iverilog"] == find_icarus().version
    assert found["yosys"] == find_yosys().version
    assert found["verilator"] == find_verilator().version
    assert found["cocotb"] == importlib.metadata.version("cocotb")


def test_the_doctor_names_what_is_there_and_what_to_install(
    judge: Judge, yosys: None, verilator: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    names = ("iverilog", "cocotb", "yosys", "verilator")
    assert [check.works for check in examine() if check.name in names] == [True] * 4
    for find in FINDERS:
        find.cache_clear()  # type: ignore[attr-defined]
    nothing_is_installed(monkeypatch, tmp_path)
    lacking = {check.name: check for check in examine() if check.name in names}
    assert not any(check.works for check in lacking.values())
    assert "apt-get install yosys" in lacking["yosys"].remedy
    assert "apt-get install verilator" in lacking["verilator"].remedy
    assert "apt-get install iverilog" in lacking["iverilog"].remedy
