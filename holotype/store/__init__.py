"""Where references live: one port (`holotype.store.port`), two engines.

The port is written once (`references`, `heads`), over a small protocol of points (`points`).
`holotype.store.edge` is Qdrant Edge in this process, `holotype.store.server` a Qdrant
server. `holotype.store.factory.open_store` chooses by settings. Only the two engines
import qdrant, and neither is imported before a store is opened.
"""
