"""Throw-away stores for the tests of applications.

The fixtures come with the installation: :mod:`moltnet_pytest.plugin` has them.
:func:`moltnet_pytest.places.throw_away` is what they are made of, for fixtures of another scope and for other test
runners. This package imports nothing by itself, because pytest loads it into every run.
"""
