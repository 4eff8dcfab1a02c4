"""What keeps generated requests near the server's work: they name a model that is there, and ask for short answers."""

import os

import schemathesis

MODEL = os.environ["PARASOL_MODEL"]
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


@schemathesis.hook
def before_call(context, case, kwargs):
    case.body = shortened(case.body, case.path)
    if isinstance(case.path_parameters, dict) and "model" in case.path_parameters:
        case.path_parameters["model"] = MODEL
