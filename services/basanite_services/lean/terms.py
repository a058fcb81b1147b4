"""Names, universe levels and expressions, each kept once: two that are equal have one number, whatever file they are
of.

What the kernel does not look at is left out: names and kinds of binders, annotations.
"""

from __future__ import annotations

from typing import Final, TypeAlias

Component: TypeAlias = str | int
Term: TypeAlias = tuple[object, ...]

ANONYMOUS: Final = 0
_ESCAPED = frozenset("«»")


class Terms:
    """Tables; a number is an index. Of names 0 is the anonymous one."""

    def __init__(self) -> None:
        self.names: list[tuple[int, Component]] = [(0, "")]
        """Prefix and last component."""
        self._name_numbers: dict[tuple[int, Component], int] = {}
        self.levels: list[Term] = []
        """("zero",), ("succ", level), ("max" or "imax", level, level), ("param", name), ("mvar", name)"""
        self._level_numbers: dict[Term, int] = {}
        self.expressions: list[Term] = []
        """("bvar", index), ("sort", level), ("const", name, levels), ("app", function, argument), ("lam" or "pi", type,
        body), ("let", type, value, body), ("nat", number), ("str", text), ("proj", structure's name, index, value), and
        ("fvar" or "mvar", name), which no finished declaration holds"""
        self._expression_numbers: dict[Term, int] = {}

    def name(self, prefix: int, last: Component) -> int:
        key = (prefix, last)
        found = self._name_numbers.get(key)
        if found is None:
            found = self._name_numbers[key] = len(self.names)
            self.names.append(key)
        return found

    def name_of(self, components: tuple[Component, ...]) -> int:
        number = ANONYMOUS
        for component in components:
            number = self.name(number, component)
        return number

    def level(self, term: Term) -> int:
        found = self._level_numbers.get(term)
        if found is None:
            found = self._level_numbers[term] = len(self.levels)
            self.levels.append(term)
        return found

    def expression(self, term: Term) -> int:
        found = self._expression_numbers.get(term)
        if found is None:
            found = self._expression_numbers[term] = len(self.expressions)
            self.expressions.append(term)
        return found

    def components(self, name: int) -> tuple[Component, ...]:
        found: list[Component] = []
        while name != ANONYMOUS:
            name, last = self.names[name]
            found.append(last)
        return tuple(reversed(found))

    def shown(self, name: int) -> str:
        """As Lean prints it, about."""
        return shown(self.components(name)) or "[anonymous]"


def children(term: Term) -> tuple[int, ...]:
    """Numbers of the expressions that an expression is made of."""
    kind = term[0]
    if kind in ("app", "lam", "pi", "let"):
        return term[1:]  # type: ignore[return-value]
    return (term[3],) if kind == "proj" else ()  # type: ignore[return-value]


def shown(name: tuple[Component, ...]) -> str:
    return ".".join(map(_shown, name))


def _shown(component: Component) -> str:
    if isinstance(component, int):
        return str(component)
    plain = component.replace("_", "a").replace("'", "a").replace("!", "a").replace("?", "a")
    return component if plain.isidentifier() and not _ESCAPED & {*component} else f"«{component}»"


def read_name(text: str) -> tuple[Component, ...]:
    """The components of a name as people write it, e.g. `Nat.add_comm` or `«a b».c`. Raises ValueError."""
    parts: list[Component] = []
    at = 0
    while True:
        if text[at : at + 1] == "«":
            end = text.find("»", at)
            if end < 0:
                raise ValueError("« without »")
            part, at = text[at + 1 : end], end + 1
        else:
            end = text.find(".", at)
            end = len(text) if end < 0 else end
            part, at = text[at:end], end
            if "»" in part or "«" in part or any(letter.isspace() for letter in part):
                raise ValueError("a space, « or » inside of a part")
        if not part:
            raise ValueError("an empty part")
        parts.append(part)
        if at == len(text):
            return tuple(parts)
        if text[at] != ".":
            raise ValueError("no . between parts")
        at += 1
