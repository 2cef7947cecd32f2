"""The classifier as a service: one process that owns a store and keeps an encoder warm.

From a request to its answer:

- `access_control`: who may enter (keys, hosts, origins), before the body is read
- `routes`: one short function per operation; `models` are its JSON, `problems` its errors
- `limits`: how many images may be under way, how large a body; a full house is said at once
- `classification`: one classification: decode, encode, search, vote
- `batcher`: many requests, one call of the encoder; many searches, one call of the store
- `service`: what all requests share, and in which order it ends
- `retraining`: the retrain job; `review_selection`, `review_queue`: the queries in doubt
- `metrics`: what is counted and timed
- `app`, `command`: putting it together, and `classify serve`
"""
