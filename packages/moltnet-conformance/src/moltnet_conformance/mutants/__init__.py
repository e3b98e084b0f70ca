"""Backends that are broken on purpose, one fault each: a kit that passes one of them is broken itself."""

from moltnet_conformance.mutants.mutant import Mutant, all_mutants, are_complete

__all__ = ["Mutant", "all_mutants", "are_complete"]
