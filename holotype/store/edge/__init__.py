"""The embedded store: Qdrant's engine in this process, two shards in a folder.

- `shard`: one engine shard, made safe (threads, fork, errors)
- `points`: one shard as `holotype.store.points` asks for it
- `leases`: in memory, since there is one owner
- `space`: the folder, and how it is created and reopened
- `store`: `EdgeStore`, which puts them together under the owner's lock
"""
