"""Servers that pretend to be the platforms, over real sockets, for tests and for the demo.

An emulator shares no code with the provider it tests: a shared table would share its mistakes. The proof that
one is right is the vendor's own SDK, which runs against it (`tests/sdk`). Everything an emulator needs
besides aiohttp comes with the extra `demo`.

    audit    counts requests and the seconds between two that name one task
    faults   what goes wrong on the way, by switch
    life     how long a job runs and how it ends, from a seed
    server   serving, and the control requests under /__emulator__ that all platforms share
    tls      https on this machine, for SDKs that insist on it
    labelbox, supervisely, isahitlab, deepint: the platforms
"""
