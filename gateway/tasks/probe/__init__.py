"""Probes: one URL asked over HTTP.

prober           a GET, its redirects, its deadline; every failure becomes one stable word
request          what a task asks of one URL
state            the state of a probe between two requests
verdict          what an outcome means for a link; the marks of bot protection
urls             the normal form of a URL (WHATWG)
hosts            which hosts are valid: names that DNS can hold, and addresses
targets          reads many URLs, and yields to the event loop between some
http_client      one GET over a kept or a fresh connection
pool             kept connections by origin
connection       one connection: a request out, an answer in
response         the parser of an answer, however it is cut into packets
connector        addresses to connections; the address is checked here
name_cache       the addresses of names that were looked up a moment ago
resolver         names to addresses (pycares), without threads
tls              trust, ciphers, bounds
address_policy   which addresses may be probed
retry_after      the header Retry-After
"""
