from pathlib import Path

from app.web.buffer.routes import ROUTES
from tests.fuzz.run import fuzz

EXAMPLES, SEED = 3, 1
ENDLESS = ("FollowTail",)  # answers that nothing but the client ends


async def test_no_answer_is_outside_the_document(tmp_path: Path) -> None:
    fine, said = await fuzz(tmp_path, examples=EXAMPLES, seed=SEED)
    assert fine, said
    assert f"Tested: {len(ROUTES) - len(ENDLESS)}" in said, said
