"""What the operator may ask of a receiver that no project has: its ledger, and its only export."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from app.model.export import Export
from app.model.receiver import Receiver
from app.web import exported
from app.web.answers import answer_json
from app.web.doors import Doors
from app.web.views import Handler, Route

ReceiverOf = Callable[[Doors, web.Request], Awaitable[Receiver]]


def routes_of(base: str, receiver_of: ReceiverOf) -> tuple[Route, ...]:
    """The addresses below `base`, the path of what is the receiver; `receiver_of` finds it if the operator asks."""

    async def ledger(doors: Doors, request: web.Request) -> web.Response:
        receiver = await receiver_of(doors, request)
        return answer_json(200, dict(await doors.ledger(receiver)))

    async def export_of(doors: Doors, request: web.Request) -> Export:
        receiver = await receiver_of(doors, request)
        return receiver.exports[0]

    def of_export(answer: exported.ExportAnswer) -> Handler:
        return exported.asked_of(export_of, answer)

    files, letters, letter = f"{base}/files", f"{base}/dead-letters", f"{base}/dead-letters/{{dead_letter_id}}"
    return (
        Route("POST", f"{base}/flush", of_export(exported.flush)),
        Route("GET", f"{base}/ledger", ledger),
        Route("GET", files, of_export(exported.list_files)),
        Route("POST", f"{files}/retry", of_export(exported.retry_files)),
        Route("POST", f"{files}/{{file_id}}/retry", of_export(exported.retry_file)),
        Route("GET", letters, of_export(exported.list_dead_letters)),
        Route("DELETE", letters, of_export(exported.discard_dead_letters)),
        Route("POST", f"{letters}/replay", of_export(exported.replay_dead_letters)),
        Route("GET", letter, of_export(exported.get_dead_letter)),
        Route("DELETE", letter, of_export(exported.discard_dead_letter)),
        Route("POST", f"{letter}/replay", of_export(exported.replay_dead_letter)),
    )
