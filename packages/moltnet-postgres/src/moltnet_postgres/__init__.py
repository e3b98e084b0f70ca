"""The PostgreSQL backend of the Moltnet storage system: a shared database, for many processes and machines."""
