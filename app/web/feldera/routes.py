"""All addresses of the Feldera API. Its answers have too many forms for one document: docs/apis/feldera.md."""

from app.web.feldera import completion, egress, ingress, lifecycle, pipelines, query, service, stats, transactions
from app.web.feldera.access import guarded
from app.web.feldera.errors import encode_error
from app.web.views import Api, Route

PREFIX = "/v0"
PIPELINES = f"{PREFIX}/pipelines"
PIPELINE = f"{PIPELINES}/{{pipeline}}"

ROUTES = (
    Route("GET", f"{PREFIX}/config", service.config),
    Route("GET", f"{PREFIX}/cluster_healthz", service.cluster_healthz, always=True),
    Route("GET", PIPELINES, pipelines.list_pipelines),
    Route("POST", PIPELINES, pipelines.create_pipeline),
    Route("GET", PIPELINE, pipelines.get_pipeline),
    Route("PUT", PIPELINE, pipelines.put_pipeline),
    Route("PATCH", PIPELINE, pipelines.patch_pipeline),
    Route("DELETE", PIPELINE, pipelines.delete_pipeline),
    Route("POST", f"{PIPELINE}/start", lifecycle.start),
    Route("POST", f"{PIPELINE}/pause", lifecycle.pause),
    Route("POST", f"{PIPELINE}/resume", lifecycle.resume),
    Route("POST", f"{PIPELINE}/stop", lifecycle.stop),
    Route("POST", f"{PIPELINE}/clear", lifecycle.clear),
    Route("POST", f"{PIPELINE}/dismiss_error", lifecycle.dismiss_error),
    Route("POST", f"{PIPELINE}/ingress/{{table}}", ingress.ingress),
    Route("GET", f"{PIPELINE}/completion_status", completion.completion_status),
    Route("GET", f"{PIPELINE}/tables/{{table}}/connectors/{{connector}}/completion_token", completion.completion_token),
    Route("POST", f"{PIPELINE}/start_transaction", transactions.start_transaction),
    Route("POST", f"{PIPELINE}/commit_transaction", transactions.commit_transaction),
    Route("GET", f"{PIPELINE}/query", query.query),
    Route("POST", f"{PIPELINE}/egress/{{relation}}", egress.egress),
    Route("GET", f"{PIPELINE}/stats", stats.stats),
)
FELDERA = Api(PREFIX, tuple(guarded(route) for route in ROUTES), encode_error)
