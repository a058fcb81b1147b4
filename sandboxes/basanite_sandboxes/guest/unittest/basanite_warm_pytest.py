"""Imported once by the warm interpreter: all that pytest imports when it starts."""

import importlib

import _pytest.config

for _name in _pytest.config.default_plugins:
    importlib.import_module("_pytest." + _name)

import basanite_unittest  # noqa: E402, F401  what runs the tests
