"""The server that the clients are pointed at: where it is, and what runs in it now."""

import os
import time
import urllib.request

URL = os.environ["PARASOL_URL"]
MODEL = os.environ["PARASOL_MODEL"]
KEY = os.environ.get("PARASOL_KEY", "none")


def metric(name, url=URL):
    """The sum of a metric over its labels; 0 while nothing has been counted."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    found = [line.rsplit(" ", 1) for line in lines if line.startswith((f"parasol_{name} ", f"parasol_{name}{{"))]
    return sum(float(value) for _, value in found)


def assert_at_work(within=5, url=URL):
    """Something is computed: the engine tells once a step is done, so a moment after its first token."""
    until = time.monotonic() + within
    while not metric("running", url):
        assert time.monotonic() < until, f"nothing is computed {within} s later"
        time.sleep(0.01)


def assert_idle(within=5, url=URL):
    """Nothing is computed, nothing waits and no cache block is held, `within` seconds from now at the latest."""
    until = time.monotonic() + within
    counts = ("answers_open", "running", "queue", "kv_blocks_used")
    while True:
        busy = {name: metric(name, url) for name in counts}
        if not any(busy.values()):
            break
        assert time.monotonic() < until, f"still at work {within} s later: {busy}"
        time.sleep(0.05)
    assert metric("book_errors", url) == 0
