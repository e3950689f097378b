"""Prepared tensorflow-datasets sets (array_record), read without TensorFlow and without touching the network."""

import difflib
import io
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from genjax.data.dataset import Arrays, DataError, Dataset, Facts, Files, check_labels
from genjax.data.readers.image import fit, read

if TYPE_CHECKING:
    from PIL.Image import Image
from genjax.data.holdout import SHARE, held_out
from genjax.data.options import DEFAULTS, Options
from genjax.data.readers.cache import memory_map


class Examples(NamedTuple):
    """Examples `rows` of a prepared set, images still encoded; labels: int32[len(rows)], None where it has none."""

    source: Any
    rows: np.ndarray
    labels: np.ndarray | None


def load(name: str, options: Options = DEFAULTS) -> Dataset:
    """Return a set by name (mnist, NAME/CONFIG:VERSION) or the directory of a prepared one (with dataset_info.json).

    Splits: train, and test or validation, else a fixed fifth of train. Images from the feature "image", labels from
    "label". Decoded once into a memory-mapped cache, or (stream) whenever asked for. DataError, at once, if the set is
    unknown, not prepared or has no images.
    """
    builder = _builder(name)
    names, second = _described(builder, name)
    train, labels = _source(builder, "train", names)
    if second is not None:
        test, test_labels = _source(builder, second, names)
        parts = [Examples(train, np.arange(len(train)), labels), Examples(test, np.arange(len(test)), test_labels)]
    else:
        groups = held_out(len(train), labels)
        parts = [Examples(train, rows, None if labels is None else labels[rows]) for rows in groups]
    shape = fit(_read(train, 0, name), options.image_size, options.channels).shape
    splits: list[Arrays | Files] = []
    for number, part in enumerate(parts):
        files = Files(_decoder(part, shape, name, options), len(part.rows), shape, part.labels)
        key = ("tfds", 1, str(builder.data_path), builder.info.full_name, number, shape, _stamps(builder))
        splits.append(files if options.stream else memory_map(files, key, options.cache_dir))
    return Dataset(f"tfds:{builder.info.full_name}", splits[0], splits[1], names)


def facts(name: str) -> Facts:
    """Return what a prepared set's own description says of it, reading no example. DataError as in `load`."""
    builder = _builder(name)
    names, second = _described(builder, name)
    shape, count = builder.info.features["image"].shape, builder.info.splits["train"].num_examples
    if None in shape:
        raise DataError(f"tfds:{name} has images of different sizes, so nothing is known of them without the set")
    held = round(SHARE * count)
    return Facts(
        name=f"tfds:{builder.info.full_name}",
        columns={"images": (tuple(shape), "uint8"), **({"labels": ((), "int32")} if names else {})},
        train=count if second else count - held,
        test=builder.info.splits[second].num_examples if second else held,
        class_names=names,
    )


def _described(builder: Any, name: str) -> tuple[tuple[str, ...], str | None]:
    """Return the class names and the split that tests (None: hold some out); DataError if it holds no images."""
    features, given = builder.info.features, builder.info.splits
    if "image" not in features or features["image"].np_dtype != np.uint8 or "train" not in given:
        found = ", ".join(f"{key} ({feature.np_dtype})" for key, feature in features.items())
        raise DataError(
            f"tfds:{name} has the features {found} and the splits {', '.join(given)}; "
            'expected a feature "image" of uint8 and a split "train"'
        )
    names = tuple(getattr(dict(features).get("label"), "names", None) or ())
    return names, next((split for split in ("test", "validation") if split in given), None)


def _builder(name: str) -> Any:
    import tensorflow_datasets as tfds
    from absl import logging

    path = pathlib.Path(name).expanduser()
    level = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)  # it would warn about the missing folder that the sentence below explains
    try:
        if (path / "dataset_info.json").is_file():
            builder = tfds.builder_from_directory(str(path))
        else:
            builder = tfds.builder(name, file_format="array_record")
        prepared = builder.is_prepared()
    except tfds.core.DatasetNotFoundError:
        close = difflib.get_close_matches(name, tfds.list_builders(with_community_datasets=False), 3, 0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else "see tensorflow.org/datasets/catalog for the names"
        raise DataError(f"tensorflow-datasets has no set {name!r} and it is no prepared directory; {hint}") from None
    except (ValueError, AssertionError) as error:
        raise DataError(f"tfds:{name} cannot be opened: {str(error).splitlines()[0]}") from error
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


def _source(builder: Any, split: str, names: tuple[str, ...]) -> tuple[Any, np.ndarray | None]:
    """Return the split's examples, images still encoded, and its int32 labels (None where the set has no classes)."""
    import tensorflow_datasets as tfds

    source = builder.as_data_source(split=split, decoders={"image": tfds.decode.SkipDecoding()})
    if not names:
        return source, None
    labels = np.array([source[row]["label"] for row in range(len(source))])
    return source, check_labels(labels, len(source), len(names), f"tfds:{builder.info.full_name} {split}")


def _stamps(builder: Any) -> list[tuple[str, int]]:
    return sorted((path.name, path.stat().st_mtime_ns) for path in pathlib.Path(builder.data_path).iterdir())


def _read(source: Any, row: int, name: str) -> "Image":
    return read(io.BytesIO(source[row]["image"]), f"tfds:{name}, example {row}")


def _decoder(part: Examples, shape: tuple[int, ...], name: str, options: Options) -> Callable[[int], np.ndarray]:
    def decode(index: int) -> np.ndarray:
        image = fit(_read(part.source, int(part.rows[index]), name), options.image_size, options.channels)
        if image.shape != shape:
            raise DataError(
                f"tfds:{name}: image {part.rows[index]} is {list(image.shape)} but the first is {list(shape)}; pass "
                "image_size (and channels) to bring them to one shape"
            )
        return image

    return decode
