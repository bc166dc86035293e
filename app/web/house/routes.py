"""All addresses of the house API."""

from app.web.house import stitch_sources, tokens
from app.web.house.errors import encode_error
from app.web.views import Api, Route

PREFIX = "/house"
TOKENS = "/house/tokens"
SOURCES = "/house/stitch-sources"
SOURCE = "/house/stitch-sources/{source}"
FILES = "/house/stitch-sources/{source}/files"
LETTERS = "/house/stitch-sources/{source}/dead-letters"
LETTER = "/house/stitch-sources/{source}/dead-letters/{dead_letter_id}"

ROUTES = (
    Route("GET", TOKENS, tokens.list_tokens),
    Route("POST", TOKENS, tokens.create_token),
    Route("DELETE", f"{TOKENS}/{{token_id}}", tokens.revoke_token),
    Route("GET", SOURCES, stitch_sources.list_sources),
    Route("POST", SOURCES, stitch_sources.create_source),
    Route("GET", SOURCE, stitch_sources.get_source),
    Route("PATCH", SOURCE, stitch_sources.update_source),
    Route("DELETE", SOURCE, stitch_sources.delete_source),
    Route("POST", f"{SOURCE}/pause", stitch_sources.pause_source),
    Route("POST", f"{SOURCE}/resume", stitch_sources.resume_source),
    Route("POST", f"{SOURCE}/tokens", stitch_sources.create_token),
    Route("DELETE", f"{SOURCE}/tokens/{{token_id}}", stitch_sources.revoke_token),
    Route("POST", f"{SOURCE}/flush", stitch_sources.flush),
    Route("GET", f"{SOURCE}/ledger", stitch_sources.get_ledger),
    Route("GET", FILES, stitch_sources.list_files),
    Route("POST", f"{FILES}/retry", stitch_sources.retry_files),
    Route("POST", f"{FILES}/{{file_id}}/retry", stitch_sources.retry_file),
    Route("GET", LETTERS, stitch_sources.list_dead_letters),
    Route("DELETE", LETTERS, stitch_sources.discard_dead_letters),
    Route("POST", f"{LETTERS}/replay", stitch_sources.replay_dead_letters),
    Route("GET", LETTER, stitch_sources.get_dead_letter),
    Route("DELETE", LETTER, stitch_sources.discard_dead_letter),
    Route("POST", f"{LETTER}/replay", stitch_sources.replay_dead_letter),
)
HOUSE = Api(PREFIX, ROUTES, encode_error)
