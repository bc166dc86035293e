"""`make demo`: a server on a scratch directory, some hundred events of many kinds, and what became of them."""

import json
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from benchmarks.server import STATIC_COLUMNS, Server, export, scratch_server, wait_until

RECEIVER = "shop"
WAVES, EVENTS_PER_WAVE = 3, 100
LOADED_TIMEOUT_S = 30.0
CELL_CHARACTERS_MAX = 36
ROWS_SHOWN = 6

Pushed = tuple[str, bytes]  # content type, body


def main() -> None:
    """Run it; whatever happens, the server is stopped and its directory removed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    print("Starting Forebay on a scratch directory …")
    try:
        with scratch_server() as server:
            _show(server)
    except KeyboardInterrupt:
        raise SystemExit("\nstopped") from None
    print("\nThe server is stopped, its directory is gone. `make run` starts one that stays.")


def _show(server: Server) -> None:
    url = server.create_receiver(RECEIVER, [_everything(), _orders()])
    print(f"The receiver {RECEIVER!r} takes events at {url}")
    print("  export 'everything' keeps id, arrival, sender, body and headers, and loads every 100 rows;")
    print("  export 'orders' picks values out of the bodies, and loads at once.\n")
    dice = random.Random(7)
    for wave in range(1, WAVES + 1):
        _push_wave(server, url, wave, dice)
    for name in ("everything", "orders"):
        _show_table(server, name)
    _show_dead_letters(server)
    _show_ledger(server)


def _everything() -> dict[str, Any]:
    return export("everything", STATIC_COLUMNS, bucket="c-demo", count=EVENTS_PER_WAVE, time="30s")


def _orders() -> dict[str, Any]:
    """What has neither an order nor a page is no row of it: it becomes a dead letter."""
    summary = "Body('event') + ' by ' + Body('order.customer', 'a visitor') + ' at ' + Ip()"
    columns: list[dict[str, Any]] = [
        {"type": "id", "name": "id"},
        {"type": "datetime", "name": "at"},
        {"type": "path", "name": "event", "path": "event", "rawString": True},
        {"type": "path", "name": "total", "path": "order.total", "defaultValue": "0", "rawString": True},
        {"type": "path", "name": "first_item", "path": "order.items[0].sku", "defaultValue": "-", "rawString": True},
        {
            "type": "template",
            "name": "summary",
            "template": {"language": "jsonnet", "content": summary, "rawString": True},
        },
    ]
    return export("orders", columns, bucket="c-demo", count=1, time="30s")


# events


def _events(dice: random.Random) -> Iterator[Pushed]:
    """Now and then one of each kind, webhooks more often than the others."""
    makers = [
        _webhook,
        _webhook,
        _webhook,
        _cloud_event,
        _tracker_hit,
        _tracker_hit,
        _syslog_line,
        _json_array,
        _broken,
    ]
    while True:
        yield dice.choice(makers)(dice)


def _order(dice: random.Random) -> dict[str, Any]:
    customer = dice.choice(("Ada", "Božena", "Linus", "Grace", 'Jan "Honza"', "李雷"))
    items = [
        {"sku": f"SKU-{dice.randrange(100):03d}", "quantity": dice.randrange(1, 4)} for _ in range(dice.randrange(1, 4))
    ]
    return {
        "id": dice.randrange(10_000),
        "customer": customer,
        "total": dice.randrange(100, 99_999) / 100,
        "items": items,
    }


def _webhook(dice: random.Random) -> Pushed:
    return "application/json", _json({"event": dice.choice(("order.created", "order.paid")), "order": _order(dice)})


def _cloud_event(dice: random.Random) -> Pushed:
    envelope = {"specversion": "1.0", "source": "/shop", "event": "order.shipped", "order": _order(dice)}
    return "application/cloudevents+json; charset=utf-8", _json(envelope)


def _tracker_hit(dice: random.Random) -> Pushed:
    hit = {"event": "pageview", "url": f"https://shop.example/p/{dice.randrange(100)}?ref=a&b", "screen[w]": 1440}
    return "application/x-www-form-urlencoded", urlencode(hit).encode()


def _syslog_line(dice: random.Random) -> Pushed:
    pid, port = dice.randrange(30_000), dice.randrange(1024, 65_535)
    return "text/plain", f"<38>Oct 11 22:14:15 web-1 sshd[{pid}]: Connection closed by 192.0.2.8 port {port}\n".encode()


def _json_array(dice: random.Random) -> Pushed:
    return "application/json", _json(
        [{"event": "stock", "sku": f"SKU-{at:03d}", "left": dice.randrange(9)} for at in range(2)]
    )


def _broken(dice: random.Random) -> Pushed:
    content_type, body = _webhook(dice)
    return content_type, body[:-9]


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


# pushing


def _push_wave(server: Server, url: str, wave: int, dice: random.Random) -> None:
    begun_s = time.perf_counter()
    for _, (content_type, body) in zip(range(EVENTS_PER_WAVE), _events(dice), strict=False):
        server.post(url, content_type, body)
    accepted_s = time.perf_counter()
    wait_until(lambda: _all_done(server, wave * EVENTS_PER_WAVE), "all events to be loaded", LOADED_TIMEOUT_S)
    in_sql_s = time.perf_counter() - accepted_s
    print(
        f"Wave {wave}: {EVENTS_PER_WAVE} events accepted in {accepted_s - begun_s:.1f} s, "
        f"rows in SQL {in_sql_s:.1f} s later."
    )


def _all_done(server: Server, pushed: int) -> bool:
    ledger = server.ledger(RECEIVER)
    return ledger["accepted"] == pushed and all(
        line["loaded"] + line["deadLettered"] == pushed for line in ledger["exports"]
    )


# showing


def _show_table(server: Server, export_id: str) -> None:
    sql = f'SELECT * FROM "in.c-demo.{export_id}" ORDER BY id LIMIT {ROWS_SHOWN}'
    names, rows = server.query(sql)
    _, [(count,)] = server.query(f'SELECT count(*) FROM "in.c-demo.{export_id}"')
    print(f"\n{sql}   -- of {count} rows")
    _print_table(names, rows)


def _show_dead_letters(server: Server) -> None:
    letters = server.get(f"/v1/receivers/{RECEIVER}/exports/orders/dead-letters?limit=1000")["deadLetters"]
    by_reason: dict[str, list[dict[str, Any]]] = {}
    for letter in letters:
        by_reason.setdefault(letter["reason"], []).append(letter)
    print(f"\n{len(letters)} dead letters of the export 'orders'")
    rows = [(len(alike), reason, alike[0]["event"]["body"]) for reason, alike in by_reason.items()]
    _print_table(["events", "reason", "for example"], sorted(rows, reverse=True)[:ROWS_SHOWN], cell_characters_max=60)


def _show_ledger(server: Server) -> None:
    ledger = server.ledger(RECEIVER)
    print(f"\nThe ledger: {ledger['accepted']} accepted = {ledger['routed']} routed + {ledger['unrouted']} unrouted")
    columns = ["exportId", "routed", "buffered", "loaded", "deadLettered"]
    _print_table(columns, [tuple(line[column] for column in columns) for line in ledger["exports"]])


def _print_table(
    names: Sequence[str], rows: Sequence[Sequence[Any]], cell_characters_max: int = CELL_CHARACTERS_MAX
) -> None:
    lines = [[_cell(value, cell_characters_max) for value in line] for line in (names, *rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(names))]
    for number, line in enumerate(lines):
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        if number == 0:
            print("  " + "  ".join("-" * width for width in widths))


def _cell(value: object, characters_max: int) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= characters_max else text[: characters_max - 1] + "…"


if __name__ == "__main__":
    main()
