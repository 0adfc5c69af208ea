"""The command lines of the gateway: clients over HTTP that import nothing of the server.

A map of the code:

    crawl          `crawl.py`, `gateway-crawl`: sends URLs as tasks, polls, prints code<TAB>url
    crawl_options  its command line
    inputs         URLs out of arguments, files, sitemaps and standard input; tasks within the limits of the server
    sources        bytes of files: gzip, encodings, lines, and what kind of text they are
    documents      URLs of lists and CSV; calls prose, markdown and markup (HTML) for the others
    prose          URLs among words
    markdown       URLs of Markdown
    markup         tags and links of HTML
    formulas       cells of CSV: CSV injection
    links          the URLs of one document: resolved, each once, what is left out counted
    sitemaps       sitemaps and indexes of them
    fetcher        sitemaps over HTTP
    acceptance     which codes are good, which URLs are shown
    rows           one URL with its place and its probe, as it is printed
    reports        what is printed of the URLs: tsv, json, csv, markdown, junit
    summary        how many URLs have each verdict
    screwdriver    `screwdriver.py`, `gateway-screwdriver`: the commands list, download, rename, delete
    natural_order  names as a person sorts them
    upload         the command upload: files, folders, a summary
    tus            resumable uploads (tus 1.0)
    server         the URL, the token and the proxy of a gateway
    api            HTTP: every failure becomes one of three errors with words for a person
    patience       calls that wait for a gateway which is away for a while
    options        the options that both have
    progress_bar   the progress bar on stderr
    terminal       safe text, exit codes, the frame round a command line
"""
