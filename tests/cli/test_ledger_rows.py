from app.cli.ledger import COLUMNS, ledger_rows

COUNTS = {"accepted": 9, "deduplicated": 1, "unrouted": 2, "routed": 6, "refused": 3, "lost": 4}
OF_EXPORT = {"exportId": "orders", "routed": 6, "buffered": 1, "loaded": 3, "deadLettered": 2, "expired": 1}


def test_each_count_of_the_ledger_has_its_column():
    shop, orders = (
        {name: value for name, value in zip(COLUMNS, row, strict=True) if value != ""}
        for row in ledger_rows({"shop": {**COUNTS, "exports": [OF_EXPORT]}})
    )
    assert shop == {"receiver": "shop", **COUNTS}
    dead = {"dead-lettered" if name == "deadLettered" else name: value for name, value in OF_EXPORT.items()}
    assert orders == {"receiver": "shop", **{"export" if n == "exportId" else n: v for n, v in dead.items()}}
