"""The embedded store: Qdrant's engine in this process, two shards in a folder.

- `shard`: one engine shard, made safe (threads, fork, errors)
- `filters`: `Where` as an engine filter
- `references`, `heads`: the two halves of the port, each over one shard
- `space`: the folder, and how it is created and reopened
- `store`: `EdgeStore`, which puts them together under the owner's lock
"""
