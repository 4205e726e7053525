"""What the extra `deep` brings: asked for before anything is computed, so that no work is lost."""

from importlib.util import find_spec

from voicerisk.errors import ModelError


def require_deep(what: str, *packages: str) -> None:
    """Raise where packages of the extra are missing.

    Parameters
    ----------
    what : str
        What needs them; the sentence begins with it.
    *packages : str
        Names as they are imported.

    Raises
    ------
    ModelError

    Examples
    --------
    >>> require_deep("A sum", "math")
    """
    lost = [name for name in packages if find_spec(name) is None]
    if lost:
        raise ModelError(f"{what} needs {' and '.join(lost)}: pip install 'voicerisk[deep]'.")
