"""Whatever JSON a body holds, `Body()` gives it back with the same meaning, to the last digit."""

import json
import random
from decimal import Decimal

import pytest

from app.errors import MappingFailed
from app.mapping.evaluated import Evaluator
from app.model.column import Template

SEED = 20240229


def number(chance):
    digits = "".join(chance.choices("0123456789", k=chance.choice([1, 3, 16, 17, 30])))
    text = chance.choice(["", "-"]) + (digits.lstrip("0") or "0")
    if chance.random() < 0.5:
        text += "." + "".join(chance.choices("0123456789", k=chance.choice([1, 2, 17, 25])))
    if chance.random() < 0.2:
        text += chance.choice("eE") + chance.choice(["", "+", "-"]) + str(chance.randrange(400))
    return text


def text(chance):
    return json.dumps(
        "".join(chance.choices('abc"\\/ <>&\x00\x01\n\x7f\x85é\u2028\ufdd0😀1.5', k=chance.randrange(12))),
        ensure_ascii=chance.random() < 0.5,
    )


def document(chance, depth=0):
    kind = chance.randrange(6 if depth < 4 else 4)
    if kind < 2:
        return number(chance)
    if kind == 2:
        return text(chance)
    if kind == 3:
        return chance.choice(["true", "false", "null"])
    members = [document(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind == 4:
        return f"[{','.join(members)}]"
    return "{" + ", ".join(f"{text(chance)} : {member}" for member in members) + "}"


def exact(json_text):
    return json.loads(json_text, parse_int=Decimal, parse_float=Decimal)


@pytest.mark.parametrize("program", ["Body()", "[Body()][0]", "Body('nothing.here', Body())"])
async def test_a_body_passes_through(arrived, program):
    chance = random.Random(SEED)
    bodies = [document(chance) for _ in range(400)]
    evaluator = Evaluator(processes=1)
    results = await evaluator.evaluate([Template(program)], [arrived(body) for body in bodies])
    await evaluator.close()
    for body, result in zip(bodies, results, strict=True):
        assert not isinstance(result, MappingFailed), body
        assert exact(result[0]) == exact(body)
