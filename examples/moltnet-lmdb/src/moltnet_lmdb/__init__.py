"""A backend of Moltnet's storage system on LMDB: one memory-mapped file, many readers, several processes."""
