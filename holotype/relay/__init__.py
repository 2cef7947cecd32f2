"""A store lent to a child process: the owner of an embedded store cannot share it otherwise.

The retrain job of a running service is a process of its own, so that training takes neither
the interpreter lock nor the memory of the service, gives way to queries (`nice`), and may die
without harm. The parent keeps the store and answers the child's calls over a pipe.

- `frames`: JSON and float32 arrays on a byte stream; nothing is unpickled
- `codec`: the records of the port as JSON
- `borrowed`: the child's side, a `VectorStore` as far as the job needs one
- `lender`: the parent's side
"""
