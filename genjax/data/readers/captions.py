"""Folders of images with sentences: a text file beside each image, one caption a line, or one captions.json for all.

captions.json holds {"folder/1.jpg": ["a red bird", ...], ...}, or COCO's lists "images" and "annotations".
"""

import json
import os
import pathlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from genjax.data.dataset import Arrays, DataError, Dataset, Files
from genjax.data.errors import reason
from genjax.data.fingerprint import fingerprint
from genjax.data.options import DEFAULTS, Options, user_path
from genjax.data.readers import bounds
from genjax.data.readers.folder import load_with_paths, printable

UNKNOWN = "<unknown>"
"""Word 1 of a vocabulary made from captions: any word of a test caption that no training caption has."""
_WORD = re.compile(r"\w+|[^\w\s]")
_NAMED = 5


def load(directory: str | os.PathLike[str], options: Options = DEFAULTS) -> Dataset:
    """Return the images of a folder as `folder:DIR` has them, with "captions": int32[count, captions, length].

    Captions are lower-case words, numbered by how often training captions hold them; `Dataset.words` names them, 0
    fills up. Images with fewer captions than others repeat theirs. DataError where an image has none, or where
    captions.json or a text file cannot be read.
    """
    root = user_path(directory)
    dataset, paths = load_with_paths(root, options)
    together = root / "captions.json"
    if os.path.isfile(together):
        table = _table(together)
        texts = [[table.get(os.path.relpath(path, root).replace(os.sep, "/"), []) for path in part] for part in paths]
    else:
        texts = [[_beside(path) for path in part] for part in paths]
    lacking = [
        path for part, said in zip(paths, texts, strict=True) for path, text in zip(part, said, strict=True) if not text
    ]
    if lacking:
        some = ", ".join(printable(os.path.relpath(path, root)) for path in lacking[:_NAMED])
        raise DataError(
            f"{len(lacking)} images of {root} have no caption: {some}{', ...' * (len(lacking) > _NAMED)}; add them to "
            "captions.json, or a text file of the image's name with one caption a line"
        )
    words = vocabulary([caption for text in texts[0] for caption in text])
    most = max(len(text) for part in texts for text in part)
    longest = max(len(split(caption)) for part in texts for text in part for caption in text)
    bounds.check(4 * most * longest * sum(map(len, texts)), f"the captions of {root}", "shorten them")
    train, test = (
        _with(splits, encode(text, words, most, longest))
        for splits, text in zip((dataset.train, dataset.test), texts, strict=True)
    )
    said = (
        [together]
        if os.path.isfile(together)
        else [os.path.splitext(path)[0] + ".txt" for part in paths for path in part]
    )
    mark = f"{dataset.fingerprint}{fingerprint(said, root)}"
    name = dataset.name.replace("folder:", "captions:", 1)
    return replace(dataset, name=name, train=train, test=test, words=words, fingerprint=mark)


def split(caption: str) -> list[str]:
    """Return a caption's words in lower case; a sign is a word of its own."""
    return _WORD.findall(caption.lower())


def vocabulary(captions: Sequence[str]) -> tuple[str, ...]:
    """Return "", UNKNOWN, and the captions' words, the frequent ones first."""
    counts = Counter(word for caption in captions for word in split(caption))
    return ("", UNKNOWN, *sorted(counts, key=lambda word: (-counts[word], word)))


def encode(texts: Sequence[Sequence[str]], words: tuple[str, ...], captions: int, length: int) -> np.ndarray:
    """Return texts, some captions each, as numbers in `words`: int32[len(texts), captions, length]."""
    numbers = {word: number for number, word in enumerate(words)}
    unknown = numbers.get(UNKNOWN, 0)
    out = np.zeros((len(texts), captions, length), np.int32)
    for row, text in enumerate(texts):
        for column in range(captions):
            found = [numbers.get(word, unknown) for word in split(text[column % len(text)])][:length]
            out[row, column, : len(found)] = found
    return out


def _with(images: Any, captions: np.ndarray) -> Arrays | Files:
    if isinstance(images, Arrays):
        return Arrays({**images.arrays, "captions": captions})
    return replace(images, others={**images.others, "captions": captions})


def _table(path: pathlib.Path) -> dict[str, list[str]]:
    content = _parsed(path)
    if isinstance(content, dict) and {"images", "annotations"} <= content.keys():
        return _coco(path, content)
    table = {}
    for name, text in content.items() if isinstance(content, dict) else ():
        table[str(name)] = captions = [text] if isinstance(text, str) else text
        if not isinstance(captions, list) or not all(isinstance(caption, str) for caption in captions):
            raise DataError(f"{path}: the captions of {name!r} must be a text or a list of texts")
    if not table:
        raise DataError(f'{path} holds no captions; expected {{"folder/1.jpg": ["a caption", ...], ...}}')
    return {name: [caption for caption in captions if split(caption)] for name, captions in table.items()}


def _parsed(path: pathlib.Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as JSON ({reason(error)}); mend it") from error


def _coco(path: pathlib.Path, content: dict[str, Any]) -> dict[str, list[str]]:
    try:
        names = {image["id"]: str(image["file_name"]) for image in content["images"]}
        table: dict[str, list[str]] = {name: [] for name in names.values()}
        for annotation in content["annotations"]:
            if split(annotation["caption"]):
                table[names[annotation["image_id"]]].append(annotation["caption"])
        return table
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} has lists of images and annotations, but not as COCO has them ({type(error).__name__}: "
            f'{reason(error)}); expected "id" and "file_name", "image_id" and "caption"'
        ) from error


def _beside(path: str) -> list[str]:
    text = pathlib.Path(os.path.splitext(path)[0] + ".txt")
    if not os.path.isfile(text):
        return []
    try:
        return [line for line in text.read_text(encoding="utf-8").splitlines() if split(line)]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{text} cannot be read ({reason(error)}); write one caption a line, in UTF-8") from error
