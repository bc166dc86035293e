"""All addresses of the house API."""

from app.web.house import tokens
from app.web.house.errors import encode_error
from app.web.views import Api, Route

PREFIX = "/house"
TOKENS = "/house/tokens"

ROUTES = (
    Route("GET", TOKENS, tokens.list_tokens),
    Route("POST", TOKENS, tokens.create_token),
    Route("DELETE", f"{TOKENS}/{{token_id}}", tokens.revoke_token),
)
HOUSE = Api(PREFIX, ROUTES, encode_error)
