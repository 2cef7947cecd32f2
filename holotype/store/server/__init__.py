"""The store on a Qdrant server, or a cluster of them. Imported only when one is set.

- `connect`: a client from the settings
- `errors`, `retries`: every call is repeated where that is safe, and translated where it fails
- `batches`: requests of bounded size
- `galleries`: collections, alias, indexes and the stored fingerprint
- `collection`: one collection as `holotype.store.points` asks for it (`filters`, `search`)
- `leases`: points that are changed under a condition
- `store`: `ServerStore`, which puts them together
"""

from holotype.store.server.retries import RetryPolicy
from holotype.store.server.store import ServerStore

__all__ = ["RetryPolicy", "ServerStore"]
