"""The one error of everything that is wrong with data."""

_LONGEST = 200


class DataError(ValueError):
    """A data set that cannot be used; the message names the file and the cure."""


def reason(error: Exception) -> str:
    """Return what another library's error says, in one line of at most 200 characters that can be printed."""
    lines = str(error).splitlines() or [""]
    text = lines[0].encode("ascii", "backslashreplace").decode() or type(error).__name__
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."
