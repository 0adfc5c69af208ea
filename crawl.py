#!/usr/bin/env python3
"""Command line of the task API: prints `code<TAB>url` for every URL, in the order given. See `gateway_client.crawl`."""

import sys

from gateway_client.crawl import main

if __name__ == "__main__":
    sys.exit(main())
