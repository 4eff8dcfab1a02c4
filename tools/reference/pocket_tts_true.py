"""A voice of Pocket TTS in its true shape with random weights, for speed, which does not read the values.

    pip install pocket-tts==4.0.1 torch sentencepiece tokenizers safetensors pyyaml numpy scipy
    python tools/reference/pocket_tts_true.py FOLDER [CONFIG]

CONFIG is a name of the package's configurations (`english_2026-04`). Writes what a voice has: `model.safetensors` in bfloat16 as it is
published, CONFIG.yaml, `tokenizer.model` of 4 000 pieces from the texts of this folder and, as many as are missing, made-up words; and
`embeddings/alba.safetensors`, heard from ten seconds of tones. Its end never comes, so that every text lasts as long as it may.
"""

import pathlib
import random
import sys
import tempfile

import sentencepiece
import torch
import yaml
from pocket_tts import TTSModel
from pocket_tts.models.mimi import build_mimi
from pocket_tts.models.model_state import export_model_state
from pocket_tts.utils.config import CONFIGS_DIR, Config
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent


def tokenizer(folder: pathlib.Path, size: int) -> None:
    letters, draw = "etaoinshrdlucmfwypvbgk", random.Random(3)
    lines = [line for name in ("speech.txt", "prose.txt", "facts.txt") for line in (HERE / "texts" / name).open()]
    for _ in range(40_000):
        lines.append(" ".join("".join(draw.choices(letters, k=draw.randint(2, 9))) for _ in range(8)) + ".")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as text:
        text.write("\n".join(line.strip() for line in lines))
        text.flush()
        sentencepiece.SentencePieceTrainer.train(
            input=text.name, model_prefix=str(folder / "tokenizer"), vocab_size=size, model_type="unigram",
            minloglevel=2,
        )
    (folder / "tokenizer.vocab").unlink()


def main() -> None:
    folder, name = pathlib.Path(sys.argv[1]), (sys.argv[2:] or ["english_2026-04"])[0]
    folder.mkdir(parents=True, exist_ok=True)
    config = yaml.safe_load((CONFIGS_DIR / f"{name}.yaml").read_text())
    table = config["flow_lm"]["lookup_table"]
    tokenizer(folder, table["n_bins"])
    table["tokenizer"], table["tokenizer_path"] = "sentencepiece", str(folder / "tokenizer.model")
    config.pop("weights_path_without_voice_cloning", None)
    config["weights_path"] = str(folder / "model.safetensors")
    torch.manual_seed(1)
    parsed = Config(**config)
    model = TTSModel._from_pydantic_config(parsed, 0.3, 1, None, -4.0, origin=None)
    model.flow_lm.speaker_proj_weight = torch.nn.Parameter(torch.randn(model.flow_lm.dim, parsed.mimi.inner_dim))
    model.mimi = build_mimi(parsed.mimi)
    model.flow_lm.out_eos.bias.data.fill_(-1000.0)
    model.flow_lm.bos_emb.data = torch.randn_like(model.flow_lm.bos_emb)
    state = {key: value.to(torch.bfloat16).contiguous() for key, value in model.state_dict().items()}
    save_file(state, folder / "model.safetensors")
    print(len(state), "tensors,", sum(value.numel() for value in state.values()), "values")
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    model = TTSModel.load_model(config=folder / f"{name}.yaml")
    t = torch.arange(240_000) / 24_000
    sound = (0.3 * torch.sin(900 * t) * torch.sin(4 * t))[None]
    (folder / "embeddings").mkdir(exist_ok=True)
    export_model_state(model.get_state_for_audio_prompt(sound), folder / "embeddings/alba.safetensors")


if __name__ == "__main__":
    main()
