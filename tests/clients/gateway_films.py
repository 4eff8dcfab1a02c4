#!/usr/bin/env python3
"""Films through the gateway: a Parasol in front of a provider that this file plays in three protocols, since none can be installed, asked
with the official `openai` library; and the same behind the LiteLLM proxy. That the provider is played rightly is shown first: the
official libraries `openai`, `runwayml` and `google-genai` (below 3: later ones begin no film in this API) have to get their films from it. Variables as for gateway.py; run it with an
interpreter that has these three."""

import base64
import contextlib
import http.server
import json
import os
import tempfile
import threading
import time
from pathlib import Path

from gateway import KEY, LITELLM, free_port, parasol, process

# An MP4 file as far as its boxes go.
FILM = b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x09moovx" + (8 + 300_000).to_bytes(4, "big") + b"mdat" + b"f" * 300_000
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
OPERATION = "models/veo/operations/op"


class Studio(http.server.BaseHTTPRequestHandler):
    """Jobs wait at the first look, run at the second, and are done at the third."""

    protocol_version = "HTTP/1.1"
    looks: dict = {}
    asked: list = []

    def log_message(self, *_):
        pass

    def tell(self, body, kind="application/json", status=200):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        number = len(self.asked)
        self.asked.append((self.command, self.path, body))
        if self.path.startswith("/v1/videos"):
            # LiteLLM asks in JSON and the official library in a form; the latter is only looked into for these.
            text = body.decode("latin-1")
            seconds = "8" if '"seconds"\r\n\r\n8' in text or '"seconds": "8"' in text or '"seconds":"8"' in text else "4"
            self.tell(self.video(f"video_{number}", "queued", seconds))
        elif self.path.endswith(":predictLongRunning"):
            assert json.loads(body)["instances"][0]["prompt"]
            self.tell({"name": f"{OPERATION}{number}"})
        else:
            assert self.headers["x-runway-version"] == "2024-11-06" and json.loads(body)["promptText"]
            self.tell({"id": f"17f20503-6c24-4c16-946b-{number:012}"})

    def video(self, name, status, seconds="4"):
        progress = {"queued": 0, "in_progress": 50, "completed": 100}[status]
        return {"id": name, "object": "video", "model": "sora-2", "status": status, "progress": progress, "created_at": int(time.time()),
                "completed_at": None, "expires_at": None, "error": None, "prompt": "x", "remixed_from_video_id": None,
                "seconds": seconds, "size": "1280x720"}

    def do_GET(self):
        path = self.path.split("?")[0]
        if path.endswith(("/content", ".mp4", ":download")):
            return self.tell(FILM, "video/mp4")
        count = self.looks[path] = self.looks.get(path, 0) + 1
        if path.startswith("/v1/videos/"):
            status = ["queued", "in_progress", "completed"][min(count, 3) - 1]
            return self.tell(self.video(path.rsplit("/", 1)[1], status))
        if path.startswith("/v1beta/"):
            told = {"name": path.removeprefix("/v1beta/")}
            if count >= 3:
                sample = {"video": {"uri": "https://generativelanguage.googleapis.com/v1beta/files/abc123:download?alt=media"}}
                told |= {"done": True, "response": {"generateVideoResponse": {"generatedSamples": [sample]}}}
            return self.tell(told)
        task = {"id": path.rsplit("/", 1)[1], "createdAt": "2026-11-27T20:00:00.000Z"}
        host = self.headers["host"]
        more = [{"status": "PENDING"}, {"status": "RUNNING", "progress": 0.5}, {"status": "SUCCEEDED", "output": [f"http://{host}/film.mp4"]}]
        return self.tell(task | more[min(count, 3) - 1])

    def do_DELETE(self):
        self.asked.append((self.command, self.path, b""))
        self.tell({"id": self.path.rsplit("/", 1)[1], "object": "video.deleted", "deleted": True})


def libraries(url):
    """The official libraries get their films from the provider that is played."""
    import httpx
    import openai
    from google import genai
    from runwayml import RunwayML

    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    video = client.videos.create_and_poll(model="sora-2", prompt="A cat.", seconds="8", poll_interval_ms=50)
    assert video.status == "completed" and client.videos.download_content(video.id).read() == FILM
    runway = RunwayML(base_url=url, api_key="none", max_retries=0)
    task = runway.image_to_video.create(model="gen4_turbo", prompt_image="data:image/png;base64,AAAA", ratio="1280:720", prompt_text="x")
    for _ in range(3):
        told = runway.tasks.retrieve(task.id)
    assert told.status == "SUCCEEDED" and httpx.get(told.output[0]).content == FILM
    runway.tasks.delete(task.id)
    google = genai.Client(api_key="none", http_options={"base_url": url})
    operation = google.models.generate_videos(model="veo", prompt="A cat.")
    while not operation.done:
        operation = google.operations.get(operation)
    assert google.files.download(file=operation.response.generated_videos[0].video) == FILM
    print("the official openai, runwayml and google-genai libraries get their films")


def gateway(folder, name, entries):
    """A Parasol whose providers are `entries`: name, protocol, base URL, the model's name there."""
    home = folder / name
    home.mkdir()
    text = ""
    for entry, protocol, url, model in entries:
        text += f'[[provider]]\nname = "{entry}"\nprotocol = "{protocol}"\nurl = "{url}"\nkey_env = ["{entry.upper()}_KEY"]\n'
        text += "manner = { extended = false }\nlimits = { poll = 0.1, health_interval = 0.0 }\n"
        text += f'[[model]]\nname = "by-{entry}"\nprovider = "{entry}"\nid = "{model}"\ncapabilities = ["film"]\n'
        text += 'price = { input = 0.0, output = 0.0, second = 0.1, dated = "2026-11-27" }\n'
        os.environ[f"{entry.upper()}_KEY"] = KEY
    (home / "remote.toml").write_text(text)
    return parasol(folder, name + ".server", home)


def films(url, model, remixes):
    """What the official library does with the films of a model."""
    import openai

    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    video = client.videos.create_and_poll(model=model, prompt="A cat.", seconds="8", size="1280x720", poll_interval_ms=50)
    assert (video.status, video.progress, video.error) == ("completed", 100, None), video
    assert client.videos.download_content(video.id).read() == FILM
    with client.videos.with_streaming_response.download_content(video.id, variant="video") as answer:
        assert answer.headers["content-type"] == "video/mp4" and sum(map(len, answer.iter_bytes())) == len(FILM)
    framed = client.videos.create_and_poll(model=model, prompt="It moves.", input_reference=("cat.png", PNG), poll_interval_ms=50)
    told = client.videos.create(model=model, prompt="Another.")
    while client.videos.retrieve(told.id).status != "completed":
        time.sleep(0.05)
    listed = [it.id for it in client.videos.list(limit=1)][:3]
    assert listed == [told.id, framed.id, video.id], listed
    if remixes:
        assert client.videos.remix(video.id, prompt="At night.").remixed_from_video_id == video.id
    else:
        with contextlib.suppress(openai.BadRequestError):
            client.videos.remix(video.id, prompt="At night.")
            raise AssertionError("it was made anew")
    for wrong, error in [({"seconds": "many"}, openai.BadRequestError), ({"model": "nobody"}, openai.NotFoundError)]:
        with contextlib.suppress(error):
            client.videos.create(**{"model": model, "prompt": "x"} | wrong)
            raise AssertionError(wrong)
    assert client.videos.delete(video.id).deleted
    with contextlib.suppress(openai.NotFoundError):
        client.videos.retrieve(video.id)
        raise AssertionError("it is still there")
    print(f"{model}: made, framed, listed, fetched and removed by the official openai library")


def litellm(folder, url):
    """The proxy, whose one model is the provider's in OpenAI's protocol."""
    port = free_port()
    entry = {"model_name": "reel", "litellm_params": {"model": "openai/sora-2", "api_base": f"{url}/v1", "api_key": "none"}}
    config = {"model_list": [entry], "general_settings": {"master_key": KEY}, "litellm_settings": {"telemetry": False}}
    (folder / "litellm.yaml").write_text(json.dumps(config))
    command = [LITELLM, "--config", folder / "litellm.yaml", "--port", str(port), "--host", "127.0.0.1", "--telemetry", "False"]
    return process(command, port, "/health/liveliness", folder / "litellm.log", LITELLM_LOCAL_MODEL_COST_MAP="True")


def main():
    studio = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Studio)
    threading.Thread(target=studio.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{studio.server_port}"
    libraries(url)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        entries = [("sora", "openai", f"{url}/v1", "sora-2"), ("veo", "gemini", f"{url}/v1beta", "veo"), ("reel", "runway", f"{url}/v1", "gen4.5")]
        if LITELLM:
            proxy = stack.enter_context(litellm(folder, url))
            entries.append(("proxy", "openai", f"{proxy}/v1", "reel"))
        else:
            print("PARASOL_LITELLM is not set: the LiteLLM proxy is left out")
        front = stack.enter_context(gateway(folder, "front", entries))
        for entry, protocol, _, _ in entries:
            films(front, f"by-{entry}", protocol == "openai")


if __name__ == "__main__":
    main()
