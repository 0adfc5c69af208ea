"""The Redis of the gateway: the one at REDIS_URL, or an embedded server.

client          the clients, their health, errors translated
url             REDIS_URL: standalone, unix socket, Sentinel, Cluster
url_options     which options of redis-py REDIS_URL may have
health          the examination of a Redis: does it write, which version, how durable
refusal         what an error reply of Redis is about
embedded        runs a server on the data folder, or joins the one of another gateway
ping             one PING, without a client
server_folder   its lock, its log, its socket
aof_repair      repairs its append-only files after a power cut
memory          its memory bound, fit for the machine or the container
child_process   a child process that ends with this one, however this one ends
"""
