"""Prepared tensorflow-datasets sets (array_record), read without TensorFlow and without touching the network."""

from __future__ import annotations

import difflib
import os
import pathlib

import numpy as np

from genjax.data.cache import memory_map
from genjax.data.dataset import Arrays, DataError, Dataset, Files, check_labels
from genjax.data.image import fit, plain
from genjax.data.split import held_out


def load(
    name: str,
    *,
    image_size: int | None = None,
    channels: int | None = None,
    cache_dir: str | os.PathLike | None = None,
    stream: bool = False,
) -> Dataset:
    """A set by name (mnist, cifar10, NAME/CONFIG:VERSION) or the directory of a prepared one (with dataset_info.json).

    Splits: train, and test or validation, else a fixed fifth of train. Images from the feature "image", labels from
    "label". Decoded once into a memory-mapped cache, or (stream) whenever asked for. DataError, at once, if the set is
    unknown, not prepared or has no images.
    """
    builder = _builder(name)
    features, given = builder.info.features, builder.info.splits
    if "image" not in features or "train" not in given:
        raise DataError(
            f"tfds:{name} has the features {', '.join(features)} and the splits {', '.join(given)}; "
            'expected a feature "image" and a split "train"'
        )
    classes = features["label"] if "label" in features and hasattr(features["label"], "names") else None
    names = tuple(classes.names) if classes is not None else ()
    test = next((split for split in ("test", "validation") if split in given), None)
    sources = {"train": builder.as_data_source(split="train")}
    labels = {"train": _labels(builder, sources["train"], "train", names)}
    rows = {"train": np.arange(len(sources["train"]))}
    if test is None:
        sources["test"] = sources["train"]
        rows["train"], rows["test"] = held_out(len(sources["train"]), labels["train"])
        labels["test"] = labels["train"]
    else:
        sources["test"] = builder.as_data_source(split=test)
        labels["test"] = _labels(builder, sources["test"], test, names)
        rows["test"] = np.arange(len(sources["test"]))
    shape = _fit(sources["train"][0]["image"], image_size, channels).shape
    splits: dict[str, Arrays | Files] = {}
    for split in ("train", "test"):
        files = Files(
            _decoder(sources[split], rows[split], shape, f"tfds:{name} {split}", image_size, channels),
            len(rows[split]),
            shape,
            None if labels[split] is None else labels[split][rows[split]],
        )
        key = ("tfds", 1, str(builder.data_path), builder.info.full_name, split, shape, _stamps(builder))
        splits[split] = files if stream else memory_map(files, key, cache_dir)
    return Dataset(f"tfds:{builder.info.full_name}", splits["train"], splits["test"], names)


def _builder(name):
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


def _labels(builder, source, split, names):
    """int32 labels of a split, without decoding its images; None where the set has no classes."""
    import tensorflow_datasets as tfds

    if not names:
        return None
    bare = builder.as_data_source(split=split, decoders={"image": tfds.decode.SkipDecoding()})
    labels = np.array([bare[row]["label"] for row in range(len(source))])
    return check_labels(labels, len(source), len(names), f"tfds:{builder.info.full_name} {split}")


def _stamps(builder):
    return sorted((path.name, path.stat().st_mtime_ns) for path in pathlib.Path(builder.data_path).iterdir())


def _fit(image, image_size, channels):
    from PIL import Image

    if image.dtype != np.uint8:
        raise DataError(f"the data set holds {image.dtype} images; only uint8 ones can be used")
    return fit(plain(Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)), image_size, channels)


def _decoder(source, rows, shape, where, image_size, channels):
    def decode(index: int) -> np.ndarray:
        image = _fit(source[int(rows[index])]["image"], image_size, channels)
        if image.shape != shape:
            raise DataError(
                f"{where}: image {rows[index]} is {list(image.shape)} but the first is {list(shape)}; pass image_size "
                "(and channels) to bring them to one shape"
            )
        return image

    return decode
