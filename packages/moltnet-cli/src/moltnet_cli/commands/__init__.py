"""The verbs, a module each, imported when the verb is used."""
