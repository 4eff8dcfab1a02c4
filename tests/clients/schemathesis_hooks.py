"""What keeps generated requests near the server's work: they name things that are there, and ask for short answers."""

import json
import os
import urllib.request
from pathlib import Path

import schemathesis

MODEL = os.environ["PARASOL_MODEL"]
URL = os.environ["PARASOL_URL"]
SHORT = 4
LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")


def shortened(body, path):
    if not isinstance(body, dict):
        return body
    body = dict(body)
    # A model that is pulled, shown or deleted keeps the name that was made up.
    if isinstance(body.get("model"), str) and not path.startswith(("/api/pull", "/api/delete", "/api/parasol")):
        body["model"] = MODEL
    present = [name for name in LIMITS if name in body]
    for name in present:
        if isinstance(body[name], int) and body[name] > SHORT:
            body[name] = SHORT
    wanted = {"/v1/chat/completions": "max_completion_tokens", "/v1/responses": "max_output_tokens"}.get(path)
    if wanted and not present:
        body[wanted] = SHORT
    if isinstance(body.get("n"), int) and body["n"] > 2:
        body["n"] = 2
    for inner, limit in (("generationConfig", "maxOutputTokens"), ("options", "num_predict")):
        applies = path.endswith("enerateContent") if inner == "generationConfig" else path.startswith("/api/")
        if applies and isinstance(body.get(inner, {}), dict) and path not in ("/api/show", "/api/pull", "/api/delete"):
            body[inner] = {**body.get(inner, {}), limit: SHORT}
    return body


def token():
    """What opens the server's administration to its own user, also once a generated request has made a key."""
    # Servers that were killed leave their files behind.
    running = [json.loads(file.read_text()) for file in (Path(os.environ["PARASOL_HOME"]) / "run").glob("*.json")]
    [token] = [server["token"] for server in running if server["url"].rstrip("/") == URL.rstrip("/")]
    return token


def make(path, body):
    headers = {"content-type": "application/json", "x-parasol-token": token()}
    with urllib.request.urlopen(urllib.request.Request(URL + path, json.dumps(body).encode(), headers), timeout=30) as answer:
        return json.load(answer)["id"]


def conversation():
    """A conversation with a question, and an answer to it that is being made: (conversation, question, answer)."""
    conversation = make("/api/parasol/conversations", {"model": MODEL, "parameters": {"max_tokens": SHORT}})
    path = f"/api/parasol/conversations/{conversation}"
    question = make(f"{path}/messages", {"parent": None, "content": "Say hello."})
    return conversation, question, make(f"{path}/answers", {"parent": question})


def named(case):
    """Puts the names of what is there into a request for something of the studio's."""
    names = case.path_parameters
    if not isinstance(names, dict):
        return
    if "model" in names:
        names["model"] = MODEL
    if "/presets/" in case.path and case.method.upper() == "DELETE" and names["name"].isalnum():
        # There is something to delete half of the time.
        if len(names["name"]) % 2:
            put = urllib.request.Request(f"{URL}/api/parasol/presets/{names['name']}", b"{}", {"x-parasol-token": token()}, method="PUT")
            urllib.request.urlopen(put, timeout=30).close()
    elif case.path.startswith("/api/parasol/models/{name}") and case.method.upper() != "DELETE":
        names["name"] = MODEL
    elif "/conversations/{id}" in case.path:
        names["id"], question, _ = conversation()
        if isinstance(case.body, dict) and isinstance(case.body.get("parent"), str):
            case.body["parent"] = question
    elif "/answers/{message}" in case.path:
        names["message"] = conversation()[2]


@schemathesis.hook
def before_call(context, case, kwargs):
    case.body = shortened(case.body, case.path)
    named(case)
    if case.path.startswith("/api/parasol"):
        case.headers["x-parasol-token"] = token()
