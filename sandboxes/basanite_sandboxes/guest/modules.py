"""Stand-ins for the candidate's modules, in the process of the tests: what `import` finds there.

What tests take from them are data, read anew each time, or stand-ins for objects (proxies.py). Of classes that the task
names the instances are whole. An exception class of the candidate's comes as a class of ours with its name, derived
from the built-in one that it is.
"""

import importlib.abc
import importlib.machinery
import sys
import types

import proxies

_OWN = (
    "__name__",
    "__loader__",
    "__package__",
    "__spec__",
    "__path__",
    "__file__",
    "__cached__",
    "__builtins__",
)
SHARED = "use the mode shared for that"


def install(channel, modules, classes):
    """Have `import` find stand-ins. `modules`: name -> whether it is a package. `classes`: "module.Class" of those
    whose instances are whole."""
    sys.meta_path.insert(0, Finder(channel, modules, frozenset(classes)))


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, channel, modules, classes):
        self.channel, self.modules, self.classes = channel, modules, classes

    def find_spec(self, name, path=None, target=None):
        if name not in self.modules:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=self.modules[name])

    def create_module(self, spec):
        return RemoteModule(spec.name)

    def exec_module(self, module):
        name = module.__name__
        names = self.channel.ask("names", Imported(name))  # imports it there
        if type(names) is not list or not all(type(each) is str for each in names):
            raise ImportError(f"{name} has no names")
        object.__setattr__(module, "_remote", (self, names))


class Imported:
    """A module of the candidate's, on its way there."""

    def __init__(self, name):
        self.name = name


class RemoteModule(types.ModuleType):
    """A module of the candidate's."""

    def __getattr__(self, name):
        remote = self.__dict__.get("_remote")
        if remote is None or (name[:2] == "__" and name not in ("__all__", "__doc__", "__version__")):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        finder, names = remote
        if name == "__all__":
            return list(names)
        return taken(finder.channel, self.__name__, name, finder.classes)

    def __setattr__(self, name, value):
        if name in _OWN or isinstance(value, RemoteModule):
            object.__setattr__(self, name, value)
            return
        raise proxies.Cannot(f"{self.__name__}.{name} cannot be replaced from here: {SHARED}")

    def __delattr__(self, name):
        raise proxies.Cannot(f"{self.__name__}.{name} cannot be deleted from here: {SHARED}")


def taken(channel, module, name, classes):
    """What a module of the candidate's has under a name."""
    full = f"{module}.{name}"
    known = channel.exceptions.get(full)
    if known is not None:
        return known
    if full in classes:
        base = channel.ask("exception_base", Imported(module), name)
        if type(base) is str and base in proxies.ERRORS:
            kind = type(name, (proxies.ERRORS[base],), {"__module__": module})
            channel.exceptions[full] = kind
            return kind
    value = channel.ask("getattr", Imported(module), name)
    return channel.entry(module, name) if full in classes and type(value) is proxies.Remote else value
