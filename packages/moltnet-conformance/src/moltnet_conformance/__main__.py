"""``python -m moltnet_conformance``: the command, where its script is not on the path."""

from moltnet_conformance.app import main

raise SystemExit(main())
