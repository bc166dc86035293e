"""Run by dlt's own Python: load a file of JSON lines into PostgreSQL, and print how many seconds that took."""

import json
import sys
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import dlt  # type: ignore[import-not-found]


def main() -> None:
    """Parsing the file is not counted."""
    rows = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    name = f"bench_{uuid.uuid4().hex[:8]}"
    destination = dlt.destinations.postgres(_with_host(sys.argv[2]))
    pipeline = dlt.pipeline(name, destination=destination, dataset_name=name)
    begun_s = time.perf_counter()
    pipeline.run(rows, table_name="rows", write_disposition="append").raise_on_failed_jobs()
    print(time.perf_counter() - begun_s)


def _with_host(url: str) -> str:
    """Name a host and a password, which dlt asks for; the query's `host`, a socket's folder, wins over it."""
    parts = urlsplit(url)
    return parts._replace(netloc="postgres:none@localhost").geturl()


if __name__ == "__main__":
    main()
