"""Plugins: the hooks they implement, and how they are found."""

from moltnet_core.plugins.hookspecs import hookimpl
from moltnet_core.plugins.manager import Installed, Plugins, installed_backends, load_backend

__all__ = ["Installed", "Plugins", "hookimpl", "installed_backends", "load_backend"]
