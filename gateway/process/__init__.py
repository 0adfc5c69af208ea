"""The process: what concerns all of it and no feature.

shutdown          SIGTERM and SIGINT, known at once
logs              text or JSON lines, with the request id
deadline          deadlines that do not count while the process is paused
file_limit        the limit of open files
gc_tuning         rare garbage collections
parent_watchdog   a worker ends when the process that started it is gone
sockets           a bound for unsent bytes
"""
