"""One R child for all tests of the bridge; skipped with the reason where there is no R."""

from collections.abc import Iterator

import pytest

from voicerisk.errors import RBridgeError
from voicerisk.rbridge import Worker


@pytest.fixture(scope="session")
def worker() -> Iterator[Worker]:
    try:
        child = Worker()
        child.call("package_versions", packages=["mgcv"])
    except RBridgeError as failure:
        pytest.skip(f"no usable R: {failure}")
    with child:
        yield child
