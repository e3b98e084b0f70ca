"""The JSON backend of the Moltnet storage system: one snapshot file, in the form of the Go server's."""
