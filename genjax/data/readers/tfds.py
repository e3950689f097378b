"""Prepared tensorflow-datasets sets (array_record), read without TensorFlow and without touching the network."""

import difflib
import io
import os
import pathlib
from typing import Any

import numpy as np

from genjax.data.dataset import DataError, Dataset, Facts
from genjax.data.errors import reason
from genjax.data.fingerprint import fingerprint
from genjax.data.holdout import SHARE, Rows, empty_classes, hold_out
from genjax.data.labels import check_labels
from genjax.data.options import DEFAULTS, Options, user_path
from genjax.data.readers.image import White, examine
from genjax.data.readers.survey import Encoded, Look, opened, survey


def load(name: str, options: Options = DEFAULTS) -> Dataset:
    """Return a set by name (mnist, NAME/CONFIG:VERSION) or the directory of a prepared one (with dataset_info.json).

    Splits: train, or another one that is named (stl10@unlabelled), and test or validation, else a share of the former
    is held out. A set whose training labels are all -1 has no labels. Images from the feature "image", labels
    from "label". Decoded once into a memory-mapped cache, or (stream) whenever asked for. DataError, at once, if the
    set is unknown, not prepared or has no images.
    """
    set_name, first_split = _named_split(name)
    builder = _builder(set_name)
    names, second = _described(builder, name, first_split)
    parts = {split: _source(builder, split, names) for split in (first_split, second) if split is not None}
    given = parts[first_split][1]
    if given is not None and len(given) and (given < 0).all():
        names, parts = (), {split: (source, None) for split, (source, _) in parts.items()}
    encoded = _encoded(builder, name, {split: source for split, (source, _) in parts.items()})
    # What was prepared was checked then, and is large; it is looked through only to leave out what is broken.
    look = survey(encoded, options, f"tfds:{name}") if options.skip_unreadable else _declared(builder, encoded, options)
    rows, first = [], 0
    for source, labels in parts.values():
        numbers = look.usable[(look.usable >= first) & (look.usable < first + len(source))]
        rows.append(Rows(numbers, None if labels is None else labels[numbers - first]))
        first += len(source)
    notes = list(look.notes)
    if second is None:
        rows, note = hold_out(rows[0], options)
        notes.append(note)
    else:
        options.refuse_hold_out(f"tfds:{name}")
    train, test = (opened(encoded, part, look, options) for part in rows)
    notes += empty_classes(rows[0].labels, rows[1].labels, names)
    mark = fingerprint(sorted(pathlib.Path(builder.data_path).iterdir()), builder.data_path)
    return Dataset(_title(builder, first_split), train, test, names, fingerprint=mark, notes=tuple(notes))


def _named_split(name: str) -> tuple[str, str]:
    """Return the set and the split to train on: "stl10@unlabelled" is both, "mnist" trains on "train"."""
    stem, at, split = name.rpartition("@")
    return (stem, split) if at and "/" not in split else (name, "train")


def _title(builder: Any, split: str) -> str:
    return f"tfds:{builder.info.full_name}" + ("" if split == "train" else f"@{split}")


def _encoded(builder: Any, name: str, sources: dict[str, Any]) -> Encoded:
    """Return the examples of all splits one after the other."""
    starts = np.cumsum([0, *map(len, sources.values())])
    files = sorted(pathlib.Path(builder.data_path).iterdir())
    stamp = (str(builder.data_path), builder.info.full_name, fingerprint(files, builder.data_path))

    def place(number: int) -> tuple[str, int]:
        split = int(np.searchsorted(starts, number, "right")) - 1
        return list(sources)[split], number - int(starts[split])

    def open_(number: int) -> io.BytesIO:
        split, row = place(number)
        return io.BytesIO(sources[split][row]["image"])

    def named(number: int) -> str:
        return "tfds:{}, {} example {}".format(name, *place(number))

    return Encoded(open_, named, range(int(starts[-1])), stamp)


def _declared(builder: Any, encoded: Encoded, options: Options) -> Look:
    """Return the look that the set's description gives all images, and its first image where that says nothing."""
    options.refuse_channels("sets of images")
    seen = examine(encoded.open(0), encoded.name(0))
    found = (seen.height, seen.width, seen.channels)
    given = builder.info.features["image"].shape
    height, width, channels = (declared or number for declared, number in zip(given, found, strict=True))
    depth = options.channels or (1 if channels == 1 else 3)
    shape = (options.image_size or height, options.image_size or width, depth)
    return Look(np.arange(len(encoded.stamps)), np.empty(0), shape, White(), ())


def facts(name: str) -> Facts:
    """Return what a prepared set's own description says of it, reading no example. DataError as in `load`."""
    set_name, first_split = _named_split(name)
    builder = _builder(set_name)
    names, second = _described(builder, name, first_split)
    shape, count = builder.info.features["image"].shape, builder.info.splits[first_split].num_examples
    if None in shape:
        raise DataError(f"tfds:{name} has images of different sizes, so nothing is known of them without the set")
    held = round(SHARE * count)
    return Facts(
        name=_title(builder, first_split),
        columns={"images": (tuple(shape), "uint8"), **({"labels": ((), "int32")} if names else {})},
        train=count if second else count - held,
        test=builder.info.splits[second].num_examples if second else held,
        class_names=names,
        fingerprint=fingerprint(sorted(pathlib.Path(builder.data_path).iterdir()), builder.data_path),
    )


def _described(builder: Any, name: str, train: str) -> tuple[tuple[str, ...], str | None]:
    """Return the class names and the split that tests (None: hold some out); DataError if it holds no images."""
    features, given = builder.info.features, builder.info.splits
    if "image" not in features or features["image"].np_dtype != np.uint8 or train not in given:
        found = ", ".join(f"{key} ({feature.np_dtype})" for key, feature in features.items())
        raise DataError(
            f"tfds:{name} has the features {found} and the splits {', '.join(given)}; "
            f'expected a feature "image" of uint8 and a split "{train}"'
        )
    names = tuple(getattr(dict(features).get("label"), "names", None) or ())
    return names, next((split for split in ("test", "validation") if split in given and split != train), None)


def _builder(name: str) -> Any:
    tfds = _package(name)
    from absl import logging

    path = user_path(name)
    level = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)  # it would warn about the missing folder that the sentence below explains
    try:
        if os.path.isfile(path / "dataset_info.json"):
            builder = tfds.builder_from_directory(str(path))
        else:
            builder = tfds.builder(name, file_format="array_record")
        prepared = builder.is_prepared()
    except tfds.core.DatasetNotFoundError:
        close = difflib.get_close_matches(name, tfds.list_builders(with_community_datasets=False), 3, 0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else "see tensorflow.org/datasets/catalog for the names"
        raise DataError(f"tensorflow-datasets has no set {name!r} and it is no prepared directory; {hint}") from None
    except (ValueError, AssertionError) as error:
        raise DataError(f"tfds:{name} cannot be opened: {reason(error)}") from error
    finally:
        logging.set_verbosity(level)
    if not prepared:
        raise DataError(
            f"tfds:{name} is not prepared under {builder.data_path}. Once, on a machine with a network, run:  "
            'pip install tensorflow && python -c "import tensorflow_datasets as t; '
            f"t.builder({name!r}, file_format='array_record').download_and_prepare()\"  "
            "and copy the folder here (TFDS_DATA_DIR names another place)"
        )
    if builder.info.file_format is not tfds.core.FileFormat.ARRAY_RECORD:
        raise DataError(
            f"tfds:{name} under {builder.data_path} is stored as {builder.info.file_format.value}, which cannot be "
            "read without TensorFlow; prepare it again with file_format='array_record'"
        )
    return builder


def _package(name: str) -> Any:
    """Return tensorflow-datasets, which most users do without; DataError where it is not installed."""
    try:
        import tensorflow_datasets as tfds
    except ModuleNotFoundError as error:
        raise DataError(
            f"tfds:{name} is read with the package tensorflow-datasets, and {error.name} is not installed: "
            "pip install 'genjax-models[tfds]' (in a checkout: pip install '.[tfds]')"
        ) from None
    return tfds


def _source(builder: Any, split: str, names: tuple[str, ...]) -> tuple[Any, np.ndarray | None]:
    """Return the split's examples, images still encoded, and its int32 labels (None where the set has no classes)."""
    import tensorflow_datasets as tfds

    source = builder.as_data_source(split=split, decoders={"image": tfds.decode.SkipDecoding()})
    if not names:
        return source, None
    labels = np.array([source[row]["label"] for row in range(len(source))])
    return source, check_labels(labels, len(source), len(names), f"tfds:{builder.info.full_name} {split}")
