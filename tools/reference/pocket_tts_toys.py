"""Toy voices of Pocket TTS with random weights, and what its own package makes of them, for `crates/audio/src/speech/pocket/tests.rs`.

    pip install pocket-tts==4.0.1 torch sentencepiece tokenizers safetensors pyyaml numpy scipy
    python tools/reference/pocket_tts_toys.py

Writes `tests/fixtures/pocket/KIND`: the files that a voice has (its configuration, `model.safetensors`, a tokenizer of either
kind, `embeddings/`), and `expected.safetensors` with what goes in and what comes out of every stage. `plain` has the layout of the
100 M models, `small` that of the ones of 2 to 18 M: fewer heads of keys than of queries, a table of low rank, a decoder of its
own, a head without time. The configurations have every key of the released ones; only sizes differ.
"""

import copy
import json
import pathlib
from functools import partial

import numpy as np
import sentencepiece
import tokenizers
import torch
import yaml
from pocket_tts import TTSModel
from pocket_tts.data.audio_utils import end_on_pause
from pocket_tts.models.flow_lm import ot_decode, pointwise_decode
from pocket_tts.models.mimi import build_mimi
from pocket_tts.models.model_state import export_model_state
from pocket_tts.models.text_chunking import prepare_text_prompt, split_into_best_sentences
from pocket_tts.modules.mlp import SimpleMLPAdaLN
from pocket_tts.modules.stateful_module import increment_steps, init_states
from pocket_tts.utils.config import Config
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
OUT = HERE.parents[1] / "tests/fixtures/pocket"
PIECES = 160
STEPS = 7
SPOKEN = "It rained for 3.5 days, said the man; nobody minded."
TEXTS = [
    SPOKEN,
    "hello",
    "One. Two! Three? It is 2.5 km to the lake... and back, then “home”.",
    "  many   spaces\nand lines  ",
    "A long sentence, which has commas; and colons: so that it is divided where they are, because nobody could say it all "
    "in one breath, however much one wanted to, and so on, and so forth.",
    "Trailing comma,",
    "(He said \"yes\")",
    "déjà vu — naïve, über ☃",
]


def transformer(**sizes):
    return dict(layer_scale=0.01, context=10, **sizes)


def seanet(**sizes):
    base = dict(channels=1, n_residual_layers=1, ratios=[6, 5, 4], residual_kernel_size=3, last_kernel_size=3)
    return base | dict(dilation_base=2, pad_mode="constant", compress=2) | sizes


PLAIN = dict(
    default_temperature=0.3,
    replace_characters={"’": "'", "“": '"', "”": '"', "—": ","},
    remove_semicolons=True,
    flow_lm=dict(
        insert_bos_before_voice=True,
        dtype="float32",
        flow=dict(depth=2, dim=16),
        transformer=dict(d_model=32, hidden_scale=4, max_period=10000, num_heads=2, num_layers=2),
        lookup_table=dict(dim=32, n_bins=PIECES, tokenizer="tokenizers", tokenizer_path="tokenizer.json"),
    ),
    mimi=dict(
        dtype="float32",
        sample_rate=24000,
        inner_dim=8,
        outer_dim=16,
        channels=1,
        frame_rate=12.5,
        seanet=seanet(dimension=16, n_filters=2, kernel_size=7),
        transformer=transformer(
            d_model=16, num_heads=2, num_layers=2, dim_feedforward=32, input_dimension=16, output_dimensions=[16]
        ),
        quantizer=dict(dimension=8, output_dimension=16),
    ),
)
SMALL = dict(
    default_temperature=0.5,
    default_eos_threshold=-1.0,
    pad_with_spaces_for_short_inputs=True,
    model_recommended_frames_after_eos=2,
    capitalize_first_letter=False,
    flow_lm=dict(
        insert_bos_before_voice=False,
        dtype="float32",
        flow=dict(depth=2, dim=16, type="drifting"),
        transformer=dict(
            d_model=24, hidden_scale=1, max_period=5000, num_heads=4, num_layers=2, attn_dim=32, num_kv_heads=2
        ),
        lookup_table=dict(
            dim=24, n_bins=PIECES, tokenizer="sentencepiece", tokenizer_path="tokenizer.model", rank=8
        ),
        z_dim=20,
    ),
    mimi=PLAIN["mimi"]
    | dict(
        outer_dim=12,
        quantizer=dict(dimension=8, output_dimension=12),
        decoder_seanet=seanet(dimension=12, n_filters=2, kernel_size=3),
        decoder_transformer=transformer(
            d_model=8, num_heads=1, num_layers=3, dim_feedforward=16, input_dimension=12, output_dimensions=[12]
        )
        | dict(context=5),
    ),
)


def tokenizer(folder: pathlib.Path) -> None:
    """A unigram model of a few pieces, as SentencePiece writes it and as the `tokenizers` library has it."""
    texts = [str(HERE / "texts" / name) for name in ("speech.txt", "prose.txt", "facts.txt")]
    sentencepiece.SentencePieceTrainer.train(
        input=texts, model_prefix=str(folder / "tokenizer"), vocab_size=PIECES, character_coverage=0.999,
        model_type="unigram", num_threads=1, minloglevel=2, hard_vocab_limit=False,
    )
    (folder / "tokenizer.vocab").unlink()
    pieces = sentencepiece.SentencePieceProcessor(str(folder / "tokenizer.model"))
    assert pieces.vocab_size() == PIECES, pieces.vocab_size()
    table = [(pieces.id_to_piece(i), pieces.get_score(i)) for i in range(PIECES)]
    fast = tokenizers.Tokenizer(tokenizers.models.Unigram(table, unk_id=pieces.unk_id()))
    n = tokenizers.normalizers
    fast.normalizer = n.Sequence([n.NFKC(), n.Strip(), n.Replace(tokenizers.Regex(" {2,}"), " ")])
    fast.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(prepend_scheme="always")
    fast.decoder = tokenizers.decoders.Metaspace(prepend_scheme="always")
    fast.save(str(folder / "tokenizer.json"), pretty=False)


def randomised(model: torch.nn.Module) -> None:
    """Weights of which each matters: the initial ones leave norms, scales and statistics at 0 and 1."""
    for name, value in list(model.named_parameters()) + list(model.named_buffers()):
        if name.endswith("freqs"):
            continue
        if name.endswith(("norm1.weight", "norm2.weight", "in_ln.weight", "out_norm.weight", ".alpha", "emb_std")):
            value.data = 0.7 + 0.6 * torch.rand_like(value)
        elif "layer_scale" in name:
            value.data = 0.3 + 0.4 * torch.rand_like(value)
        elif value.dim() > 1 and "bos" not in name and "embed.weight" not in name:
            value.data = torch.randn_like(value) * (1.2 / np.sqrt(value[0].numel()))
        else:
            value.data = 0.3 * torch.randn_like(value)
    model.flow_lm.bos_emb.data = torch.randn_like(model.flow_lm.bos_emb)
    # Within ±1, as sound is.
    model.mimi.decoder.model[-1].conv.weight.data *= 0.25


def build(folder: pathlib.Path, kind: dict) -> TTSModel:
    """Random weights in the file that the package reads, read by the package."""
    config = json.loads(json.dumps(kind))
    path = config["flow_lm"]["lookup_table"]
    path["tokenizer_path"] = str(folder / path["tokenizer_path"])
    parsed = Config(**config)
    model = TTSModel._from_pydantic_config(parsed, 0.3, 1, None, -4.0, origin=None)
    codec = parsed.mimi.inner_dim
    model.flow_lm.speaker_proj_weight = torch.nn.Parameter(torch.zeros(model.flow_lm.dim, codec))
    model.mimi = build_mimi(parsed.mimi)
    randomised(model)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "model.safetensors")
    (folder / "config.yaml").write_text(yaml.safe_dump(kind, allow_unicode=True, sort_keys=False), encoding="utf-8")
    config["weights_path"] = str(folder / "model.safetensors")
    here = folder / "here.yaml"
    here.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    loaded = TTSModel.load_model(config=here)
    here.unlink()
    return loaded


def sound(seconds: float) -> torch.Tensor:
    """Something like a voice: tones that come and go, and silence behind."""
    t = torch.arange(int(24000 * seconds)) / 24000
    wave = sum(torch.sin(2 * np.pi * f * t * (1 + 0.02 * torch.sin(5 * t))) / n for n, f in enumerate((140, 280, 560, 900), 1))
    envelope = torch.sin(np.pi * t / seconds * 3).abs() * (t < seconds * 0.8)
    return (0.2 * wave * envelope)[None]


class Noise:
    """Normal deviates in place of torch's own, kept in the order in which they were asked for."""

    def __init__(self):
        self.random, self.drawn = np.random.default_rng(11), []

    def __call__(self, tensor, mean=0.0, std=1.0):
        values = torch.tensor(self.random.standard_normal(tensor.shape[-1]), dtype=torch.float32)
        self.drawn.append(values)
        tensor.copy_(values * std)
        return tensor


def rules(model: TTSModel) -> dict:
    return dict(
        pad_with_spaces_for_short_inputs=model.pad_with_spaces_for_short_inputs,
        remove_semicolons=model.remove_semicolons,
        append_terminal_punctuation=model.append_terminal_punctuation,
        capitalize_first_letter=model.capitalize_first_letter,
        replace_characters=model.replace_characters,
    )


def texts(model: TTSModel) -> list:
    told = []
    words = model.flow_lm.conditioner.tokenizer
    for text in TEXTS:
        chunks = []
        for chunk in split_into_best_sentences(words, text, 50, **rules(model)):
            prepared, frames = prepare_text_prompt(chunk, **rules(model))
            chunks.append(dict(text=chunk, prepared=prepared, ids=words(prepared)[0].tolist(), frames=frames))
        told.append(dict(text=text, chunks=chunks))
    return told


@torch.no_grad()
def expected(model: TTSModel, folder: pathlib.Path) -> dict:
    out, noise = {}, Noise()
    drawn_by_torch, torch.nn.init.normal_ = torch.nn.init.normal_, noise
    lm, mimi = model.flow_lm, model.mimi
    out["reference"] = sound(0.5)[0]
    ended = end_on_pause(sound(0.5), 24000)
    out["ended"] = ended[0]
    out["encoded"] = mimi.encode_to_latent(ended[None])[0]
    out["prompt"] = model._encode_audio(ended[None])[0]
    state = model.get_state_for_audio_prompt(sound(0.5))
    (folder / "embeddings").mkdir(exist_ok=True)
    export_model_state(state, folder / "embeddings/alba.safetensors")

    # Steps with what the head and the end are told from.
    seen, ends = [], []
    lm.flow_net.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0][0].clone()))
    lm.out_eos.register_forward_hook(lambda _m, _i, logit: ends.append(logit.reshape(-1).clone()))
    ids = lm.conditioner.prepare(prepare_text_prompt(SPOKEN, **rules(model))[0])
    out["ids"] = ids[0].to(torch.float32)
    steps = copy.deepcopy(state)
    model._expand_kv_cache(steps, 400)
    model._run_flow_lm_and_increment_step(model_state=steps, text_tokens=ids)
    seen.clear(), ends.clear(), noise.drawn.clear()
    latent, latents = torch.full((1, 1, lm.ldim), float("NaN")), []
    for _ in range(STEPS):
        latent, _ = model._run_flow_lm_and_increment_step(model_state=steps, backbone_input_latents=latent)
        latents.append(latent[0, 0])
    out["conditions"], out["ends"] = torch.stack(seen), torch.cat(ends)
    out["noise"], out["latents"] = torch.stack(noise.drawn), torch.stack(latents)
    # What the head would draw for voices that were trained in other ways: with one time of the two, or with none.
    condition, start = out["conditions"][:1], out["noise"][:1]
    if model.config.flow_lm.flow.type == "lsd":
        net = SimpleMLPAdaLN(lm.ldim, 16, lm.ldim, condition.shape[1], 2, num_time_conds=1)
        net.load_state_dict({k: v for k, v in lm.flow_net.state_dict().items() if "time_embed.1" not in k})
        out["flow_matching"] = ot_decode(partial(net, condition), start, 16)
    else:
        out["pointwise"] = pointwise_decode(partial(lm.flow_net, condition), start)

    codec = init_states(mimi, batch_size=1, sequence_length=STEPS * 16)
    frames = []
    for latent in latents:
        scaled = latent[None, None] * lm.emb_std + lm.emb_mean
        frames.append(mimi.decode_from_latent(scaled, codec)[0, 0])
        increment_steps(mimi, codec, increment=16)
    out["sound"] = torch.cat(frames)

    # A whole text, as a user has it. The first noise is drawn while the text is read and not used.
    noise.drawn.clear()
    out["whole"] = model.generate_audio(state, SPOKEN)
    out["whole_noise"] = torch.stack(noise.drawn[1:])
    torch.nn.init.normal_ = drawn_by_torch
    return {name: value.contiguous() for name, value in out.items()}


def main() -> None:
    torch.set_num_threads(1)
    for name, kind in (("plain", PLAIN), ("small", SMALL)):
        torch.manual_seed(5)
        folder = OUT / name
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer(folder)
        model = build(folder, kind)
        with open(folder / "texts.json", "w", encoding="utf-8") as file:
            json.dump(texts(model), file, ensure_ascii=False, indent=0)
        values = expected(model, folder)
        save_file(values, folder / "expected.safetensors")
        (folder / ("tokenizer.json" if name == "small" else "tokenizer.model")).unlink()
        for key, value in values.items():
            size = value.float().abs().max().item()
            print(name, key, tuple(value.shape), f"{size:.3f}")
        print(name, "ends", values["ends"].tolist(), len(values["whole"]) / 1920)


if __name__ == "__main__":
    main()
