"""Whole stores: their digests, and copying and comparing them.

These tools know no backend. They read by :meth:`moltnet_core.store.Store.snapshot` and write by
:meth:`moltnet_core.store.Store.load`, so a backend of anybody's is as good as one of ours.
"""
