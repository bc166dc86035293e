"""All addresses of the house API."""

from app.web.house import pipelines, stitch_sources, tokens
from app.web.house.errors import encode_error
from app.web.house.receivers import routes_of
from app.web.views import Api, Route

PREFIX = "/house"
TOKENS = "/house/tokens"
SOURCES = "/house/stitch-sources"
SOURCE = "/house/stitch-sources/{source}"
PIPELINE = "/house/pipelines/{pipeline}"

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
    *routes_of(SOURCE, stitch_sources.receiver_of),
    *routes_of(PIPELINE, pipelines.receiver_of),
)
HOUSE = Api(PREFIX, ROUTES, encode_error)
