"""A candidate's declarations beside those of a trusted specification: what is changed, weakened, missing or in the
way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from basanite_services.dafny.declarations import Clause, Declaration, Program, texts, write
from basanite_services.dafny.guard import ATTRIBUTES
from basanite_services.dafny.tokens import Kind, Token

MAX_DIFFERENCES = 20
_SAME = ("requires", "modifies", "reads", "yield requires", "yield ensures", "yield modifies", "yield reads")
_LONGEST = 120


@dataclass(frozen=True)
class Difference:
    message: str
    token: Token | None
    """In the candidate's text."""


@dataclass(frozen=True)
class Compared:
    differences: tuple[Difference, ...]
    """At most MAX_DIFFERENCES."""
    exempt: frozenset[int]
    """Offsets in the candidate's text of attributes, and of names of declarations without a body, that the
    specification has too."""


def compare(reference: Program, candidate: Program) -> Compared:
    """Whether the candidate declares all that the specification does, as it does. Methods and lemmas may have any body,
    and so may functions that have none in the specification; further postconditions are welcome."""
    found: list[Difference] = []
    exempt: set[int] = set()
    given: dict[tuple[str, tuple[str, ...]], list[Declaration]] = {}
    for one in candidate.all():
        given.setdefault((one.base, one.path), []).append(one)
    for wanted in reference.all():
        same = given.get((wanted.base, wanted.path), [])
        if not same:
            found.append(Difference(f"{wanted.shown} is missing", None))
            continue
        place = same.pop(0)
        found += _declaration(wanted, place)
        exempt.update(_exempt(wanted, place))
    left = [one for some in given.values() for one in some]
    found += _in_the_way(reference, left)
    return Compared(tuple(found[:MAX_DIFFERENCES]), frozenset(exempt))


def _declaration(wanted: Declaration, given: Declaration) -> Iterator[Difference]:
    name = wanted.shown
    if wanted.kind != given.kind:
        yield Difference(f"{name} is a {given.kind}", given.token)
    if wanted.modifiers != given.modifiers:
        words = " ".join(sorted(wanted.modifiers ^ given.modifiers))
        yield Difference(f"{name}: the modifiers differ: {words}", given.token)
    if texts(wanted.head) != texts(given.head):
        what = "signature" if wanted.is_callable else "declaration"
        yield Difference(f"{name}: the {what} must be {_shown(wanted.head)}", given.token)
    yield from _attributes(wanted, given)
    if not wanted.is_callable:
        return
    for kind in _SAME:
        if wanted.of(kind) != given.of(kind):
            yield Difference(f"{name}: {kind} must be {_clauses(wanted, kind)}", _place(given, kind))
    missing = _missing(wanted, given)
    if missing is not None:
        yield Difference(f"{name}: it lacks ensures {_shown(missing.tokens)}", _place(given, "ensures"))
    if wanted.is_function and wanted.body is not None and texts(wanted.body) != texts(given.body or ()):
        yield Difference(f"{name}: its definition is another one", given.token)


def _attributes(wanted: Declaration, given: Declaration) -> Iterator[Difference]:
    own = [texts(one) for one in given.attributes]
    for attribute in wanted.attributes:
        if texts(attribute) not in own:
            yield Difference(f"{wanted.shown}: it lacks {_shown(attribute)}", given.token)
    theirs = [texts(one) for one in wanted.attributes]
    for attribute in given.attributes:
        if texts(attribute) not in theirs and attribute[2].text not in ATTRIBUTES:
            yield Difference(f"{wanted.shown}: {_shown(attribute)} is added", attribute[0])


def _exempt(wanted: Declaration, given: Declaration) -> Iterator[int]:
    theirs = [texts(one) for one in wanted.attributes]
    yield from (one[0].start for one in given.attributes if texts(one) in theirs)
    trusted = {one[2].text for one in wanted.attributes} & {"axiom", "extern"}
    if wanted.is_callable and wanted.body is None and trusted:
        yield given.token.start
    # An attribute inside of a clause, e.g. a trigger, of the specification's own.
    clauses = {texts(clause.tokens) for clause in wanted.clauses}
    for clause in given.clauses:
        if texts(clause.tokens) in clauses:
            yield from (token.start for token in clause.tokens if token.text == "{")
    if wanted.body is not None and given.body is not None and texts(wanted.body) == texts(given.body):
        yield from (token.start for token in given.body if token.text == "{")


def _in_the_way(reference: Program, left: Sequence[Declaration]) -> Iterator[Difference]:
    """Names that could come to stand for others in the specification."""
    words = {token.text for token in reference.source.tokens if token.kind is Kind.WORD}
    for one in left:
        for token in _declared(one):
            plain = token.text.removesuffix("?")
            if plain in words or f"{plain}?" in words:
                yield Difference(f"{one.shown}: the specification uses the name {token.text[:60]}", token)


def _declared(one: Declaration) -> Iterator[Token]:
    """Names that a declaration brings in: its own, and those of constructors and their fields."""
    if one.name:
        yield one.token
    if one.base not in ("datatype", "codatatype"):
        return
    depth, before = 0, ""
    for at, token in enumerate(one.head):
        following = one.head[at + 1].text if at + 1 < len(one.head) else ""
        if (
            token.kind is Kind.WORD
            and token.text != "ghost"
            and ((before in ("=", "|") and depth == 0) or (following == ":" and depth == 1))
        ):
            yield token
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        before = token.text


def _missing(wanted: Declaration, given: Declaration) -> Clause | None:
    """The first postcondition that is not among those given, in order."""
    left = iter(given.of("ensures"))
    clauses = (clause for clause in wanted.clauses if clause.kind == "ensures")
    return next((clause for clause in clauses if texts(clause.tokens) not in left), None)


def _place(given: Declaration, kind: str) -> Token:
    clause: Clause | None = next((one for one in given.clauses if one.kind == kind), None)
    return clause.token if clause is not None else given.token


def _clauses(wanted: Declaration, kind: str) -> str:
    found = [_shown(clause.tokens) for clause in wanted.clauses if clause.kind == kind]
    return "; ".join(found)[:_LONGEST] or "absent"


def _shown(tokens: Sequence[Token]) -> str:
    return write(tokens)[:_LONGEST] or "absent"
