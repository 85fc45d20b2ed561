"""Rules of prose that a machine can count: numbers and words in a sentence, colons in a paragraph."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

NUMBERS, WORDS, COLONS = 3, 25, 1  # at most: in a sentence, in a sentence, in a paragraph
BLOCKS = re.compile(r"\A---\n.*?\n---\n|^(`{3,}|~{3,}).*?^\1[`~]*$|^\$\$.*?^\$\$$|<!--.*?-->", re.DOTALL | re.MULTILINE)
GLOSSARY = re.compile(r"^```\{glossary\}\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINES = re.compile(
    r"^(?:\(.*\)=|:{3,}.*|\|.*|:[\w-]+:.*|\{.*\}|#.*)$", re.MULTILINE
)  # labels, fences, tables, headings
NUMBER = re.compile(r"(?<![\w.-])[-+±]?\d[\d,]*(?:\.\d+)?(?![\w-]*[A-Za-z])|\bN\b")
SPREAD = re.compile(r"(?<=\d) \(-?[\d.,]+ to -?[\d.,]+\)")  # of a measured value, right behind it


def paragraphs(text: str) -> Iterator[str]:
    """Paragraphs and list items of a Markdown page, as plain words; a glued number is an N, a formula or code an X."""
    text = LINES.sub("\n", BLOCKS.sub("\n", GLOSSARY.sub(_entries, text)))
    text = re.sub(r"\{glue:text\}`[^`]*`", "N", text)
    text = re.sub(r"\{cite:p\}`[^`]*`", "", text)
    text = re.sub(r"\{\w[\w:]*\}`([^`<]*?)(?:\s*<[^`]*>)?`", r"\1", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    text = re.sub(r"`[^`]*`|\$[^$]+\$", "X", text)
    text = re.sub(r"\[|\]|\*\*?|(?<=\s)_|\\$", "", text)
    for part in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.)\s)", text):
        words = " ".join(re.sub(r"^\s*(?:[-*]|\d+\.)\s+", "", part).split())
        if len(words.split()) > 1:
            yield words


def _entries(glossary: re.Match) -> str:
    """The entries, each term apart from what is said of it."""
    return re.sub(r"^(\S.*)\n(?=  )", r"\1\n\n", glossary[1], flags=re.MULTILINE)


def sentences(paragraph: str) -> list[str]:
    """The sentences of a paragraph."""
    return [part for part in re.split(r"(?<=[.!?])[)\"”]?\s+(?=[A-ZN\"“(*X])", paragraph) if part]


def numbers(sentence: str) -> int:
    """How many numbers a sentence holds; "chapter 3", names such as Qwen3-0.6B and years of papers are none."""
    sentence = re.sub(
        r"\b(?:[Cc]hapters?|[Ss]ections?|[Tt]ables?|[Ll]abs?|[Pp]ython|[Ii]Phone|[Pp]ixel|OnePlus|Gemma) \d+(?:\.\d+)*",
        "",
        sentence,
    )
    return len(NUMBER.findall(sentence))


def faults(text: str) -> list[str]:
    """Every sentence and paragraph of a Markdown text that breaks a rule, with the rule."""
    found = []
    for paragraph in paragraphs(text):
        for sentence in sentences(paragraph):
            if (count := numbers(sentence)) > NUMBERS:
                found.append(f"{count} numbers: {sentence}")
            if (count := len(sentence.split())) > WORDS:
                found.append(f"{count} words: {sentence}")
        if (count := len(re.findall(r":(?=\s|$)", paragraph))) > COLONS:
            found.append(f"{count} colons: {paragraph}")
    return found


def faults_of_finding(text: str) -> list[str]:
    """`faults` of what a claim reports, where a value and its spread in brackets are one number."""
    return faults(SPREAD.sub("", text))


def text_of(path: Path) -> str:
    """A page's text, or the text of a notebook's Markdown cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


if __name__ == "__main__":
    import sys

    for name in sys.argv[1:]:
        found = faults(text_of(Path(name)))
        print(f"{name}: {len(found)}", *found, sep="\n  ")
