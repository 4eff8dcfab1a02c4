"""The strings on which tokenizers are compared, and the sample texts behind them (shared by the scripts of this folder)."""

import random
from pathlib import Path

TEXTS = Path(__file__).parent / "texts"


def passages() -> list[str]:
    """The paragraphs of the sample texts: pre-1900 prose, plain facts, code, many languages and emoji."""
    names = ("prose.txt", "facts.txt", "code.txt", "languages.txt")
    return [p for name in names for p in (TEXTS / name).read_text("utf-8").split("\n\n") if p.strip()]


GROUPS: dict[str, list[str]] = {
    "empty and single": ["", "a", "A", "0", " ", "\n", "\t", "\r", "\r\n", ".", "é", "中", "😀", "\u00a0", "\u200b", "_", "'"],
    "words": [
        "Hello world", " Hello world", "Hello  world", "hello world ", " hello", "Hello, world!", "HELLO WORLD",
        "The quick brown fox jumps over the lazy dog.", "antidisestablishmentarianism", "iPhone and eBay in the USA",
        "camelCaseWord SCREAMING_SNAKE snake_case kebab-case", "naïve café façade Ångström", "straße Straßenbahn",
        "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogoch", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "abababababababababab",
        "xqzjkvbw", "Mr. and Mrs. Smith went to Washington, D.C., at 5 p.m.", "e.g. this, i.e. that, etc.", "ﬁne oﬃce ﬂow",
        "ＦＵＬＬ　ｗｉｄｔｈ", "ǅ ǆ Ǆ ﬆ ₀₁₂ ⅷ ½ ²", "İstanbul ıssız IŞIK",
    ],
    "contractions": [
        "I'm you're he's she'll we've they'd don't", "I'M YOU'RE HE'S SHE'LL WE'VE THEY'D DON'T", "I'm You'Re he'S 'tis 'twas o'clock",
        "don’t can’t it’s", "'s 't 're 've 'm 'll 'd", "''s '''", "rock'n'roll", "the dogs' bowls", "y'all'd've", "'sup 'lo 'veil",
    ],
    "numbers": [
        "0 1 12 123 1234 12345 123456 1234567", "3.14159", "1,234,567.89", "-42", "1e-10", "0x1F600", "2026-11-23T19:24:55Z", "007", "50%",
        "$3.50 €20 £7 ¥1000", "1st 2nd 3rd 4th", "v1.2.3-rc.4+build5", "192.168.0.1:8080", "٣٤٥ ۳۴۵ ३४५ ๓๔๕", "一二三四五 １２３", "Ⅳ ⅳ ½ ¼ ² ³",
        "1 234 567", "a1b2c3", "123abc456def", "99999999999999999999999999",
    ],
    "whitespace": [
        "  ", "   ", "    ", "\t\t", "\n\n", "\n\n\n", " \n", "\n ", " \n ", "  \n\n  ", "a b", "a  b", "a   b", "a\tb", "a\t\tb", "a\nb", "a\n\nb",
        "a\n\n\n\nb", "a \n b", "a\r\nb", "a\r\n\r\nb", "a\rb", " a", "  a", "   a", "a ", "a  ", "a   ", "\ta", "\na", "a\n", "a\n ", "a \n",
        "    indented\n        more\n    less", "x = 1;  \n\n\n   y", "a\u00a0b", "a\u2003b", "a\u3000b", "\u3000中文", "a\u2028b\u2029c", "a\x0bb\x0cc",
        "a\u0085b", "a\u200bb", "a\ufeffb", "\ufeffBOM", " " * 17, "\n" * 9, "a" + " " * 33 + "b", "\t \t \n \t", "word\n  \nword", ".  .", " .", " !",
        "  !!", "\n!", "▁", "a▁b", "▁▁a", " ▁ ",
    ],
    "punctuation": [
        "!", "!!", "!!!", "?!", "...", "…", "--", "—", "–", "()", "([{}])", "<>", "<<>>", "\"quoted\"", "“quoted”", "‘x’", "«x»", "「日本」", "@user #tag",
        "a/b\\c", "a|b||c", "~~strike~~", "**bold** _it_ `code`", "# Heading\n\n- item\n- item\n", "!!!\n\n", ".\n", ";\n", "{}\n\n{}", "a.b.c", "^_^ :-) ;)",
        "§ ¶ † ‡ • ° ± × ÷ ≈ ≠ ≤ ≥ ∞ ∑ ∫ √ π", "→ ← ⇒ ⇔", "\\n \\t \\u0041", "=====", "-----\n", "*** ", "$$$", "100%!", "'\"'", "don't!?\n",
    ],
    "code": [
        "fn main() { println!(\"hi\"); }", "def f(x):\n    return x ** 2\n", "for (int i = 0; i < n; ++i) {\n\tsum += a[i];\n}", "if (a && b || !c) { }",
        "const x = `${a}-${b}`;", "#include <stdio.h>", "SELECT * FROM t WHERE id = 'x';", "<div class=\"a\">&amp;</div>", "{\"a\": [1, 2, {\"b\": null}]}",
        "\t\tif err != nil {\n\t\t\treturn err\n\t\t}", "/* comment */ // line\n", "a->b::c<d>(e)", "x!=y==z<=w>=v", "let s: &'static str = r#\"raw\"#;",
        "$ git commit -m \"msg\" && git push", "printf(\"%d\\n\", 0xFF);", "lambda x: x[::-1]", "import os, sys", "    \n\t\n    return;", "@decorator\nclass A(B):\n    pass",
        "C:\\Users\\name\\file.txt", "/usr/local/bin/python3", "\\frac{a}{b} + \\sqrt{x^2}", "0b1010_1010u8", "i++ + ++i",
    ],
    "urls": [
        "https://example.org", "https://www.example.org/path/to/page.html?x=1&y=2#top", "mailto:someone@example.org", "ftp://ftp.example.org:21/a%20b",
        "see www.example.org.", "user.name+tag@example.co.uk", "http://[::1]:8080/", "data:text/plain;base64,SGVsbG8=",
    ],
    "chinese": [
        "你好", "你好，世界！", "今天天气很好。", "中华人民共和国", "學而時習之，不亦說乎", "我有3个苹果和2个梨", "Python是一种编程语言", "龘靐齉", "𠮷野家", "㐀㐁",
        "“引号”和《书名》", "价格：￥１００", "你 好 吗", "你好\n世界", "汉字kanji混合text",
    ],
    "japanese and korean": [
        "こんにちは世界", "カタカナ", "ｶﾀｶﾅ", "がぎぐ", "か\u3099き\u3099", "日本語のテキストです。", "吾輩は猫である。名前はまだ無い。", "ー〜・", "안녕하세요", "한국어 텍스트", "\u1112\u1161\u11ab\u1100\u1173\u11af",
        "ㅋㅋㅋ", "東京タワー2026年",
    ],
    "other scripts": [
        "مرحبا بالعالم", "كِتَابٌ", "السَّلَامُ عَلَيْكُمْ", "שלום עולם", "שָׁלוֹם", "Привет, мир!", "Ёлка съешь", "Γειά σου Κόσμε", "नमस्ते दुनिया", "क्षत्रिय", "สวัสดีชาวโลก", "ສະບາຍດີ",
        "မင်္ဂလာပါ", "გამარჯობა", "Բարեւ", "ሰላም ልዑል", "ᚠᚢᚦᚨᚱᚲ", "𐌰𐌱𐌲", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝒮𝒸𝓇𝒾𝓅𝓉", "Việt Nam đẹp", "Ελλάδα 2026", "Türkçe ğüşiöç", "Zażółć gęślą jaźń", "Příliš žluťoučký kůň",
    ],
    "combining": [
        "e\u0301", "é", "cafe\u0301", "A\u030angstro\u0308m", "n\u0303", "a\u0300\u0301\u0302\u0303", "\u0301", " \u0301", "Z\u0351\u036ba\u0343\u036al\u0358g\u0361o", "\u1e9b\u0323", "Å Å Å",
        "i\u0307", "q\u0307\u0323", "x\u0338",
    ],
    "emoji": [
        "😀", "😀😃😄", "👍🏽", "👨‍👩‍👧‍👦", "👩🏾‍🚀", "🏳️‍🌈", "🏴‍☠️", "🇯🇵🇧🇷🇩🇪", "🇯", "❤️", "❤", "☺️", "1️⃣2️⃣", "#️⃣", "🤷🏻‍♀️", "🧑‍💻 codes", "hello 👋 world 🌍!", "😀 😃", "🫠🫡", "🐻‍❄️",
        "👨‍❤️‍💋‍👨", "\ufe0f", "\u200d", "🏽", "🎉🎉🎉", "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", "text😀text", "©®™ ☎ ☂️ ⚽",
    ],
    "control and odd": [
        "\x00", "a\x00b", "\x01\x02\x03", "\x7f", "\x1b[31mred\x1b[0m", "\x08\x08", "\u202eabc\u202c", "\u2066a\u2069", "a\u00adb", "\ufffd", "\ufffe", "\uffff", "\U0010ffff", "\ue000", "\U000f0000",
        "\ud7ff", "\u0378", "\U0001fffe", "\ufff9a\ufffa", "\u2060", "\u180e", "\u061c",
    ],
    "special tokens in text": [
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "<|im_start|>", "<|im_end|>", " <|im_end|> ", "<|endoftext|>", "a<|endoftext|>b", "<|im_start|><|im_start|>",
        "<|im_start", "|im_end|>", "<bos>", "<eos>", "<pad>", "<unk>", "<s>", "</s>", "<s>Hello</s>", "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n",
        "<end_of_turn>", "<start_of_image>", "<0x41>", "<0x00>", "<0xFF>", "a<0x0A>b", "<repo_name>x<file_sep>y", "<|begin|>Hello<|end|>", "<|begin|> Hello <|end|> ", "<|user|>\n\n<|begin|>",
        "<think>\nhmm\n</think>\n\nok", "a<think>b", "a <think> b", "<think>", "</think>", "<think><think>", "<|end|><think>", "[INST] hi [/INST]", "<unused0><unused1>", "<mask>", "[PAD]", "<table><tr></tr></table>", "<i>x</i>",
        "<strong>a</strong>", "\n\n\n<h1>", "<code>  </code>", "▁▁▁", "<|START|>", "<|im_start|>\n\n\n <|im_end|>",
    ],
}  # fmt: skip

# Byte strings that are no valid UTF-8, in hexadecimal.
BROKEN = [
    "80", "bf", "c0", "c3", "e4bd", "f09f98", "ff", "fe", "c080", "c1bf", "eda080", "edbfbf", "f4908080", "f8888080", "61c362", "61e4bd62", "61f09f9862",
    "20ff20", "e4bda0e5a5", "e5a5bde4", "f09f9880f09f98", "ffffff", "48656c6c6fff", "ff48656c6c6f", "c3a9c3", "0aff0a", "e28080e2", "808080", "f0", "31ff32",
]  # fmt: skip


def cases(seed: int = 5) -> list[dict[str, str]]:
    """Every test string as {"group", "text"}, or {"group", "hex"} where the bytes are no valid UTF-8."""
    out = [{"group": group, "text": text} for group, texts in GROUPS.items() for text in texts]
    out += [{"group": "passages", "text": p[:400]} for p in passages()]
    rng = random.Random(seed)
    pieces = [text for texts in GROUPS.values() for text in texts if 0 < len(text) <= 24] + [" ", "  ", "\n", " the", "'s", "1", "."] * 8
    out += [{"group": "mixed", "text": "".join(rng.choices(pieces, k=rng.randint(2, 9)))} for _ in range(90)]
    out += [{"group": "broken", "hex": h} for h in BROKEN]
    return out


def case_bytes(case: dict[str, str]) -> bytes:
    """The bytes of one case."""
    return bytes.fromhex(case["hex"]) if "hex" in case else case["text"].encode("utf-8")
