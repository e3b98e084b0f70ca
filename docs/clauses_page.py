"""Makes clauses.md from the conformance kit's clauses, and from the contract's sentences that they refer to."""

from __future__ import annotations

from moltnet_conformance.catalogue import catalogue, coverage
from moltnet_conformance.clause import CONTRACT_VERSION

HEAD = f"""# Clauses

What `moltnet-conformance` holds a backend to, in contract {CONTRACT_VERSION}, made from the kit itself;
`moltnet-conformance clauses` prints it too. A clause's id is stable, and stands in the name of its test. One that is
*required* holds for every backend; others for those that declare a trait or a power, or for those that do not, whose
refusal they test. *Since* is the version of the contract that a clause came with. The numbers are those of the
contract's sentences, which are [listed below](#sentences) with the clauses of each.
"""
SENTENCES = """
## Sentences

Which clause covers which sentence of the contract, and why some have none. Sections 2 to 5 are whole; of the others
stands what clauses hold a backend to.
"""


def clauses_page() -> str:
    """The page in Markdown: a table for each group of clauses, and one of the sentences."""
    return "\n".join([HEAD.rstrip(), *catalogue(), SENTENCES, *coverage()]).rstrip() + "\n"
