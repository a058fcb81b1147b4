"""Compiled files that Lean has not written: nothing of them verifies, and reading them has one error and one cost."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from lean_compiled import compiled, recheck, toolchain

from basanite.v1 import result_pb2
from basanite_sandboxes.lean import Lean
from basanite_services.lean.check import STANDARD
from basanite_services.lean.compare import Comparison
from basanite_services.lean.examine import Challenge, Examined, read_challenge
from basanite_services.lean.index import Index, Reader, write_index
from basanite_services.lean.module import Constant, Module, read_module
from basanite_services.lean.olean import LAYOUTS, Image, OleanError
from basanite_services.lean.reach import Dependencies
from basanite_services.lean.replay import answer, declarations
from basanite_services.lean.terms import Terms

FALSE = "theorem t : (1 : Nat) = 2 := sorry\n"
SOLUTION = """
theorem u : (1 : Nat) = 2 := sorry
theorem t : (1 : Nat) = 1 := rfl
inductive Tree where
  | leaf : Tree
  | node (l r : Tree) : Tree
def size : Tree → Nat
  | .leaf => 1
  | .node l r => Nat.add (size l) (size r)
theorem text : "abc" = "abc" := rfl
theorem large : Nat.succ 99999999999999999999999999 = 100000000000000000000000000 := rfl
"""
PASSES = result_pb2.OUTCOME_COMPLETED


@pytest.fixture(scope="module")
def index(lean: Lean, tmp_path_factory: pytest.TempPathFactory) -> Index:
    path = tmp_path_factory.mktemp("index") / "index"
    reader = Reader([lean.core], LAYOUTS[lean.release], (lean.version, lean.commit))
    write_index(path, reader.axioms(reader.imported([("Init",)])))
    return Index(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="module")
def solution(lean: Lean, folder: Path) -> bytes:
    return compiled(lean, folder, SOLUTION)


@pytest.fixture(scope="module")
def challenge(lean: Lean, folder: Path, index: Index) -> Challenge:
    return read_challenge(toolchain(lean), compiled(lean, folder, FALSE), ["t"], index, "field")


def objects(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Offset, size, fields and tag of what may be an object that is a constructor."""
    for at in range(96, len(data) - 8, 8):
        _, size, fields, tag = struct.unpack_from("<iHBB", data, at)
        if tag <= 12 and 8 + 8 * fields <= size <= 96 and size % 8 == 0:
            yield at, size, fields, tag


def pointer_to(data: bytes, at: int) -> bytes:
    (base,) = struct.unpack_from("<Q", data, 80)
    return struct.pack("<Q", base + at)


def type_of(data: bytes, lean: Lean, name: str) -> int:
    """Where the pointer to a constant's type lies: in an object of a name, parameters and a type."""
    image = Image([data], LAYOUTS[lean.release], (lean.version, lean.commit))
    (base,) = struct.unpack_from("<Q", data, 80)
    _, root, _ = image.constructor(image.root)
    for pointer in image.array(root[2]):
        _, (inner,), _ = image.constructor(pointer)
        _, fields, _ = image.constructor(inner)
        _, (name_at, _, _), _ = image.constructor(fields[0])
        if not name_at & 1 and image.string(image.constructor(name_at)[1][1]) == name:
            return fields[0] - base + 8 + 16
    raise AssertionError(name)


def judged(lean: Lean, challenge: Challenge, data: bytes, index: Index) -> bool:
    """Whether the target verifies, the kernel asked as well."""
    examined = Examined(toolchain(lean), challenge, data, index, STANDARD)
    if examined.findings[0].outcome != PASSES:
        return False
    asked = examined.declarations([0])
    return not answer(recheck(lean, asked.text).stdout, asked.lines)


def test_a_proof_of_something_else_under_the_asked_type_is_for_the_kernel(
    lean: Lean, challenge: Challenge, solution: bytes, index: Index
) -> None:
    """What a solution could write whose code runs while it is elaborated."""
    forged = bytearray(solution)
    asked = type_of(solution, lean, "u")
    at = type_of(solution, lean, "t")
    forged[at : at + 8] = solution[asked : asked + 8]
    examined = Examined(toolchain(lean), challenge, bytes(forged), index, STANDARD)
    assert examined.findings[0].outcome == PASSES  # type and axioms are as they must be
    asked_of_kernel = examined.declarations([0])
    said = answer(recheck(lean, asked_of_kernel.text).stdout, asked_of_kernel.lines)
    assert said.startswith("the kernel rejects t")


def test_a_constant_of_the_core_cannot_be_declared_again(
    lean: Lean, challenge: Challenge, solution: bytes, index: Index
) -> None:
    forged = solution.replace(b"\x04\0\0\0\0\0\0\0size\0", b"\x04\0\0\0\0\0\0\0Bool\0")
    assert forged != solution
    (finding,) = Examined(toolchain(lean), challenge, forged, index, STANDARD).findings
    assert finding.outcome == result_pb2.OUTCOME_FORBIDDEN
    assert "Bool" in finding.message


@pytest.mark.parametrize(
    "data", [b"", b"olean", b"olean\2" + bytes(200), b"x" * 5000, b"{}", b"olean\2\1" + b"\xff" * 5000]
)
def test_what_is_no_compiled_file_is_forbidden(
    lean: Lean, challenge: Challenge, index: Index, data: bytes
) -> None:
    (finding,) = Examined(toolchain(lean), challenge, data, index, STANDARD).findings
    assert finding.outcome == result_pb2.OUTCOME_FORBIDDEN


def test_a_file_of_another_lean_is_forbidden(
    lean: Lean, challenge: Challenge, solution: bytes, index: Index
) -> None:
    forged = solution.replace(lean.commit.encode(), b"0" * 40)
    (finding,) = Examined(toolchain(lean), challenge, forged, index, STANDARD).findings
    assert "another Lean" in finding.message


@pytest.mark.parametrize("cut", [1, 8, 100, 1000, 5000])
def test_a_file_that_is_not_whole_is_an_error(lean: Lean, solution: bytes, cut: int) -> None:
    with pytest.raises(OleanError):
        read(lean, solution[:-cut])


def read(lean: Lean, data: bytes) -> Module:
    return read_module(Image([data], LAYOUTS[lean.release], (lean.version, lean.commit)), Terms())


def test_changed_bytes_have_one_error_and_never_verify(
    lean: Lean, challenge: Challenge, solution: bytes, index: Index
) -> None:
    draw = random.Random(7)
    errors = 0
    for _ in range(1_500):
        forged = bytearray(solution)
        for _ in range(draw.choice((1, 1, 2, 8))):
            at = draw.randrange(88, len(forged))
            forged[at] = draw.choice((0, 1, 0xFF, draw.randrange(256), forged[at] ^ 1 << draw.randrange(8)))
        try:
            read(lean, bytes(forged))
        except OleanError:
            errors += 1
        assert not judged(lean, challenge, bytes(forged), index)
    assert errors > 300


def test_exchanged_pointers_have_one_error_and_never_verify(
    lean: Lean, challenge: Challenge, solution: bytes, index: Index
) -> None:
    draw = random.Random(8)
    places = [at + 8 + 8 * number for at, _, fields, _ in objects(solution) for number in range(fields)]
    targets = [at for at, _, _, _ in objects(solution)]
    asked = 0
    for _ in range(1_500):
        forged = bytearray(solution)
        for _ in range(draw.choice((1, 2, 4))):
            at = draw.choice(places)
            forged[at : at + 8] = draw.choice(
                (pointer_to(solution, draw.choice(targets)), struct.pack("<Q", draw.randrange(1, 9, 2)))
            )
        asked += (
            Examined(toolchain(lean), challenge, bytes(forged), index, STANDARD).findings[0].outcome == PASSES
        )
        assert not judged(lean, challenge, bytes(forged), index)
    assert asked < 1_500


def made(lean: Lean, words: list[int]) -> bytes:
    """A file of these words, the first of which is the root."""
    head = b"olean\2\1" + lean.version.encode().ljust(33, b"\0") + lean.commit.encode()
    return head + struct.pack("<Q", 0) + struct.pack(f"<{len(words)}Q", *words)


def word(size: int, fields: int, tag: int) -> int:
    return size << 32 | fields << 48 | tag << 56


def test_terms_that_are_part_of_themselves_are_an_error(lean: Lean) -> None:
    # root: imports, names, constants, more names, entries; one array; a constant; an expression that is itself
    at = 96
    names = at + 8 * 6
    array = names
    data = made(
        lean,
        [
            at,
            word(56, 5, 0), array, array, array, array, array, 0,
            word(32, 0, 246), 1, 1, array,
        ],
    )  # fmt: skip
    with pytest.raises(OleanError):
        read(lean, data)


@pytest.mark.parametrize("kind", ["arrays", "strings", "applications", "lists"])
def test_a_megabyte_that_is_made_to_take_long_is_refused(lean: Lean, kind: str) -> None:
    """Each byte of a file is read once, or it is an error: without that these would take minutes."""
    many = 1 << 17
    words = [96, word(56, 5, 0), *[160] * 5, 0]
    match kind:
        case "arrays":  # each says that all of the file is its own
            words += [word(32, 0, 246), many // 2, many // 2, *([word(32, 0, 246)] * many)]
        case "strings":
            words += [word(32, 0, 246), 1000, 1000, *([word(32, 0, 249)] * many)]
        case "applications":
            words += [word(32, 0, 246), 1, 1, 192, *([word(24, 2, 5), 192, 192] * (many // 3))]
        case _:
            words += [word(32, 0, 246), 1, 1, 192, *([word(24, 2, 1), 192, 192] * (many // 3))]
    with pytest.raises(OleanError):
        read(lean, made(lean, words))


def test_all_that_a_file_declares_is_accepted_by_the_kernel_again(lean: Lean, folder: Path) -> None:
    data = compiled(lean, folder, SOLUTION.replace("theorem u : (1 : Nat) = 2 := sorry\n", ""))
    terms = Terms()
    module = read_module(Image([data], LAYOUTS[lean.release], (lean.version, lean.commit)), terms)
    safe = [name for name, constant in module.constants.items() if not constant.safety]
    text, lines = declarations(terms, Dependencies(terms, module.constants).reach(safe).groups)
    done = recheck(lean, text)
    assert done.returncode == 0, done.stderr
    assert not answer(done.stdout, [terms.shown(name) for name in lines])


def test_the_parts_that_a_file_of_the_module_system_is_compiled_to_are_one(lean: Lean, folder: Path) -> None:
    text = """module
prelude
set_option genCtorIdx false
set_option genSizeOf false
set_option genInjectivity false
public inductive T : Type where
  | a
public theorem shown (p : T -> Prop) (h : p T.a) : p T.a := h
theorem hidden (p : T -> Prop) (h : p T.a) : p T.a := shown p h
"""
    compiled(lean, folder, text, "Parts")
    parts = [(folder / f"Parts.olean{end}").read_bytes() for end in ("", ".server", ".private")]
    terms = Terms()
    image = Image(parts, LAYOUTS[lean.release], (lean.version, lean.commit))
    shown = {terms.shown(name) for name in read_module(image, terms).constants}
    assert {"T", "T.a", "T.rec", "shown", "_private.Parts.0.hidden"} <= shown


def module_of(*constants: Constant) -> Module:
    return Module((), {constant.name: constant for constant in constants}, frozenset())


def test_no_name_stands_for_what_lean_has_made_up() -> None:
    """Constants that are made up are compared by meaning: a constant of another meaning is none of them, whatever its
    name."""
    terms = Terms()
    made_up, target = terms.name_of(("helper", "_proof_1")), terms.name_of(("t",))

    def number(name: int, value: int) -> Constant:
        return Constant(
            name, "definition", (), terms.expression(("bvar", 0)), terms.expression(("nat", value))
        )

    def theorem(about: int) -> Constant:
        return Constant(
            target, "theorem", (), terms.expression(("const", about, ())), terms.expression(("bvar", 1))
        )

    asked = module_of(number(made_up, 1), theorem(made_up))
    other = terms.name_of(("other", "_proof_7"))
    same = module_of(number(other, 1), theorem(other))
    assert not Comparison(terms, asked, same, [target]).difference(target)
    for components in (("other", "_proof_7"), ("made up", 0), ("helper", "_proof_2"), ("plain",)):
        name = terms.name_of(components)
        forged = module_of(number(name, 2), theorem(name))
        assert Comparison(terms, asked, forged, [target]).difference(target)


@pytest.mark.parametrize("place", ["name", "index"])
def test_numbers_that_are_no_numerals_are_small(lean: Lean, place: str) -> None:
    """A long one has more digits than Python prints, or Lean counts to."""
    large = [word(32, 0, 250), 1 << 32 | 1, 96 + 8 * 14, 1 << 63]
    at = 96 + 8 * 11
    words = [96, word(56, 5, 0), *[96 + 8 * 8] * 5, 0, word(32, 0, 246), 1, 1, at]
    words += [word(24, 2, 2), 1, at + 24, *large] if place == "name" else [word(16, 1, 0), at + 16, *large]
    with pytest.raises(OleanError):
        read(lean, made(lean, words))
