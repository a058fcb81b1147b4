"""Preconditions that nothing satisfies: Dafny is asked to prove false from each."""

from __future__ import annotations

from basanite_services.dafny.declarations import Declaration, Program, texts, write

_MARK = "basanite_vacuous"


def mark_for(program: Program, word: str = _MARK) -> str:
    """A beginning of names that the program has nowhere."""
    words = {token.text for token in program.source.tokens}
    number = 0
    while any(one.startswith(f"{word}{number}_") for one in words):
        number += 1
    return f"{word}{number}_"


def with_probes(program: Program, mark: str) -> tuple[str, dict[str, Declaration]]:
    """The program with a lemma for each declaration with preconditions, which proves false from them. -> (text, what
    each lemma is about, by its name)."""
    probes: dict[str, Declaration] = {}
    inserted: list[tuple[int, str]] = []
    for container, members in _containers(program):
        lines = []
        for one in members:
            if not _is_probed(one):
                continue
            name = f"{mark}{len(probes)}"
            probes[name] = one
            requires = " ".join(
                f"requires ({write(clause.tokens)})" for clause in one.clauses if clause.kind == "requires"
            )
            static = "static " if "static" in one.modifiers else ""
            lines.append(f" {static}lemma {name}{_parameters(one)} {requires} ensures false {{ }}")
        if lines:
            end = container.tokens[-1].start if container is not None else len(program.source.text)
            inserted.append((end, "\n" * (container is None) + "".join(lines) + " "))
    text = program.source.text
    for at, lemma in sorted(inserted, reverse=True):
        text = text[:at] + lemma + text[at:]
    return text, probes


def _containers(program: Program) -> list[tuple[Declaration | None, tuple[Declaration, ...]]]:
    inner = [(one, one.members) for one in program.all() if one.members]
    return [(None, program.declarations), *inner]


def _is_probed(one: Declaration) -> bool:
    """A lemma that proves false is one by contradiction: its preconditions are meant to contradict each other."""
    if not one.is_callable or not one.name or one.kind.startswith("twostate") or one.base == "iterator":
        return False
    if one.base == "constructor" or not one.of("requires"):
        return False
    return ("false",) not in one.of("ensures")


def _parameters(one: Declaration) -> str:
    """Type parameters and parameters, without results."""
    depth, end = 0, 0
    for at, token in enumerate(one.head):
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if token.text == ")" and depth == 0:
            end = at + 1
            break
    kept = [token for token in one.head[:end] if token.text not in ("ghost", "nameonly", "older")]
    return write(kept) if texts(kept) else "()"
