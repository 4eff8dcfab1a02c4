#!/usr/bin/env python3
"""Speech and transcription through the gateway: Parasol in front of the LiteLLM proxy, which stands in front of a Parasol with a voice
and a model that listens; ElevenLabs' protocol straight to that Parasol, since no other server of it can be installed. What the
official `openai` and `elevenlabs` libraries ask for through it is heard back. Variables as for gateway.py; PARASOL_HOME has
hibari and whisper-tiny."""

import contextlib
import json
import os
import tempfile
import urllib.request
from pathlib import Path

from gateway import KEY, LITELLM, each, free_port, parasol, post, process, usage
from sound import TEXT, WORDS, wav


def litellm(folder, far):
    """The proxy, whose two models are the Parasol's at `far`."""
    port = free_port()

    def entry(name, model, mode):
        parameters = {"model": f"openai/{model}", "api_base": f"{far}/v1", "api_key": "none"}
        return {"model_name": name, "litellm_params": parameters, "model_info": {"mode": mode}}

    models = [entry("voice", "hibari", "audio_speech"), entry("ears", "whisper-tiny", "audio_transcription")]
    config = {"model_list": models, "general_settings": {"master_key": KEY}, "litellm_settings": {"telemetry": False}}
    (folder / "litellm.yaml").write_text(json.dumps(config))
    command = [LITELLM, "--config", folder / "litellm.yaml", "--port", str(port), "--host", "127.0.0.1", "--telemetry", "False"]
    return process(command, port, "/health/liveliness", folder / "litellm.log", LITELLM_LOCAL_MODEL_COST_MAP="True")


def gateway(folder, entries):
    """A Parasol whose providers are `entries`: name, protocol, base URL, the names of its models there."""
    home = folder / "front"
    home.mkdir()
    text = ""
    for name, protocol, url, models in entries:
        text += f'[[provider]]\nname = "{name}"\nprotocol = "{protocol}"\nurl = "{url}"\nkey_env = ["{name.upper()}_KEY"]\n'
        text += "manner = { extended = false }\n"
        for does, model in models.items():
            text += f'[[model]]\nname = "{does}-by-{name}"\nprovider = "{name}"\nid = "{model}"\ncapabilities = ["{does}"]\n'
            text += 'voices = [{ name = "heart" }]\n' if does == "speak" else ""
            text += 'price = { input = 0.0, output = 0.0, characters = 15.0, minute = 0.006, dated = "2026-11-27" }\n'
        os.environ[f"{name.upper()}_KEY"] = KEY
    (home / "remote.toml").write_text(text)
    return parasol(folder, "front.server", home)


def heard(url, model, sound):
    """What a model that listens makes of it."""
    import openai

    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    text = client.audio.transcriptions.create(model=model, file=("a.wav", sound)).text.lower()
    missing = [word for word in WORDS if word not in text]
    assert not missing, (missing, text)


def check(front, far, speaks):
    import openai
    from elevenlabs.client import ElevenLabs

    done = []
    client = openai.OpenAI(base_url=f"{front}/v1", api_key="none", max_retries=0)
    sound = client.audio.speech.create(model=speaks, voice="heart", input=TEXT, response_format="wav").content
    heard(far, "whisper-tiny", sound)
    done.append("openai, wav")
    with client.audio.speech.with_streaming_response.create(
        model=speaks, voice="heart", input=TEXT, response_format="pcm"
    ) as answer:
        pieces = list(answer.iter_bytes())
    heard(far, "whisper-tiny", wav(b"".join(pieces)))
    done.append(f"openai, streamed in {len(pieces)} pieces")
    eleven = ElevenLabs(base_url=front, api_key="none")
    pieces = list(eleven.text_to_speech.stream("heart", text=TEXT, model_id=speaks, output_format="pcm_24000"))
    heard(far, "whisper-tiny", wav(b"".join(pieces)))
    done.append(f"elevenlabs, streamed in {len(pieces)} pieces")
    status, text = post(f"{front}/v1/audio/speech", {"model": speaks, "input": TEXT, "voice": "nobody"})
    assert status >= 400 and "nobody" in text, (status, text)
    done.append(f"unknown voice: {status}")
    return done


def main():
    with contextlib.ExitStack() as stack, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        far = stack.enter_context(parasol(folder, "far"))
        entries = [("eleven", "elevenlabs", f"{far}/v1", {"speak": "hibari"})]
        if LITELLM:
            proxy = stack.enter_context(litellm(folder, far))
            entries.append(("proxy", "openai", f"{proxy}/v1", {"speak": "voice", "transcribe": "ears"}))
        else:
            print("skipped: the LiteLLM proxy (PARASOL_LITELLM names no command)")
        front = stack.enter_context(gateway(folder, entries))

        def checked(entry, _protocol, _url, models):
            print(f"{entry}: " + "; ".join(check(front, far, f"speak-by-{entry}")))
            if "transcribe" in models:
                body = {"model": "hibari", "voice": "heart", "input": TEXT}
                request = urllib.request.Request(
                    f"{far}/v1/audio/speech", json.dumps(body).encode(), {"content-type": "application/json"}
                )
                heard(front, f"transcribe-by-{entry}", urllib.request.urlopen(request, timeout=120).read())
                print(f"{entry}: transcribed through it")

        failed = each(entries, checked)
        usage(folder)
        raise SystemExit(failed)


if __name__ == "__main__":
    main()
