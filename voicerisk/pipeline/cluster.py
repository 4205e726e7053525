"""A Dask cluster as the place where joblib's tasks run: recordings, Lassos and boosting."""

from collections.abc import Iterator
from contextlib import contextmanager

from voicerisk.errors import StudyError

WAIT = 30  # seconds in which a scheduler must answer and its first worker must be there


@contextmanager
def on_cluster(address: str | None) -> Iterator[None]:
    """Hand the tasks of the block to a Dask cluster; without an address the block runs as it is.

    Parameters
    ----------
    address : str or None
        Address of the scheduler, for example ``tcp://10.0.0.5:8786``. Its workers need this version of
        voicerisk, and the folders of recordings and results under the same names.

    Raises
    ------
    StudyError
        If the package distributed is missing, nothing answers at the address, or the workers are absent or
        have another version of voicerisk.

    Examples
    --------
    >>> from voicerisk.pipeline.cluster import on_cluster
    >>> with on_cluster(None):
    ...     pass
    """
    if address is None:
        yield
        return
    try:
        import distributed
    except ImportError as error:
        raise StudyError("--dask needs the package distributed; install voicerisk[dask].") from error
    import joblib

    ours = _version()

    try:
        client = distributed.Client(address, timeout=WAIT, set_as_default=True)
    except (OSError, TimeoutError, ValueError) as error:
        raise StudyError(f"No Dask scheduler answers at {address} ({error}); check the address.") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=WAIT)
        except TimeoutError as error:
            raise StudyError(
                f"The Dask cluster at {address} has no worker; start one with `dask worker {address}`."
            ) from error
        try:
            versions = client.run(_version)
        except ModuleNotFoundError as error:
            raise StudyError(
                f"A Dask worker at {address} cannot import voicerisk; install it there."
            ) from error
        for worker, version in versions.items():
            if version != ours:
                raise StudyError(
                    f"The Dask worker {worker} has voicerisk {version}, but this is {ours}; "
                    "install the same version everywhere."
                )
        with joblib.parallel_config("dask", wait_for_workers_timeout=WAIT):
            yield


def cluster_cores() -> int:
    """Count the cores of the Dask cluster that joblib's tasks go to; 0 where they stay on this machine."""
    from joblib.parallel import get_active_backend

    backend, _ = get_active_backend()
    return int(backend.effective_n_jobs(-1)) if type(backend).__name__ == "DaskDistributedBackend" else 0


def _version() -> str:
    from importlib.metadata import version

    return version("voicerisk")
