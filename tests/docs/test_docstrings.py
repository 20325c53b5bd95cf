"""What the docstrings say is so."""

import doctest
import importlib
import pkgutil

import pytest

import progbench

MODULES = [module.name for module in pkgutil.walk_packages(progbench.__path__, "progbench.")]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_are_true(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_every_public_name_exists_and_has_a_docstring():
    assert [name for name in progbench.__all__ if not getattr(progbench, name).__doc__] == []


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'shrunk'"):
        _ = progbench.shrunk
