"""The command lines of the gateway: clients over HTTP that import nothing of the server.

A map of the code:

    crawl          `crawl.py`, `gateway-crawl`: sends URLs as tasks, polls, prints code<TAB>url
    inputs         URLs out of arguments, files and standard input; tasks within the limits of the server
    screwdriver    `screwdriver.py`, `gateway-screwdriver`: the commands upload, list, download, delete
    tus            resumable uploads (tus 1.0)
    server         the URL, the token and the proxy of a gateway
    api            HTTP: every failure becomes one of three errors with words for a person
    options        the options that both have
    terminal       safe text, progress bars, exit codes, the frame round a command line
"""
