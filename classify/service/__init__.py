"""The classifier as a service: one process that owns a store and keeps an encoder warm.

From a request to its answer:

- `gate`: who may enter (keys, hosts, origins), before the body is read
- `routes`: one short function per operation; `models` are its JSON, `problems` its errors
- `places`: how many images may be under way; a full house is said at once
- `queries`: one classification: decode, encode, search, vote
- `batcher`: many requests, one call of the encoder; many searches, one call of the store
- `service`: what all requests share, and in which order it ends
- `retraining`, `review`: the retrain job and the queries in doubt
- `metrics`: what is counted and timed
- `app`, `command`: putting it together, and `classify serve`
"""
