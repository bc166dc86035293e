"""Programs by dice: mostly of the right types, so that most of them have a value; sometimes not."""

import random
import re
from pathlib import Path

_HOLE = re.compile(r"<(\w+)>")

_HEAD = "== "


def _read_grammar(text: str) -> dict[str, list[str]]:
    """Kinds of expressions, each with its alternatives, one a line; `<kind>` stands for an expression."""
    grammar: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith(_HEAD):
            alternatives = grammar[line.removeprefix(_HEAD)] = []
        else:
            alternatives.append(line)
    return grammar


GRAMMAR = _read_grammar((Path(__file__).parent / "grammar.txt").read_text())
_LEAVES = {kind: [text for text in texts if "<" not in text] or ["0"] for kind, texts in GRAMMAR.items()}
_LEAVES["function1"] = ["(function(x) x)", "std.abs"]
_WRONG = 0.01


class Writer:
    """Writes programs."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._left = 0

    def program(self) -> str:
        """One, of a limited size."""
        self._left = self._dice.choice([2, 4, 8, 16, 24])
        kind = self._dice.choice(["number", "string", "boolean", "numbers", "strings", "object", "array", "any", "any"])
        names: list[tuple[str, str]] = []
        binds = []
        for at in range(self._dice.choice([0, 0, 0, 1, 2])):
            of = self._dice.choice(["number", "string", "object", "array", "numbers", "any", "function1"])
            binds.append(f"local v{at} = {self._expression(of, names)}; ")
            names.append((f"v{at}", of))
        return "".join(binds) + self._expression(kind, names)

    def _expression(self, kind: str, names: list[tuple[str, str]]) -> str:
        self._left -= 1
        dice = self._dice
        if dice.random() < _WRONG and kind not in {"digits", "indent", "path", "slice", "format"}:
            kind = dice.choice(["any", "string", "number", "object", "array"])
        known = [name for name, of in names if of == kind]
        if known and dice.random() < 0.4:
            return dice.choice(known)
        texts = GRAMMAR[kind] if self._left > 0 else _LEAVES[kind]
        return _HOLE.sub(lambda hole: self._filled(hole[1], names), dice.choice(texts))

    def _filled(self, kind: str, names: list[tuple[str, str]]) -> str:
        text = self._expression(kind, names)
        return f"({text})" if " " in text and kind not in {"digits", "indent", "path", "slice", "format"} else text


def events(dice: random.Random, count: int) -> list[list[str]]:
    """JSON bodies that programs may find something in, and some that are something else."""
    return [_event(dice) for _ in range(count)]


def _event(dice: random.Random) -> list[str]:
    number = dice.choice(["0", "1", "-3", "2.5", "1e3", "0.25", "100", "7"])
    text = dice.choice(["x", "", "a,b", "Ann", "äß😀", "\\u0001\\u007f", "12", "aXb", " t "])
    if dice.random() < 0.1:
        return ["application/x-www-form-urlencoded", f"a={number}&s=x&names=a&names=b&i=5"]
    if dice.random() < 0.05:
        return ["text/plain", "x"]
    many = ",".join(dice.choices(["1", "2", "3", "0.5", "-1", "40"], k=dice.randrange(5)))
    names = ",".join(dice.choices(['"a"', '"b"', '"zz"', '""'], k=dice.randrange(4)))
    mixed = '[1,"b",{"c":[true,null]}]'
    deep = f'{{"n":{number},"s":"{text}","list":[[],[{many}]]}}'
    body = f'{{"a":{number},"i":{dice.randrange(-9, 99)},"s":"{text}","n":null,"list":[{many}],"names":[{names}],'
    body += f'"o":{{"z":{number},"n":{dice.randrange(9)},"s":"{text}"}},"mixed":{mixed},"deep":{deep}}}'
    return ["application/json", body]
