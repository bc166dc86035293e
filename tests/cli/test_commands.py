"""Each command against a real server: what it prints, what it does, how it ends."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.cli.serving import Run, Serving
from tests.server import TOKEN, free_port

BODY = {"type": "body", "name": "b"}


@pytest.fixture
def in_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(result: Result) -> list[list[str]]:
    """What a pipe gets, without the heads."""
    return [line.split("\t") for line in result.stdout.splitlines()[1:]]


def said(result: Result) -> Any:
    return json.loads(result.stdout)


# receivers


def test_a_receiver_is_made_from_a_name_shown_changed_and_deleted(run: Run) -> None:
    made = run("receivers", "create", "Made By Name", "--description", "of a test")
    assert "made-by-name" in made.stdout
    assert "/v1/import/1/made-by-name/" in made.stdout
    assert ["made-by-name", "Made By Name", "", "of a test"] in rows(run("receivers", "list"))
    run("receivers", "update", "made-by-name", "--name", "Other")
    assert said(run("receivers", "show", "made-by-name", "--json"))["name"] == "Other"
    assert "is deleted" in run("receivers", "delete", "made-by-name", "--yes").stdout
    assert not [row for row in rows(run("receivers", "list")) if row[0] == "made-by-name"]


def test_a_receiver_is_made_from_a_document_and_options_go_before_it(run: Run, tmp_path: Path) -> None:
    document = {
        "name": "In the file",
        "exports": [
            {"name": "Raw", "mapping": {"tableId": "in.c-doc.raw", "columns": [{"type": "body", "name": "b"}]}}
        ],
    }
    made = said(run("receivers", "create", "--file", "-", "--id", "doc", "--json", given=json.dumps(document)))
    assert (made["id"], made["name"], made["exports"][0]["id"]) == ("doc", "In the file", "raw")
    file = tmp_path / "receiver.json"
    file.write_text(json.dumps(document))
    assert "already exists" in run("receivers", "create", "--file", str(file), "--id", "doc", code=1).stderr
    assert "is no JSON" in run("receivers", "create", "--file", "-", given="{", code=2).stderr


def test_members_that_the_server_would_pass_over_are_not_sent(run: Run, shop: str) -> None:
    column = {"type": "path", "name": "a", "path": "a", "default": "?"}
    export = {"name": "X", "mapping": {"tableId": "in.c-doc.x", "columns": [BODY, column], "increment": False}}
    receiver = json.dumps({"name": "Misspelt", "exports": [export], "descripton": None})
    refused = run("receivers", "create", "--file", "-", given=receiver, code=2).stderr
    assert "no such members: exports[0].mapping.columns[1].default, exports[0].mapping.increment, descripton" in refused
    run("receivers", "show", "misspelt", code=1)
    for command in (("exports", "create", shop), ("exports", "update", shop, "orders"), ("receivers", "update", shop)):
        refused = run(*command, "--file", "-", given='{"nam": "X"}', code=2).stderr
        assert "no such members: nam" in refused


def test_a_secret_is_rotated(run: Run, shop: str) -> None:
    before = said(run("receivers", "show", shop, "--json"))["url"]
    rotated = run("receivers", "rotate-secret", shop, "--grace-seconds", "60")
    assert before not in rotated.stdout
    assert "old url until" in rotated.stdout
    assert "old url until" not in run("receivers", "rotate-secret", shop, "--grace", "0").stdout


def test_what_is_lost_is_asked_for_where_somebody_can_answer(run: Run, shop: str) -> None:
    refused = run("receivers", "delete", shop, code=2)
    assert "--yes" in refused.stderr
    run("receivers", "show", shop)


# exports


def test_an_export_is_made_from_options_shown_changed_and_deleted(run: Run, shop: str) -> None:
    made = run(
        *("exports", "create", shop, "By Hand", "--table", f"in.c-{shop}.hand", "--full", "--time", "45s"),
        *("--column", "id=id", "--column", "sku=path:item.sku", "--key", "sku"),
    )
    assert "sku=path:item.sku (key)" in made.stdout
    assert "emptied at each load" in made.stdout
    shown = said(run("exports", "show", shop, "by-hand", "--json"))
    assert shown["mapping"]["columns"][1] == {
        "type": "path",
        "name": "sku",
        "path": "item.sku",
        "rawString": True,
        "primaryKey": True,
    }
    assert (shown["conditions"]["time"], shown["mapping"]["incremental"]) == ("45s", False)
    assert [row[0] for row in rows(run("exports", "list", shop))] == ["by-hand", "orders"]
    run("exports", "update", shop, "by-hand", "--count", "7", "--name", "Renamed")
    changed = said(run("exports", "show", shop, "by-hand", "--json"))
    assert (changed["name"], changed["conditions"]["count"], changed["conditions"]["time"]) == ("Renamed", 7, "45s")
    run("exports", "delete", shop, "by-hand", "--yes")
    assert "not found" in run("exports", "show", shop, "by-hand", code=1).stderr


def test_new_columns_stay_in_their_table(run: Run, shop: str) -> None:
    before = said(run("exports", "show", shop, "orders", "--json"))["mapping"]
    run("exports", "update", shop, "orders", "--column", "sku=body", "--column", "total=ip")
    after = said(run("exports", "show", shop, "orders", "--json"))["mapping"]
    assert (after["tableId"], [column["type"] for column in after["columns"]]) == (before["tableId"], ["body", "ip"])


def test_new_columns_keep_the_primary_key_unless_another_is_said(run: Run, shop: str) -> None:
    run(
        *("exports", "create", shop, "Keyed", "--table", f"in.c-{shop}.keyed"),
        *("--column", "sku=path:sku", "--column", "body=body", "--key", "sku"),
    )
    new = ("--column", "sku=path:item.sku", "--column", "body=body")
    run("exports", "update", shop, "keyed", *new)
    assert key_of(run, shop, "keyed") == ["sku"]
    run("exports", "update", shop, "keyed", "--table", f"in.c-{shop}.keyed2")
    assert key_of(run, shop, "keyed") == ["sku"]
    lost = run("exports", "update", shop, "keyed", "--column", "item=path:sku", code=2)
    assert "sku of the primary key is not among the new columns: add --key" in lost.stderr
    run("exports", "update", shop, "keyed", *new, "--key", "body", "--table", f"in.c-{shop}.by-body")
    assert key_of(run, shop, "keyed") == ["body"]


def key_of(run: Run, receiver: str, export: str) -> list[str]:
    columns = said(run("exports", "show", receiver, export, "--json"))["mapping"]["columns"]
    return [column["name"] for column in columns if column["primaryKey"]]


def test_a_column_that_is_none_is_not_sent(run: Run, shop: str) -> None:
    for column in ("sku", "=id", "sku=path", "sku=id:x"):
        assert "a column is NAME=TYPE" in run("exports", "create", shop, "X", "--column", column, code=2).stderr
    assert "no such column" in run("exports", "create", shop, "X", "--column", "a=id", "--key", "b", code=2).stderr


def test_a_mapping_is_tried_on_a_sample(run: Run, shop: str) -> None:
    fits = run("exports", "test", shop, given='{"sku": "A", "price": 21}')
    assert rows(fits) == [["orders", "sku", "A"], ["orders", "total", "42"]]
    assert 'orders: column "sku": path "sku" not found' in run("exports", "test", shop, given="{}", code=1).stderr


def test_a_flush_is_waited_for(run: Run, shop: str) -> None:
    assert said(run("send", shop, "--json", given='{"sku": "A", "price": 1}')) == {"accepted": 1}
    assert said(run("exports", "flush", shop, "orders", "--wait", "--json"))["exportId"] == "orders"
    (_, export) = rows(run("ledger", shop))
    assert export == [shop, "orders", "", "", "", "1", "0", "1", "0", "0", "", ""]
    (file,) = said(run("files", "list", shop, "orders", "--json"))["files"]
    assert (file["state"], file["closedBy"], file["rows"]) == ("loaded", "flush", 1)
    assert rows(run("files", "retry", shop, "orders")) == []
    assert "not found" in run("files", "retry", shop, "orders", "no-file", code=1).stderr


# send and ledger


def test_lines_are_sent_as_events_and_counted(run: Run, shop: str, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_text("\n".join(json.dumps({"sku": str(number), "price": number}) for number in range(2500)) + "\n\n")
    assert run("send", shop, str(file)).stdout == "accepted  2500\nsent as   an event for each line\n"
    run("exports", "flush", shop, "orders", "--wait")
    ledger = said(run("ledger", shop, "--json"))
    assert (ledger[shop]["accepted"], ledger[shop]["exports"][0]["loaded"]) == (2500, 2500)
    assert shop in said(run("ledger", "--json"))


@pytest.mark.parametrize(
    ("arguments", "accepted"),
    [
        (["a.NDJSON"], 2),
        (["a.jsonl"], 2),
        (["a.json"], 1),
        (["-"], 1),
        (["a.jsonl", "--one"], 1),
        (["a.json", "--ndjson"], 2),
        (["-", "--ndjson"], 2),
    ],
)
def test_lines_are_events_by_the_name_of_the_file(
    run: Run, shop: str, in_directory: Path, arguments: list[str], accepted: int
) -> None:
    lines = '{"sku": 1}\n{"sku": 2}\n'
    (in_directory / arguments[0]).write_text(lines)
    sent = run("send", shop, *arguments, given=lines).stdout
    assert sent.split()[1] == str(accepted)
    assert ("one event" in sent) == (accepted == 1)


def test_what_is_refused_says_how_much_was_accepted(run: Run, shop: str) -> None:
    lines = b'{"sku": 1}\n' * 1000 + b"x" * (2 * 1024 * 1024) + b"\n"
    refused = run("send", shop, "--ndjson", given=lines, code=1)
    assert "accepted before it: 1000 events" in refused.stderr


# dead letters


def test_dead_letters_are_listed_shown_replayed_and_discarded(run: Run, shop: str) -> None:
    for body in ('{"price": 1}', '{"price": 2}', '{"price":\n3}', '{"price": 4}'):
        run("send", shop, given=body)
    run("exports", "flush", shop, "orders", "--wait")
    letters = rows(run("dead-letters", "list", shop, "orders"))
    assert [letter[3] for letter in letters] == ['{"price": 1}', '{"price": 2}', '{"price":·3}', '{"price": 4}']
    first, second, third, _ = (letter[0] for letter in letters)
    shown = run("dead-letters", "show", shop, "orders", third).stdout
    assert 'path "sku" not found in the body' in shown
    assert "Idempotency-Key" in shown
    assert "X-StorageApi-Token" not in shown
    assert shown.endswith('{"price":\n3}\n')
    run("exports", "update", shop, "orders", "--column", "sku=ip", "--column", "total=template:Body('price') * 2")
    assert first in run("dead-letters", "replay", shop, "orders", first).stdout
    assert second in run("dead-letters", "discard", shop, "orders", second, "--yes").stdout
    assert said(run("dead-letters", "replay", shop, "orders", "--all", "--json")) == {"deadLetters": 2, "fitNow": 2}
    assert rows(run("dead-letters", "list", shop, "orders")) == []
    run("exports", "flush", shop, "orders", "--wait")
    of_shop, of_orders = rows(run("ledger", shop))
    assert of_shop == [shop, "", "4", "0", "0", "4", "", "", "", "", "0", "0"]
    assert of_orders == [shop, "orders", "", "", "", "4", "0", "3", "1", "0", "", ""]


def test_what_dies_again_is_said_to_fit_no_better(run: Run, shop: str) -> None:
    run("send", shop, given="{}")
    run("exports", "flush", shop, "orders", "--wait")
    replayed = run("dead-letters", "replay", shop, "orders", "--all", "--json")
    assert said(replayed) == {"deadLetters": 1, "fitNow": 0}
    run("exports", "flush", shop, "orders", "--wait")
    assert len(rows(run("dead-letters", "list", shop, "orders"))) == 1
    assert "discarded  1" in run("dead-letters", "discard", shop, "orders", "--all", "--yes").stdout
    assert said(run("dead-letters", "replay", shop, "orders", "--all", "--json"))["deadLetters"] == 0


def test_one_letter_or_all_must_be_said(run: Run, shop: str) -> None:
    for verb in ("replay", "discard"):
        assert "--all" in run("dead-letters", verb, shop, "orders", code=2).stderr
        for nothing in ("", " "):
            assert "LETTER is empty" in run("dead-letters", verb, shop, "orders", nothing, code=2).stderr
        assert "--all" in run("dead-letters", verb, shop, "orders", "x", "--all", code=2).stderr
        sure = ["--yes"] if verb == "discard" else []
        assert "not found" in run("dead-letters", verb, shop, "orders", "x", *sure, code=1).stderr
    assert "--yes" in run("dead-letters", "discard", shop, "orders", "--all", code=2).stderr


# sources of documents


def test_an_import_source_is_made_shown_changed_and_deleted(run: Run) -> None:
    made = run("stitch-sources", "create", "Of A Test", "--client-id", "1234", "--region", "eu")
    assert made.stdout.startswith("at_")
    assert made.stdout.count("\n") == 1
    assert "of_a_test" in made.stderr
    listed = rows(run("stitch-sources", "list"))
    assert ["of_a_test", "Of A Test", "1234", "eu", "active", "no"] in [row[:6] for row in listed]
    assert made.stdout.strip() not in run("stitch-sources", "show", "of_a_test", "--json").stdout
    run("stitch-sources", "update", "of_a_test", "--name", "Other", "--append-only")
    run("stitch-sources", "pause", "of_a_test")
    shown = said(run("stitch-sources", "show", "of_a_test", "--json"))
    assert (shown["name"], shown["appendOnly"], shown["state"]) == ("Other", True, "paused")
    assert said(run("stitch-sources", "resume", "of_a_test", "--json"))["state"] == "active"
    assert said(run("stitch-sources", "update", "of_a_test", "--upsert", "--json"))["appendOnly"] is False
    assert "--yes" in run("stitch-sources", "delete", "of_a_test", code=2).stderr
    assert shown["uid"] in run("stitch-sources", "delete", "of_a_test", "--yes").stdout
    assert "is deleted, for ever" in run("stitch-sources", "pause", shown["uid"], code=1).stderr
    assert "not found" in run("stitch-sources", "show", "of_a_test", code=1).stderr
    assert said(run("stitch-sources", "show", shown["uid"], "--json"))["state"] == "deleted"


def test_a_token_of_ones_own_is_read_from_a_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("mine\n")
    made = run("stitch-sources", "create", "Own", "--client-id", "1234", "--token-file", str(file), "--json")
    assert said(made)["token"] == "mine"
    assert run("stitch-sources", "add-token", "own", "--token-file", "-", given="second").stdout == "second\n"
    assert "at most 2 tokens" in run("stitch-sources", "add-token", "own", code=1).stderr
    run("stitch-sources", "revoke-token", "own", said(made)["tokens"][0]["id"], "--yes")
    assert len(said(run("stitch-sources", "show", "own", "--json"))["tokens"]) == 1


def test_what_became_of_a_sources_messages_is_told(run: Run) -> None:
    run("stitch-sources", "create", "Told", "--client-id", "1234")
    assert "requested at" in run("stitch-sources", "flush", "told").stdout
    assert said(run("stitch-sources", "ledger", "told", "--json"))["exports"][0]["exportId"] == "documents"
    assert rows(run("stitch-sources", "ledger", "told"))[0][0] == "told"
    assert said(run("stitch-sources", "files", "told", "--json")) == {"files": []}
    assert said(run("stitch-sources", "retry", "told", "--json")) == {"files": []}
    assert said(run("stitch-sources", "dead-letters", "told", "--json")) == {"deadLetters": []}
    assert said(run("stitch-sources", "replay", "told", "--all", "--json")) == {"deadLetters": 0}
    assert said(run("stitch-sources", "discard", "told", "--all", "--yes", "--json")) == {"deadLetters": 0}
    assert "not found" in run("stitch-sources", "dead-letters", "told", "nothing", code=1).stderr
    assert "say what" in run("stitch-sources", "update", "told", code=2).stderr


# tokens


def test_a_token_is_printed_alone_and_only_where_it_is_made(run: Run) -> None:
    made = run("tokens", "create", "--project", "7", "--description", "a test")
    token = made.stdout.strip()
    assert len(token) >= 40
    assert token not in made.stderr
    listed = run("tokens", "list")
    (row,) = [row for row in rows(listed) if row[3] == "a test"]
    assert row[1] == "7"
    assert token not in listed.stdout
    assert said(run("receivers", "list", "--json", FOREBAY_API_TOKEN=token)) == {"receivers": []}
    run("tokens", "revoke", row[0], "--yes")
    assert "invalid access token" in run("receivers", "list", FOREBAY_API_TOKEN=token, code=1).stderr.lower()


def test_the_admin_token_of_this_machine_is_told_to_no_other(run: Run) -> None:
    refused = run("tokens", "list", "--url", "http://forebay.example", code=2)
    assert "another machine" in refused.stderr


def test_without_an_admin_token_the_command_says_where_it_looked(run: Run, tmp_path: Path) -> None:
    refused = run("tokens", "list", FOREBAY_DATA_DIR=str(tmp_path), code=2)
    assert str(tmp_path / "admin-token") in refused.stderr


# how commands end


def test_the_exit_code_says_who_has_to_do_something(run: Run, shop: str) -> None:
    run("receivers", "show", shop)
    refused = run("receivers", "show", "nobody", code=1)
    assert refused.stderr == 'forebay: Receiver "nobody" not found in the project.\n'
    assert refused.stdout == ""
    run("receivers", "show", code=2)
    nobody = run("receivers", "list", FOREBAY_URL=f"http://127.0.0.1:{free_port()}", code=3)
    assert "no server answers at" in nobody.stderr


def test_who_has_no_token_is_told_how_to_get_one(run: Run) -> None:
    refused = run("receivers", "list", FOREBAY_API_TOKEN="", code=2)
    assert "forebay tokens create" in refused.stderr


def test_a_token_is_never_said(run: Run) -> None:
    for environment in ({"FOREBAY_URL": f"http://127.0.0.1:{free_port()}"}, {"FOREBAY_API_TOKEN": TOKEN + "x"}):
        result = run("receivers", "list", code=3 if "FOREBAY_URL" in environment else 1, **environment)
        assert TOKEN not in result.output


def test_the_server_is_that_of_the_settings_when_no_other_is_named(run: Run, server: Serving) -> None:
    run("receivers", "list", FOREBAY_URL="", FOREBAY_PUBLIC_URL=server.url)
    run("receivers", "list", FOREBAY_URL="", FOREBAY_PORT=server.url.rpartition(":")[2])
    assert "FOREBAY_PORT" in run("receivers", "list", FOREBAY_URL="", FOREBAY_PORT="x", code=2).stderr


def test_another_server_is_no_forebay(run: Run, server: Serving) -> None:
    result = run("receivers", "list", FOREBAY_URL=f"{server.url}/health-check?", code=3)
    assert "not as Forebay does" in result.stderr


def test_ids_may_have_any_characters(run: Run) -> None:
    assert 'Receiver "a/../b?c" not found' in run("receivers", "show", "a/../b?c", code=1).stderr


# people


def test_people_get_a_table_that_nobody_outside_can_paint_on(run: Run) -> None:
    run("receivers", "create", "Painter", "--description", "a\x1b[31mb [bold]c[/bold]")
    listed = run("receivers", "list", FORCE_COLOR="1", COLUMNS="200")
    assert "a·[31mb [bold]c[/bold]" in listed.stdout
    assert "\t" not in listed.stdout
    assert "a·[31mb" in run("receivers", "list").stdout
    run("receivers", "delete", "painter", "--yes")
