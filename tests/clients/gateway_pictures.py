#!/usr/bin/env python3
"""Pictures through a Parasol by OpenAI's official library: new ones, edits with a mask, several, streams with previews, and errors. In the
provider's place stands a script that checks what it is asked and draws real PNG files, so that a second Parasol stands between them, too: library →
Parasol → Parasol → script. Variables as for gateway.py; needs `pip install openai pillow`."""

import base64
import contextlib
import http.server
import io
import json
import os
import tempfile
import threading
from pathlib import Path

import openai
from gateway import KEY, parasol
from PIL import Image


def png(width, height, colour):
    """A picture of one colour."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, "PNG")
    return out.getvalue()


PICTURE = base64.b64encode(png(64, 32, (200, 120, 40))).decode()
USAGE = {
    "input_tokens": 5, "output_tokens": 100, "total_tokens": 105,
    "input_tokens_details": {"text_tokens": 5, "image_tokens": 0},
}


class Provider(http.server.BaseHTTPRequestHandler):
    """Answers as OpenAI's images do."""

    asked = []

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        assert self.headers["authorization"] == f"Bearer {KEY}", self.headers
        Provider.asked.append((self.path, body))
        stream = b'"stream":true' in body or b'name="stream"' in body
        if b"forbidden" in body:
            error = {"message": "the safety system says no", "type": "image_generation_user_error", "code": "moderation_blocked"}
            return self.say(400, "application/json", json.dumps({"error": error}))
        if not stream:
            count = 2 if b'"n":2' in body else 1
            data = [{"b64_json": PICTURE}] * count
            return self.say(200, "application/json", json.dumps({"created": 1, "data": data, "usage": USAGE}))
        kind = "image_edit" if self.path.endswith("edits") else "image_generation"
        events = [
            {"type": f"{kind}.partial_image", "b64_json": PICTURE, "partial_image_index": 0},
            {"type": f"{kind}.completed", "b64_json": PICTURE, "usage": USAGE},
        ]
        self.say(200, "text/event-stream", "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events))

    def say(self, status, kind, text):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


def settings(folder, name, url, model, extended):
    """The home of a Parasol whose one picture model is that of a provider."""
    home = folder / name
    home.mkdir()
    (home / "remote.toml").write_text(
        f'[[provider]]\nname = "p-{name}"\nurl = "{url}/v1"\nkey_env = ["PICTURES_KEY"]\nmanner = {{ extended = {extended} }}\n'
        f'[[model]]\nname = "painter"\nprovider = "p-{name}"\nid = "{model}"\ncapabilities = ["imagine"]\n'
        'price = { input = 5.0, output = 40.0, dated = "2026-11-27", pictures = { each = 0.1 } }\n'
    )
    return home


def seen(data):
    """The size of a picture, which the library of pictures can open."""
    return Image.open(io.BytesIO(base64.b64decode(data))).size


def check(url):
    """Everything that the library can ask for."""
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    it = client.images.generate(
        model="painter", prompt="A lighthouse", n=2, size="1536x1024", quality="high", background="transparent",
        output_format="png", moderation="low",
    )
    assert [seen(one.b64_json) for one in it.data] == [(64, 32)] * 2, it
    assert (it.size, it.quality, it.output_format, it.usage.total_tokens) == ("64x32", "high", "png", 105), it
    assert abs(it.usage.cost - 0.004025) < 1e-9, it.usage
    sent = json.loads(Provider.asked[-1][1])
    assert sent["n"] == 2 and sent["size"] == "1536x1024" and sent["background"] == "transparent", sent
    day, mask = ("day.png", png(64, 32, (1, 2, 3)), "image/png"), ("mask.png", png(64, 32, (0, 0, 0)), "image/png")
    it = client.images.edit(model="painter", prompt="Make it night", image=[day, day], mask=mask, input_fidelity="high")
    assert seen(it.data[0].b64_json) == (64, 32)
    path, sent = Provider.asked[-1]
    assert path.endswith("/images/edits") and sent.count(day[1]) == 2 and sent.count(mask[1]) == 1, sent[:200]
    for ask, kind in [
        (lambda **more: client.images.generate(prompt="A lighthouse", **more), "image_generation"),
        (lambda **more: client.images.edit(prompt="Make it night", image=day, **more), "image_edit"),
    ]:
        events = list(ask(model="painter", stream=True, partial_images=1))
        assert [event.type for event in events] == [f"{kind}.partial_image", f"{kind}.completed"], events
        assert all(seen(event.b64_json) == (64, 32) for event in events)
        assert events[1].usage.total_tokens == 105 and events[0].partial_image_index == 0, events
    for error, wish in [
        (openai.BadRequestError, {"prompt": "something forbidden"}),
        (openai.BadRequestError, {"size": "large"}),
        (openai.BadRequestError, {"response_format": "url"}),
        (openai.BadRequestError, {"extra_body": {"seed": 7}}),
        (openai.NotFoundError, {"model": "nobody"}),
    ]:
        try:
            client.images.generate(**{"model": "painter", "prompt": "A lighthouse"} | wish)
        except error as told:
            print(f"  {type(told).__name__}: {told.body['message'][:100]} (param {told.body.get('param')})")
        else:
            raise AssertionError(wish)


def main():
    """Starts everything and checks both ways."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ["PICTURES_KEY"] = KEY
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        far = stack.enter_context(
            parasol(folder, "far.server", settings(folder, "far", f"http://127.0.0.1:{server.server_port}", "gpt-image-9", "false"))
        )
        front = stack.enter_context(parasol(folder, "front.server", settings(folder, "front", far, "painter", "true")))
        for name, url in [("through one Parasol", far), ("through two", front)]:
            print(name)
            check(url)
        leaks = [file for file in folder.rglob("*") if file.is_file() and KEY.encode() in file.read_bytes()]
        assert not leaks, leaks
    print("pictures: all fine")


if __name__ == "__main__":
    main()
