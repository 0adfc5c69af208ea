"""One URL asked over HTTP.

prober           a GET, its redirects, its deadline; every failure becomes one stable word
urls             the normal form of a URL (WHATWG)
http_client      one GET over a pooled connection (aiohttp)
response         the head of an answer, however it is cut into packets
connector        addresses to connections; the address is checked here
resolver         names to addresses (pycares), without threads
tls              trust, ciphers, bounds
address_policy   which addresses may be probed
retry_after      the header Retry-After
"""
