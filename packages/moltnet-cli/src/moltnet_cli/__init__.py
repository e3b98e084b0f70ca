"""The ``moltnet-storage`` command: looks at, tends and upgrades Moltnet stores on any installed backend."""
