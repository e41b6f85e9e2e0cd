"""The Python interface as a whole: names mean one thing."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import namewise


def test_no_exported_name_is_also_a_module_of_the_package() -> None:
    """After `import package.x`, `package.x` is the module: an exported function of that name would be hidden by it."""
    packages = [
        "namewise", *(one.name for one in pkgutil.walk_packages(namewise.__path__, "namewise.") if one.ispkg)
    ]  # fmt: skip
    both = []
    for name in packages:
        package = import_module(name)
        modules = {one.name for one in pkgutil.iter_modules(package.__path__)}
        both += [f"{name}.{one}" for one in sorted(modules & set(getattr(package, "__all__", ())))]
    assert not both
