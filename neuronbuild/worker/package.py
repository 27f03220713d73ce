"""AOTInductor packages (`.pt2`): written with nothing in them but the library, and opened with constants bound."""

from __future__ import annotations

import typing
import zipfile
from collections.abc import Sequence

import torch

from .errors import UserError

if typing.TYPE_CHECKING:
    from torch._C._aoti import AOTIModelPackageLoader

NAME = "model"
FOLDER = NAME + "/data/aotinductor/" + NAME + "/"
EPOCH = (1980, 1, 1, 0, 0, 0)


def repack(made: str, path: str) -> None:
    """Copy a package without sources, serial numbers and times: same library, same bytes.

    Layout as torch.export's PT2 archive has it (torch/export/pt2_archive/constants.py); stored, not compressed.
    """
    with zipfile.ZipFile(made) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target:
        for name in sorted(source.namelist()):
            inner = name.partition("/")[2]
            file = inner.rpartition("/")[2]
            if file == "serialization_id" or file.endswith(".cpp") or "kernel_metadata" in file:
                continue
            place = FOLDER + "library" + file[file.index(".wrapper") :] if ".wrapper" in file else NAME + "/" + inner
            target.writestr(zipfile.ZipInfo(place.replace(".wrapper_", "_").replace(".wrapper", ""), EPOCH), source.read(name))


def open_package(path: str, constants: dict[str, torch.Tensor]) -> AOTIModelPackageLoader:
    """Load a package with all its constants bound to tensors that the caller keeps."""
    from torch._C._aoti import AOTIModelPackageLoader

    refuse_unsafe(path)
    loader = AOTIModelPackageLoader(path, NAME, False, 1, -1)
    wanted = loader.get_constant_fqns()
    loader.load_constants({name: constants[name] for name in wanted}, False, True, True)
    return loader


def refuse_unsafe(path: str) -> None:
    """Stop at entries that would be unpacked elsewhere: torch takes their names as they are.

    Raises:
        UserError: there is one.
    """
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.startswith("/") or "\\" in name or ".." in name.split("/"):
                raise UserError("the package holds an entry with an unsafe path: " + ascii(name[:80]))


def run(loader: AOTIModelPackageLoader, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Call a loaded package."""
    with torch.no_grad():
        outputs: list[torch.Tensor] = loader.run(list(inputs))
    return outputs
