"""What is known of the URLs of a task.

rows         one URL as it is stored, in a chunk of many
table        all URLs of one task, in memory
reader       reads that from Redis, each chunk once
selection    which URLs, in which order
overview     how long answers took, how each domain does
exports      as JSON, CSV, Markdown
"""
