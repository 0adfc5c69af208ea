#!/usr/bin/env python3
"""Command line of the audio library: upload, list, download, delete. See `gateway_client.screwdriver`."""

import sys

from gateway_client.screwdriver import main

if __name__ == "__main__":
    sys.exit(main())
