"""Where a file lies is nobody's business but the house's own."""

import re

_ABSOLUTE = re.compile(r"^(?:[/~]|[A-Za-z]:[\\/]|\\\\)")
_WITHIN = re.compile(r"(?<![\w.:/\\])(?:~?/|[A-Za-z]:[\\/]|\\\\)(?:[^\s/\\'\",;]+[/\\])+(?=[^\s/\\'\",;])")


def without_folders(text: str) -> str:
    r"""Return a text that is an absolute path as its last part alone; any other text as it is.

    Examples
    --------
    >>> [without_folders(text) for text in ("/home/someone/calls.csv", "C:\\data\\x", "calls/a.csv")]
    ['…/calls.csv', '…/x', 'calls/a.csv']
    >>> without_folders("in /home/someone/calls.csv, row 3 of 4/5")
    'in …/calls.csv, row 3 of 4/5'
    """
    if not _ABSOLUTE.match(text) or re.search(r"\s[/~]|[,;]\s", text):
        return _WITHIN.sub("…/", text)
    return "…/" + re.split(r"[\\/]", text.rstrip("\\/"))[-1]
