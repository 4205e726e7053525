"""Where a file lies is nobody's business but the house's own."""

import re

_ABSOLUTE = re.compile(r"^(?:[/~]|[A-Za-z]:[\\/]|\\\\)")


def without_folders(text: str) -> str:
    r"""Return a text that is an absolute path as its last part alone; any other text as it is.

    Examples
    --------
    >>> [without_folders(text) for text in ("/home/someone/calls.csv", "C:\\data\\x", "calls/a.csv")]
    ['…/calls.csv', '…/x', 'calls/a.csv']
    """
    if not _ABSOLUTE.match(text):
        return text
    return "…/" + re.split(r"[\\/]", text.rstrip("\\/"))[-1]
