"""What a release is made of and judged by: ``python -m releasing build`` and ``python -m releasing matrix``.

The sessions of these names run them; CONTRIBUTING.md says when.
"""
