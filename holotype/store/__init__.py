"""Where references live: one port (`holotype.store.port`), two engines.

`holotype.store.edge` is Qdrant Edge in this process, `holotype.store.server` a Qdrant
server. `holotype.store.factory.open_store` chooses by settings. Only the two adapters
import qdrant, and neither is imported before a store is opened.
"""
