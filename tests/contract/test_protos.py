"""What comments promise, every message and RPC keeps: they are the reference."""

import re
from pathlib import Path

import pytest

from basanite.v1 import result_pb2, tasks_pb2, verifier_pb2

PROTOS = sorted((Path(__file__).parents[2] / "proto" / "basanite" / "v1").glob("*.proto"))


@pytest.mark.parametrize("path", PROTOS, ids=lambda path: path.name)
def test_every_rpc_lists_its_status_codes(path: Path) -> None:
    text = path.read_text()
    for comment, name in re.findall(r"((?:  //.*\n)+)  rpc (\w+)", text):
        assert "Status codes:" in comment, f"{path.name}: {name}"


@pytest.mark.parametrize("path", PROTOS, ids=lambda path: path.name)
def test_durations_and_sizes_carry_their_unit(path: Path) -> None:
    for name in re.findall(r"(?:double|int64) (\w+) =", path.read_text()):
        if re.search(r"(time|duration|size|memory|latency|timeout)", name):
            assert name.endswith(("_seconds", "_bytes")), f"{path.name}: {name}"


def test_a_kind_is_the_name_of_its_field() -> None:
    fields = verifier_pb2.Item.DESCRIPTOR.oneofs_by_name["task"].fields
    assert {field.name: field.message_type.name for field in fields} == {
        "code": "CodeTask",
        "unittest": "UnittestTask",
        "verilog": "VerilogTask",
        "lean": "LeanTask",
        "dafny": "DafnyTask",
        "extension": "ExtensionTask",
    }


def test_a_result_is_a_verdict_or_a_failure() -> None:
    assert [field.name for field in result_pb2.Result.DESCRIPTOR.oneofs_by_name["outcome"].fields] == [
        "verdict",
        "failure",
    ]


def test_a_score_can_be_absent() -> None:
    assert result_pb2.Verdict.DESCRIPTOR.fields_by_name["score"].has_presence


def test_no_failure_has_a_score() -> None:
    assert "score" not in result_pb2.Failure.DESCRIPTOR.fields_by_name


def test_zero_of_every_enum_is_unspecified() -> None:
    for module in (verifier_pb2, result_pb2, tasks_pb2):
        for enum in module.DESCRIPTOR.enum_types_by_name.values():
            assert enum.values_by_number[0].name.endswith("_UNSPECIFIED")
