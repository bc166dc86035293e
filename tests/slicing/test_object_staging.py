"""What an object store does beyond staging's contract."""

import logging
import threading
import time
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import obstore
import pytest
from obstore.store import S3Store

from app.errors import SettingInvalid, StagedFileGone, StagingAway, StagingFailed, StagingRefused
from app.model.staged import StagedFile
from app.slicing.object_staging import open_object_staging
from app.slicing.registry import open_staging
from app.slicing.staging import MARKER
from tests.s3 import S3Server
from tests.server import free_port

SOON_S = 10.0


@pytest.fixture
def bucket(s3) -> str:
    return s3.new_bucket()


class Broken(BaseHTTPRequestHandler):
    """A store that answers every request with 503 and a text that nobody should see."""

    def answer(self) -> None:
        self.send_response(503)
        self.end_headers()
        self.wfile.write(b"<Error><Code>SlowDown</Code><Message>secret</Message></Error>")

    do_GET = do_PUT = do_HEAD = do_POST = answer  # noqa: N815 -- the names are http.server's

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def broken(monkeypatch) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Broken)
    threading.Thread(target=server.serve_forever).start()
    for name, value in S3Server().environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    yield
    server.shutdown()
    server.server_close()


def test_two_prefixes_of_a_bucket_know_nothing_of_each_other(bucket):
    first, second = open_staging(f"s3://{bucket}/a/b"), open_staging(f"s3://{bucket}/a/c/")
    staged = first.write("000/x", b"rows")
    assert second.names() == []
    with pytest.raises(StagedFileGone):
        second.read(staged)


def test_a_whole_bucket_may_be_staging(bucket):
    staged = open_staging(f"s3://{bucket}").write("000/x", b"rows")
    assert open_staging(f"s3://{bucket}/").read(staged) == b"rows"
    assert bytes(obstore.get(S3Store(bucket), "000/x").bytes()) == b"rows"


def test_a_prefix_of_somebody_else_is_refused(s3, bucket):
    s3.call("PUT", f"/{bucket}/theirs/letter.txt", b"dear")
    with pytest.raises(SettingInvalid, match=r"^FOREBAY_STAGING: the prefix holds other objects"):
        open_staging(f"s3://{bucket}/theirs")
    s3.call("PUT", f"/{bucket}/theirs/{MARKER}")
    assert open_staging(f"s3://{bucket}/theirs").names() == [("letter.txt", pytest.approx(time.time(), abs=60))]


def test_a_folder_that_a_console_made_is_empty(s3, bucket):
    s3.call("PUT", f"/{bucket}/made/")
    assert open_staging(f"s3://{bucket}/made").names() == []


def test_what_could_be_no_staged_file_is_not_named(s3, bucket):
    staging = open_staging(f"s3://{bucket}/a")
    for key in ("a/b/c/d", "a/.hidden", "a/b/.hidden"):
        s3.call("PUT", f"/{bucket}/{key}")
    assert staging.names() == []


def test_more_names_than_a_page_holds_are_all_told(bucket):
    staging = open_staging(f"s3://{bucket}/a")
    written = {staging.write(f"{number % 3}/{number}", b"").name for number in range(1010)}
    assert {name for name, _ in staging.names()} == written


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3:///secret",
        "s3://me:secret@host/db",
        "s3://bucket:80/secret",
        "s3://bucket?secret",
        "s3://bucket/a/../secret",
        "s3://bucket/a//secret",
        "gs://bucket/.secret",
        "az://bucket/sec\nret",
    ],
)
def test_another_url_is_refused_without_showing_it(url):
    with pytest.raises(SettingInvalid, match=r"^FOREBAY_STAGING: an object store is one of s3://") as failure:
        open_staging(url)
    assert "secret" not in str(failure.value)


def test_a_bucket_that_is_not_there_is_refused(s3):  # noqa: ARG001 -- it runs
    with pytest.raises(SettingInvalid, match=r"^FOREBAY_STAGING: staging: the object store answers 404 NoSuchBucket$"):
        open_staging("s3://nobody/a")


def test_an_environment_that_does_not_say_enough_is_refused(monkeypatch):
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(SettingInvalid, match=r"^FOREBAY_STAGING: the environment .* az://"):
        open_staging("az://container/a")


def test_an_endpoint_that_is_none_is_refused(s3, monkeypatch, capfd):  # noqa: ARG001 -- the rest of the environment
    monkeypatch.setenv("AWS_ENDPOINT_URL", ":::secret")
    staging = open_staging("s3://bucket/a")
    with pytest.raises(StagingFailed, match="staging: the object store's client failed") as failure:
        staging.write("000/x", b"")
    assert "secret" not in "".join(traceback.format_exception(failure.value))
    capfd.readouterr()  # Rust writes there how it panicked


def test_a_store_that_is_away_at_the_start_is_taken_when_it_is_there(monkeypatch, caplog):
    server = S3Server()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    with caplog.at_level(logging.WARNING):
        staging = open_staging("s3://bucket-of-mine/a")
    assert "the object store cannot be reached; what has to be staged waits" in caplog.text
    for act in (lambda: staging.write("000/x", b""), staging.names, lambda: staging.read(StagedFile("x", 0, 0))):
        with pytest.raises(StagingFailed, match="the object store cannot be reached") as failure:
            act()
        assert isinstance(failure.value, StagingAway)
    server.start()
    try:
        with pytest.raises(StagingRefused, match="404 NoSuchBucket"):
            staging.write("000/x", b"")
        assert server.call("PUT", "/bucket-of-mine") == 200
        assert staging.read(staging.write("000/x", b"rows")) == b"rows"
    finally:
        server.stop()


def test_a_store_that_goes_away_is_told_from_a_file_that_is_gone(bucket):
    staging = open_staging(f"s3://{bucket}/a")
    staged = staging.write("000/x", b"rows")
    obstore.delete(S3Store(bucket), ["a/000/x", f"a/{MARKER}"])
    with pytest.raises(StagingFailed, match="all of staging is gone") as failure:
        staging.read(staged)
    assert not isinstance(failure.value, StagedFileGone)


def test_a_store_that_does_not_answer_holds_nobody_for_long(monkeypatch):
    server = S3Server()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    server.start()
    try:
        server.call("PUT", "/bucket")
        staging = open_object_staging("s3://bucket/a", request_max_s=1)
        staged = staging.write("000/x", b"rows")
        server.pause()
        begun_s = time.monotonic()
        for act in (lambda: staging.write("000/y", b""), lambda: staging.read(staged), staging.names):
            with pytest.raises(StagingFailed, match="the object store does not answer in time"):
                act()
        with pytest.raises(StagingFailed, match="the object store does not answer in time"):
            staging.delete("000/z")
        assert time.monotonic() - begun_s < 4 * SOON_S
        server.resume()
        assert staging.read(staged) == b"rows"
    finally:
        server.stop()


@pytest.mark.usefixtures("broken")
def test_a_store_in_trouble_is_away_and_its_words_are_not_repeated():
    staging = open_staging("s3://bucket/a")
    with pytest.raises(StagingFailed, match=r"^staging: the object store answers 503$") as failure:
        staging.write("000/x", b"")
    assert isinstance(failure.value, StagingAway)
    assert "secret" not in "".join(traceback.format_exception(failure.value))


def test_a_signature_in_the_address_is_never_shown(monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", "sv=2024-01-01&sig=SECRET")
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AZURE_ALLOW_HTTP", "true")
    staging = open_staging("az://container/a")
    with pytest.raises(StagingFailed, match="the object store cannot be reached") as failure:
        staging.names()
    assert "SECRET" not in "".join(traceback.format_exception(failure.value))


def test_without_conditional_writes_a_name_is_looked_at_before(bucket, monkeypatch, caplog):
    monkeypatch.setenv("AWS_CONDITIONAL_PUT", "disabled")
    with caplog.at_level(logging.WARNING):
        staging = open_staging(f"s3://{bucket}/a")
    assert "knows no conditional writes" in caplog.text
    staged = staging.write("000/x", b"x" * 6_000_000)
    with pytest.raises(StagingFailed, match="used before"):
        staging.write("000/x", b"again")
    assert staging.read(staged) == b"x" * 6_000_000


def test_google_s_client_finds_its_way_and_a_store_that_ignores_conditions_is_told(s3, monkeypatch, caplog):
    assert s3.call("PUT", "/plain") == 200  # moto answers this client too, and knows nothing of its conditions
    monkeypatch.setenv("GOOGLE_BASE_URL", s3.environment["AWS_ENDPOINT_URL"])
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "a-token")
    monkeypatch.setenv("GOOGLE_ALLOW_HTTP", "true")
    with caplog.at_level(logging.WARNING):
        staging = open_staging("gs://plain/a")
    assert "knows no conditional writes" in caplog.text
    staged = staging.write("000/x", b"rows")
    with pytest.raises(StagingFailed, match="used before"):
        staging.write("000/x", b"again")
    assert staging.read(staged) == b"rows"
    assert [name for name, _ in staging.names()] == ["000/x"]
    for _ in range(2):
        staging.delete("000/x")
    assert staging.names() == []
