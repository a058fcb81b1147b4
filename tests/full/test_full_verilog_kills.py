"""Verilog designs of all forms are judged truly while the server's own processes, warm tools among them, are killed."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import e2e_command as command
import pytest
from e2e_fixtures import serving
from e2e_kills import Killer, tally
from google.protobuf import json_format

from basanite import Client, Item, Outcome
from basanite.v1 import result_pb2, verifier_pb2
from basanite_services.chassis.selftest import examples_directory, load_examples
from basanite_services.verilog.verifier import VerilogVerifier

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]
VERILOG = (sys.executable, "-m", "basanite_services.verilog")
ITEMS = 600
MEAN_SECONDS = 0.3


def make_items(count: int, chance: random.Random) -> list[tuple[Item, Outcome]]:
    """The service's examples, of all forms, each text made another one."""
    folders = load_examples(examples_directory(VerilogVerifier), VerilogVerifier.kind)
    examples = [example for folder in folders.values() for example in folder]
    made = []
    for number in range(count):
        example = chance.choice(examples)
        message = verifier_pb2.Item()
        message.CopyFrom(example.item)
        message.id, message.require_assurance = f"{number}", result_pb2.ASSURANCE_GUARDED
        message.verilog.files[0].content += f"\n// {number} of {count}\n"
        item = Item.from_json(json_format.MessageToJson(message, preserving_proto_field_name=True))
        made.append((item, Outcome[result_pb2.Outcome.Name(example.outcome).removeprefix("OUTCOME_")]))
    return made


def test_designs_of_all_forms_are_judged_truly_while_processes_are_killed(
    doctor: str, verilog_tools: None, folder: Path
) -> None:
    made, calm = make_items(ITEMS, random.Random(21)), make_items(60, random.Random(22))
    with serving("--cells", "2", service=VERILOG) as (address, server), Client(address) as client:
        assert not tally(calm, client.verify_batch([item for item, _ in calm])).wrong
        with Killer(server, MEAN_SECONDS, seed=23) as killer:
            results = client.verify_batch([item for item, _ in made])
        found = tally(made, results)
        print(f"\n{ITEMS} designs, {killer.killed.total()} kills: {dict(killer.killed)}")
        print(f"Failures: {dict(found.failures)}")
        assert not found.wrong, "\n".join(found.wrong)
        assert found.failures.total() <= ITEMS // 50
        again = make_items(61, random.Random(24))
        assert not tally(again, client.verify_batch([item for item, _ in again])).wrong
        processes = command.descendants(server)
        command.assert_gone(killer.seen - processes)
    command.assert_gone(processes)
    assert not list((folder / "tmp").iterdir())
