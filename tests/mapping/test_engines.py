"""What is refused when a template is defined."""

import pytest

from app.errors import MappingFailed
from app.mapping.engines import check_template
from app.mapping.evaluated import Evaluator
from app.model.column import Template


@pytest.fixture
async def refusal():
    """Why a program is refused, or None."""
    evaluator = Evaluator(processes=1)

    async def refusal_of(program):
        try:
            await check_template(Template(program), evaluator)
        except MappingFailed as failure:
            return str(failure)
        return None

    yield refusal_of
    await evaluator.close()


IMPORTS = {
    "import 'x'": "1:1-11",
    "importstr '/etc/passwd'": "1:1-24",
    'importbin @"/etc/passwd"': "1:1-25",
    "if false then\n  import 'x' else 1": "2:3-13",
    "'é' + [import 'a', import 'b']": "1:9-19",
    "import/**/ 'x'": "1:1-15",
    "import\n\t'x'": "(1:1)-(2:5)",
    f"{'[' * 90}import 'x'{']' * 90}": "1:91-101",
    "std.parseYaml('a') + import 'x'": "1:22-32",
    "local f() = import 'x'; 1": "1:13-23",
}


async def test_imports_are_refused_with_their_place(refusal):
    assert {program: await refusal(program) for program in IMPORTS} == {
        program: f"{place} imports are not enabled" for program, place in IMPORTS.items()
    }


async def test_what_only_looks_like_an_import_is_taken(refusal):
    for program in ("'import \"x\"'", "{ imports: 1, 'import': 2 }", "1 // import 'x'", "Body('import')", "std + {}"):
        assert await refusal(program) is None, program


async def test_errors_of_syntax_are_those_of_the_interpreter(refusal):
    assert await refusal("(import 'x'))") == '1:13 did not expect: ")"'
    assert await refusal("import |||\n  x\n|||") == "(1:8)-(3:4) Cannot use text blocks in import statements."
    assert (await refusal("import 1 + 2")).startswith("1:8-")
    assert await refusal("{ import: 1 }") is not None
    assert await refusal("std.parseYaml(nobody)") == "1:15-21 Unknown variable: nobody"
