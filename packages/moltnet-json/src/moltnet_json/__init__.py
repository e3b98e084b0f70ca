"""The JSON backend of the Moltnet storage system: one snapshot file, in the form of the Go server's."""

from moltnet_json.settings import JSONSettings

__all__ = ["JSONSettings"]
