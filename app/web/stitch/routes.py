"""All addresses of the Stitch Import API. Its answers have too many forms for one document: docs/apis/stitch.md."""

from app.web.stitch.batch import batch
from app.web.stitch.errors import encode_error
from app.web.stitch.push import push, validate
from app.web.stitch.status import status
from app.web.views import Api, Route

PREFIX = "/v2/import"

ROUTES = (
    Route("GET", f"{PREFIX}/status", status, always=True),
    Route("POST", f"{PREFIX}/validate", validate),
    Route("POST", f"{PREFIX}/push", push),
    Route("POST", f"{PREFIX}/batch", batch),
)
STITCH = Api(PREFIX, ROUTES, encode_error)
