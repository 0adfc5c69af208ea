"""What concerns the whole process and no feature.

shutdown          SIGTERM and SIGINT, noticed at once
logs              text or JSON lines, with the request id
log_stream        standard output and error that never block
deadline          deadlines that do not count while the process is paused
file_limit        the limit of open files
gc_tuning         rarer garbage collections
thread_switching  the event loop waits less for threads that compute
parent_watchdog   a worker ends when its parent process is gone
"""
